"""Facts that stand once: marks in a file, the measure of a pair, whose scores lie where."""

from __future__ import annotations

from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image

from workbench import places
from workbench.coloring.colorize import Settings, make_marks
from workbench.data import DATASETS
from workbench.evaluation import metrics, score_run
from workbench.images import open_image
from workbench.jobs.form import Form
from workbench.jobs.made import Made
from workbench.samples import SAMPLES

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


def test_a_heading_says_which_way_is_better() -> None:
    assert metrics.METRICS["psnr"].heading == "PSNR (dB) ↑"
    assert metrics.METRICS["delta_e"].heading == "CIEDE2000 ↓"
    assert metrics.METRICS["colorfulness"].heading == "Colourfulness → truth"
    assert metrics.USUAL == ("psnr", "ssim", "delta_e", "colorfulness", "auc")
    assert metrics.METRICS["colorfulness"].badness(10, 12) == 2
