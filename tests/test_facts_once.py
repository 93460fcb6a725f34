"""Facts that stand once: marks in a file, the measure of a pair, whose scores lie where."""

from __future__ import annotations

import re
import zipfile
from contextlib import nullcontext
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from workbench import checkpoints, places
from workbench.cli import build
from workbench.coloring.colorize import Settings, make_marks
from workbench.data import DATASETS
from workbench.evaluation import metrics, score_run, scores
from workbench.evaluation.scores import Score
from workbench.images import open_image
from workbench.jobs import batch
from workbench.jobs.form import Form
from workbench.jobs.made import Made
from workbench.jobs.painting import Painter
from workbench.samples import SAMPLES
from workbench.writing import replacing

SETTINGS = Settings(chroma=1.5, size=128)


def origin(name: str, revision: str) -> dict:
    return {"model": name, "revision": revision, "settings": asdict(SETTINGS)}


def written(settings: dict, title: str) -> dict[str, str]:
    """The marks in a PNG that Compare offers."""
    picture = open_image(next(iter(SAMPLES.values())).path)
    made = Made("name", title, picture.rgb, 1.0, settings)
    return dict(Image.open(BytesIO(Form().write(picture, made))).text)


def test_a_file_says_the_same_of_itself_wherever_it_is_written() -> None:
    said = written(origin("colorful", "0123456789ab"), "Colorful")
    expected = make_marks("colorful", "0123456789ab", SETTINGS, "Colorful")
    assert expected.items() <= said.items()
    assert said["Model"] == "colorful"
    assert said["Settings"] == "size=128, chroma=1.5"


def test_a_blend_and_hints_name_every_model_and_what_was_set() -> None:
    parts = [origin("colorful", "0123456789ab"), origin("toy", "ba9876543210")]
    said = written({"blend": parts, "hint_reach": 3}, "Blend of 2")
    assert said["Model"] == "colorful, toy"
    assert said["Revision"] == "0123456789ab, ba9876543210"
    assert said["Settings"] == "size=128, chroma=1.5, hint_reach=3"
    alone = written({**parts[0], "hint_reach": 3}, "Colorful with hints")
    assert alone["Settings"] == said["Settings"]


def test_the_command_line_and_a_batch_write_the_same_file(
    small_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "CHECKPOINTS", small_checkpoints)
    source = next(iter(SAMPLES.values())).path
    run = [
        "colorize",
        str(source),
        "--model",
        "colorful",
        "--out",
        str(tmp_path),
        "--format",
        "png",
    ]
    done = CliRunner().invoke(build(), run)
    assert done.exit_code == 0, done.output
    found = checkpoints.find("colorful")
    files = [batch.File(source.name, source.read_bytes)]
    job = batch.Batch(files, [Painter(found, found.net())], Settings(), nullcontext)
    job.run()
    with zipfile.ZipFile(job.archive) as archive:
        data = archive.read(f"colorful/{source.stem}.png")
    assert data == (tmp_path / f"{source.stem}.png").read_bytes()


def test_what_is_written_takes_its_place_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as partial:
            partial.write_text("ne")
            raise RuntimeError("half of it")

    with pytest.raises(RuntimeError, match="half"):
        write_half()
    assert path.read_text() == "old"
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_no_other_module_puts_a_written_file_in_its_place() -> None:
    """`writing.replacing` and `writing.write_whole` alone do; whole folders are moved elsewhere."""
    own = re.compile(r"\bos\.(replace|rename)\(|\b(partial|fresh|new|temporary)\.replace\(")
    package = Path(places.__file__).parent
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if own.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"writing.py"}


def test_a_large_pair_is_measured_on_a_reduced_copy_and_a_small_one_as_it_is(monkeypatch) -> None:
    truth = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8)
    rgb = truth.flip(0)
    whole = metrics.measure_pair(rgb, truth)
    assert whole[0] == float(metrics.psnr(rgb[None], truth[None]))
    assert metrics.measure_pair(rgb[..., :8, :8], truth[..., :8, :8])[1] is None
    monkeypatch.setattr(metrics, "PAIR_PIXELS", 600)
    assert metrics.measure_pair(rgb, truth)[0] != whole[0]


@pytest.mark.parametrize("name", DATASETS)
def test_baselines_of_known_sets_lie_with_the_bundled_weights(name: str) -> None:
    assert score_run.baselines_folder(dataset=name).parent.parent == places.CHECKPOINTS


def test_baselines_of_own_pictures_never_lie_with_the_bundled_weights(tmp_path: Path) -> None:
    found = score_run.baselines_folder(dataset="my-holidays")
    assert places.CHECKPOINTS not in found.parents
    assert places.scores() in found.parents
    assert places.scores() in score_run.score_roots()
    assert score_run.baselines_folder(tmp_path, "my-holidays") == tmp_path / "baselines" / "scores"


def test_a_folder_with_the_name_of_a_known_set_is_somebodys_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "CHECKPOINTS", tmp_path)
    bundled = tmp_path / "baselines" / "scores"
    folder = score_run.baselines_folder
    assert folder(dataset="people", pictures=["people.parquet[0] people/a.webp"]) == bundled
    assert bundled not in (own := folder(dataset="people", pictures=["me.jpg"]), *own.parents)
    bundled.mkdir(parents=True)
    scores.write(bundled / "people.csv", [Score("grey", "-", "people", "a.webp", "cw-1", 256)])
    assert folder(dataset="people", pictures=["a.webp"]) == bundled
    assert folder(dataset="people", pictures=["me.jpg"]) == own
    assert folder(tmp_path / "out", "people", ["me.jpg"]).parents[1] == tmp_path / "out"


def test_a_heading_says_which_way_is_better() -> None:
    assert metrics.METRICS["psnr"].heading == "PSNR (dB) ↑"
    assert metrics.METRICS["delta_e"].heading == "CIEDE2000 ↓"
    assert metrics.METRICS["colorfulness"].heading == "Colourfulness → truth"
    assert metrics.USUAL == ("psnr", "ssim", "delta_e", "colorfulness", "auc")
    assert metrics.METRICS["colorfulness"].badness(10, 12) == 2
