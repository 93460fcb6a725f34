"""Model cards: what they say is what the config and the scores say."""

import io
import re
import shutil
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from PIL import Image

from workbench import checkpoints
from workbench.evaluation import scores
from workbench.evaluation.scores import Score
from workbench.hub.model_folder import model_files
from workbench.publishing import cards


@pytest.fixture
def checkpoint(small_checkpoints: Path, tmp_path: Path) -> checkpoints.Checkpoint:
    """A small vanilla_cnn that was scored on two sets, with grey and truth beside it."""
    folder = tmp_path / "vanilla_cnn"
    shutil.copytree(small_checkpoints / "vanilla_cnn", folder)
    found = checkpoints.open_folder(folder)

    def rows(model: str, revision: str, dataset: str, psnr: float) -> list[Score]:
        return [
            Score(
                model, revision, dataset, f"p{i}", "cw-1", size, psnr=psnr + i, ssim=0.9,
                delta_e=9.0, colorfulness=20.0, colorfulness_truth=40.0, auc=90.0,
            )
            for i in range(3) for size in (256, 128)
        ]  # fmt: skip

    for dataset, psnr in (("coco", 22.0), ("food", 24.0)):
        own = rows("vanilla_cnn", found.revision, dataset, psnr)
        old = [Score("vanilla_cnn", "0ld", dataset, "p9", "cw-1", 256, psnr=99.0)]
        scores.write(folder / "scores" / f"{dataset}.csv", own + old)
        beside = rows("grey", "-", dataset, psnr - 1) + rows("truth", "-", dataset, float("inf"))
        scores.write(tmp_path / "baselines" / "scores" / f"{dataset}.csv", beside)
    return found


def test_a_card_is_valid_metadata_with_the_means_of_its_own_revision(checkpoint, tmp_path):
    text = cards.make_card(checkpoint, tmp_path / "baselines" / "scores")
    found = ModelCard(text).data.eval_results
    values = {(r.dataset_type, r.metric_name): r.metric_value for r in found}
    assert values["coco", "PSNR (cw-1, 256 x 256)"] == 23
    assert values["food", "PSNR (cw-1, 128 x 128)"] == 25
    front = yaml.safe_load(text.split("---")[1])
    assert front["model-index"][0]["name"] == "vanilla_cnn"
    assert front["license"] == "other"
    assert "99" not in text.split("## Scores")[1].split("## Licence")[0]


def test_a_card_names_what_the_recipe_and_the_pictures_were(checkpoint, tmp_path):
    checkpoints.change_config(
        checkpoint, recipe={"distance": "log_mse"}, augmentation={"zoom": 0.2, "old_prints": 0.5}
    )
    text = cards.make_card(checkpoints.open_folder(checkpoint.folder), tmp_path)
    assert "| Recipe | distance = log_mse |" in text
    assert "| Augmentation | zoom = 0.2, old_prints = 0.5 |" in text


def test_the_table_has_grey_beside_every_number_and_a_mean_of_the_sets(checkpoint, tmp_path):
    text = cards.make_card(checkpoint, tmp_path / "baselines" / "scores")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    coco = next(line for line in lines if line.startswith("| coco"))
    assert re.search(r"23\.00 \[22\.\d\d, 2\d\.\d\d\] \| 22\.00 \|", coco), coco
    mean = next(line for line in lines if "mean of the sets" in line)
    assert "24.00 [" in mean
    assert "| 6 |" in mean


def test_weights_that_were_not_scored_have_a_card_that_says_so(checkpoint, tmp_path):
    shutil.rmtree(checkpoint.folder / "scores")
    text = cards.make_card(checkpoint, tmp_path)
    assert "not scored yet" in text
    assert "model-index" not in text


def test_a_card_names_the_data_and_not_the_folders_of_the_machine(checkpoint, tmp_path):
    config = {**checkpoint.config, "trained_on": ["/home/me/train-128/train-*.parquet", "/x/cats"]}
    text = cards.make_card(
        checkpoints.Checkpoint("vanilla_cnn", checkpoint.folder, config), tmp_path
    )
    assert "Training set of the bundled checkpoints, cats" in text
    assert "research only" in text
    assert "/home/me" not in text


def test_writing_a_card_makes_the_folder_ready_to_publish(checkpoint, tmp_path):
    path = cards.write_card(checkpoint, tmp_path / "baselines" / "scores")
    assert path.read_text(encoding="utf-8").startswith("---\n")
    grid = (checkpoint.folder / cards.GRID).read_bytes()
    assert len(grid) <= cards.GRID_BYTES
    assert Image.open(io.BytesIO(grid)).size == (4 * cards.GRID_SIDE, 3 * cards.GRID_SIDE)
    assert "README.md" in model_files(checkpoint.folder)
