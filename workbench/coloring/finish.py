"""What is done to a network's colours afterwards: another picture's palette, then hints by hand."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from workbench.coloring.colorize import join_at_depth, lightness
from workbench.coloring.exemplar import apply_exemplar
from workbench.coloring.hints import REACH, Hint, apply_hints
from workbench.errors import Problem
from workbench.images import Picture, to_eight_bits
from workbench.names import printable

MOST_HINTS = 200
STRENGTH = 0.7  # of an exemplar, unless somebody says another
_NUMBER = r"\s*-?\d+(?:\.\d+)?\s*"
_WRITTEN = re.compile(rf"({_NUMBER}(?:,{_NUMBER}){{1,3}})=(.+)")


@dataclass(frozen=True)
class Finish:
    """Hints, and a picture whose colours are wanted. Without either nothing changes."""

    hints: tuple[Hint, ...] = ()
    reach: float = REACH  # pull of every pixel back to the network's colour
    exemplar: Picture | None = None
    strength: float = STRENGTH

    def __post_init__(self) -> None:
        if len(self.hints) > MOST_HINTS:
            raise Problem(f"At most {MOST_HINTS} hints at once, not {len(self.hints)}.")
        if not (math.isfinite(self.reach) and 1e-9 <= self.reach <= 1):
            raise Problem(f"The reach of a hint is 1e-9 (far) to 1 (a spot), not {self.reach:g}.")
        if not 0 <= self.strength <= 1:
            raise Problem(f"The strength of an exemplar is 0 to 1, not {self.strength:g}.")
        if self.exemplar is not None and self.exemplar.grey:
            raise Problem(
                f"{printable(self.exemplar.name)} has no colours to be taken: choose an exemplar "
                "in colour."
            )
        for hint in self.hints:
            _ = hint.rgb  # a colour that is none is refused here

    def __bool__(self) -> bool:
        return bool(self.hints or (self.exemplar is not None and self.strength))

    def apply(self, L: Tensor, ab: Tensor) -> Tensor:
        """The network's ab (2, H, W) under L (1, H, W) -> ab (2, H, W)."""
        from workbench.color import split_lab

        if self.exemplar is not None:
            ab = apply_exemplar(L, ab, *split_lab(self.exemplar.rgb), self.strength)
        return apply_hints(L, ab, self.hints, self.reach)

    def describe(self) -> dict[str, Any]:
        """What was done, in plain values, for a file's metadata and the JSON beside it."""
        told: dict[str, Any] = {}
        if self.exemplar is not None:
            told |= {
                "exemplar": printable(self.exemplar.name),
                "exemplar_sha256": self.exemplar.sha256,
                "exemplar_strength": self.strength,
            }
        if self.hints:
            told["hints"] = [
                {"x": each.x, "y": each.y, "to": each.to, "radius": each.radius,
                 "color": "#" + bytes(each.rgb).hex()}
                for each in self.hints
            ]  # fmt: skip
            told["hint_reach"] = self.reach
        return told


def finish_picture(picture: Picture, rgb: Tensor, finish: Finish) -> Tensor:
    """A coloured picture, RGB (3, H, W), with what `finish` does to it, at the same depth."""
    if not finish:
        return rgb
    from workbench.color import split_lab

    L = lightness(picture.full)
    return join_at_depth(L, finish.apply(L, split_lab(to_eight_bits(rgb))[1]), rgb.dtype)


def parse_hint(text: str) -> Hint:
    """A hint as it is typed: "X,Y=#RRGGBB", "X,Y,RADIUS=..." or "X,Y,X,Y=..." for a rectangle."""
    written = _WRITTEN.fullmatch(text.strip())
    if not written:
        raise Problem(
            f"{printable(text)!r} is no hint. Write X,Y=#RRGGBB, X,Y,RADIUS=#RRGGBB, or a "
            "rectangle's corners X,Y,X,Y=#RRGGBB, in pixels of the picture."
        )
    numbers = [float(part) for part in written[1].split(",")]
    return _make_hint(numbers[:2], numbers[2:], written[2])


def read_hints(told: Any) -> tuple[Hint, ...]:
    """Hints as a caller sends them: a list of objects {x, y, color}, and radius or to [x, y].

    Raises Problem with a sentence about the first that is something else.
    """
    if told is None or told == "":
        return ()
    if not isinstance(told, Sequence) or isinstance(told, str):
        raise Problem("Hints are a list of objects: {x, y, color}, with a radius or `to`: [x, y].")
    return tuple(_read_hint(each) for each in told[: MOST_HINTS + 1])


def _read_hint(each: Any) -> Hint:
    if isinstance(each, dict) and {"x", "y", "color"} <= set(each):
        to, radius = each.get("to"), each.get("radius")
        more = list(to) if isinstance(to, list | tuple) else [] if radius is None else [radius]
        numbers = [each["x"], each["y"], *more]
        right = all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers)
        if right and all(map(math.isfinite, numbers)) and len(more) <= 2:
            return _make_hint(numbers[:2], more, each["color"])
    raise Problem(
        f"{printable(str(each)[:80])!r} is no hint: it is an object {{x, y, color}}, with a radius "
        "in pixels or `to`: [x, y], a rectangle's other corner."
    )


def _make_hint(point: Sequence[float], more: Sequence[float], color: Any) -> Hint:
    x, y = point
    if not isinstance(color, str):
        raise Problem("A hint's colour is a text as #RRGGBB, e.g. #3070C0.")
    if len(more) == 2:
        return Hint(color, x, y, to=(more[0], more[1]))
    radius = more[0] if more else 3.0
    if not 0 < radius <= 1000:
        raise Problem(f"A hint's radius is above 0 and at most 1000 pixels, not {radius:g}.")
    return Hint(color, x, y, radius=radius)
