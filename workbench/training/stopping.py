"""When more training does not pay, and which of a run's weights are the ones for use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PATIENCE = 5  # looks at the validation pictures
GAIN = 0.02  # dB: less is no better
LOSS = 0.2  # dB under the best: the curve has turned
LATE = 0.75  # of the run, from which on its weights may be the ones for use
RULE = (
    f"The validation curve has flattened when none of the last {PATIENCE} looks has a PSNR more "
    f"than {GAIN:g} dB above the best before them, and has turned when all of those are also more "
    f"than {LOSS:g} dB below it."
)

KEPT = (
    f"Of the looks in the last {1 - LATE:.0%} of a run the best counts: where its PSNR is more "
    f"than {GAIN:g} dB above that of the last look, its weights are the ones for use."
)  # earlier ones are left out: a GAN begins grey, which PSNR rewards


def may_be_kept(seen: int, images: int) -> bool:
    """Whether the weights after `seen` of `images` may be the ones for use, by KEPT."""
    return seen >= LATE * images


def find_stop_signal(lines: Sequence[dict[str, Any]]) -> str | None:
    """A sentence when the validation curve has flattened or turned; None while it rises.

    lines: those of log.jsonl; the ones with `validation` count, in order. The rule is RULE.
    """
    looks = [
        (line["seen"], float(line["validation"]["psnr"]))
        for line in lines
        if line.get("validation", {}).get("psnr") is not None and "seen" in line
    ]
    if len(looks) <= PATIENCE:
        return None
    before, last = looks[:-PATIENCE], [value for _, value in looks[-PATIENCE:]]
    seen, best = max(before, key=lambda look: look[1])
    if max(last) > best + GAIN:
        return None
    if max(last) < best - LOSS:
        return (
            f"Validation has turned: {best:.2f} dB after {seen:,} images was not reached in the "
            f"last {PATIENCE} looks, now {last[-1]:.2f} dB. The network may be learning its "
            "pictures by heart."
        )
    return (
        f"Validation has flattened: the last {PATIENCE} looks are no better than the {best:.2f} dB "
        f"after {seen:,} images. Look at the film-strip: colours may still come."
    )
