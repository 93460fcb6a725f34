"""The README's table of what was measured, from the rows of the bundled models and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from workbench.errors import Problem
from workbench.evaluation.metrics import METRICS as KINDS
from workbench.evaluation.reported import REPORTED, Reported
from workbench.evaluation.scores import Score
from workbench.evaluation.summaries import Line, lines
from workbench.models import MODELS
from workbench.names import write_number

PROTOCOL = "cw-1"
SIZES = (128, 256)
BASELINES = ("mean_ab", "grey", "truth")  # in the order of their rows
METRICS = ("psnr", "ssim", "delta_e", "colorfulness", "pixdiff")
CLAIMED = ("psnr", "ssim", "delta_e")  # never one of them without the other two
FIRST, LAST = "<!-- measured -->", "<!-- /measured -->"
HEADINGS = (
    "", "PSNR at 128, ours / paper", "against grey", "SSIM at 128, ours / paper",
    "CIEDE2000", "colourfulness", "PSNR at 256",
)  # fmt: skip


def make_table(scores: Iterable[Score]) -> str:
    """The README's block in Markdown: what was averaged, a table, and a few sentences.

    A row for every model that has rows of scores, best PSNR at 128 first, models of papers before
    ours; then the baselines. Where a paper reports a number of its own, it stands behind ours.
    Raises Problem when a row is not of all the test sets, or a baseline has none.
    """
    rows = [s for s in scores if s.protocol == PROTOCOL and s.size in SIZES]
    found = {(line.model, line.size): line for line in lines(rows, METRICS)}
    scored = [name for name in MODELS if any((name, size) in found for size in SIZES)]
    _check([*scored, *BASELINES], found)
    grey = _psnr(found["grey", 128])
    scored.sort(key=lambda name: -_psnr(found[name, 128]))
    networks = [name for name in scored if MODELS[name].paper]
    ours = [name for name in scored if not MODELS[name].paper]
    body = [_row(name, found, grey) for name in (*networks, *ours, *BASELINES)]
    shown = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    shown += ["| " + " | ".join(cells) + " |" for cells in body]
    parts = [_heading(found["grey", 128]), "", *shown, ""]
    return "\n".join([*parts, *([_summary(networks, found)] if networks else []), ""])


def _check(names: Iterable[str], found: Mapping[tuple[str, int], Line]) -> None:
    """Every row must be of the same test sets, or a mean over sets says nothing."""
    every = {dataset for line in found.values() for dataset in line.datasets}
    for name in names:
        for size in SIZES:
            line = found.get((name, size))
            missing = every - set(line.datasets) if line else every or {"the test sets"}
            if missing:
                raise Problem(
                    f"{name} has no scores at {size} pixels on {', '.join(sorted(missing))}: "
                    "evaluate it there first."
                )


def replace_block(path: Path, text: str) -> None:
    """Replace what stands between the two marks of a document. Raises Problem without them."""
    document = path.read_text(encoding="utf-8")
    before, first, rest = document.partition(FIRST)
    _, last, after = rest.partition(LAST)
    if not (first and last):
        raise Problem(f"{path} has no place for the table: {FIRST} and {LAST} on lines of theirs.")
    path.write_text(f"{before}{first}\n{text}{last}{after}", encoding="utf-8")


def _psnr(line: Line) -> float:
    return line.means["psnr"].value


def _heading(grey: Line) -> str:
    return (
        f"Mean over the {len(grey.datasets)} test sets ({grey.pictures:,} photographs, each set "
        f"counting the same), protocol `{PROTOCOL}`, from the rows in `checkpoints/*/scores`:"
    )


def _row(name: str, found: Mapping[tuple[str, int], Line], grey: float) -> list[str]:
    small, large = found[name, 128].means, found[name, 256].means
    paper = _find_reported(name)
    if name == "truth":
        psnr, gained, large_psnr = "infinite", "", "infinite"
    else:
        psnr, gained = (
            f"{small['psnr'].value:.2f} dB",
            write_number(small["psnr"].value - grey, "+.2f"),
        )
        large_psnr = f"{large['psnr'].value:.2f} dB"
    ssim = f"{small['ssim'].value:.4f}"
    if paper and paper.psnr is not None:
        psnr += f" / {paper.psnr:.2f} dB"
    if paper and paper.ssim is not None:
        ssim += f" / {paper.ssim:.4f}"
    return [
        f"`{name}`", psnr, gained, ssim, f"{small['delta_e'].value:.2f}",
        f"{small['colorfulness'].value:.1f}", large_psnr,
    ]  # fmt: skip


def _find_reported(name: str) -> Reported | None:
    """What the paper reports of the system that our bundled weights repeat."""
    return next((line for line in REPORTED if line.repeated_by == name), None)


def _summary(models: list[str], found: Mapping[tuple[str, int], Line]) -> str:
    """What the table says, in sentences that are true of whatever rows there are."""
    grey = _psnr(found["grey", 128])
    truth = found["truth", 128].means["colorfulness"].value
    bold = max(models, key=lambda name: found[name, 128].means["colorfulness"].value)
    share = found[bold, 128].means["colorfulness"].value / truth
    best, mean = (
        write_number(_psnr(found[name, 128]) - grey, "+.2f") for name in (models[0], "mean_ab")
    )
    differ = [
        f"Pixels that differ at all from the truth, ours / paper: `{name}` "
        f"{100 * found[name, 128].means['pixdiff'].value:.1f} % / {paper.pixels_differ:.0f} %."
        for name in models
        if (paper := _find_reported(name)) and paper.pixels_differ is not None
    ]
    sentences = (
        f"{_better_than_grey(found)} By PSNR the best network of a paper (`{models[0]}`) has "
        f"{best} dB, the training set's mean colour alone {mean} dB; PSNR alone flatters. The "
        f"boldest of them "
        f"(`{bold}`) has {100 * share:.0f} % of the truth's colourfulness."
    )
    return " ".join([sentences, *differ])


def _better_than_grey(found: Mapping[tuple[str, int], Line]) -> str:
    """Who is better than grey at 128 by each of three metrics, in a sentence."""
    grey, parts = found["grey", 128].means, []
    models = sorted(name for name, size in found if size == 128 and name in MODELS)
    for name in CLAIMED:
        sign = 1 if KINDS[name].better == "higher" else -1
        better = [
            f"`{model}`"
            for model in (*models, "mean_ab")
            if sign * (found[model, 128].means[name].value - grey[name].value) > 0
        ]
        parts.append(f"by {KINDS[name].title} " + (", ".join(better) or "nobody"))
    return f"Better than grey at 128, in the mean of the sets: {'; '.join(parts)}."
