"""Training: the loop, its batches, its record. It knows no model by name."""

from workbench.training.loop import train
from workbench.training.run import Run, parse_sizes

__all__ = ["Run", "parse_sizes", "train"]
