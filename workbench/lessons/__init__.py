"""What the lessons show, as functions of tensors and networks: no page knows how it is computed.

colors: Lab and its gamut; blocks and diagram: a network taken apart and drawn; probes: what
happens inside it for one picture; traps: measures that mislead.
"""
