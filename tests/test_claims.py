"""What the README claims of the scores is computed from the rows that lie beside the weights."""

from __future__ import annotations

from pathlib import Path

from workbench import places
from workbench.evaluation import scores, summaries
from workbench.evaluation.metrics import METRICS
from workbench.models import MODELS

ROOT = Path(__file__).resolve().parent.parent
CLAIMED = ("psnr", "ssim", "delta_e")  # never one of them without the other two


def better_than_grey() -> str:
    """The README's sentence, of the bundled rows at 128: who is better than grey, by what."""
    rows = [
        row for row in scores.read_all([places.CHECKPOINTS])
        if row.protocol == "cw-1" and row.size == 128
    ]  # fmt: skip
    lines = {line.model: line.means for line in summaries.lines(rows, CLAIMED)}
    parts = []
    for name in CLAIMED:
        sign = 1 if METRICS[name].better == "higher" else -1
        gains = {m: sign * (means[name].value - lines["grey"][name].value)
                 for m, means in lines.items()}  # fmt: skip
        who = [m for m in (*sorted(set(gains) & set(MODELS)), "mean_ab") if gains[m] > 0]
        parts.append(f"by {METRICS[name].title} " + (", ".join(f"`{m}`" for m in who) or "nobody"))
    return f"Better than grey at 128, in the mean of the sets: {'; '.join(parts)}."


def test_the_readme_says_by_all_three_metrics_who_is_better_than_grey() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert better_than_grey() in text, f"README.md should say: {better_than_grey()}"


def test_nowhere_is_above_grey_claimed_by_one_metric_alone() -> None:
    for file in (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))):
        for line in file.read_text(encoding="utf-8").splitlines():
            if "above grey" in line:
                assert "SSIM" in line, f"{file.name}: {line}"
                assert "CIEDE2000" in line, f"{file.name}: {line}"
