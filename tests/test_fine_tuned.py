"""Rows of fine-tuned weights: what is kept, what is refused, what tuning changed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from workbench import places
from workbench.errors import Problem
from workbench.evaluation.fine_tuned import (
    gain_by_tuning,
    keep_row,
    name_data,
    name_training,
    read_bases,
    read_rows,
)
from workbench.evaluation.scores import Score, read, write
from workbench.writing import write_whole


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("../shared/data/train-128/train-*.parquet", "train-128"),
        ("data/coco.parquet", "coco"),
        ("my/pictures/", "pictures"),
        ("hub:owner/name", "name"),
    ],
)
def test_training_data_has_a_short_name(source: str, name: str) -> None:
    assert name_data(source) == name
    assert name_training({"trained_on": [source, "b.parquet"]}) == f"{name} + b"
    assert name_training({"trained_on": []}) == "not stated"


def score(model: str, picture: str, psnr: float, dataset: str = "flowers") -> Score:
    return Score(
        model=model, revision="0", dataset=dataset, picture=picture, protocol="cw-1", size=128,
        psnr=psnr, ssim=0.9,
    )  # fmt: skip


def run_at(folder: Path, **more: object) -> Path:
    config = {
        "model": "vanilla_cnn", "from": "0123456789ab", "trained_on": ["some/flowers.parquet"],
        "images_before": 600_000, "images_seen": 602_400, "files": {"model.safetensors": "0"},
    } | more  # fmt: skip
    write_whole(folder, {"config.json": json.dumps(config).encode(), "model.safetensors": b"0"})
    return folder


def test_a_row_is_kept_without_the_weights_and_says_what_it_is(tmp_path: Path) -> None:
    run = run_at(tmp_path / "vanilla_cnn-flowers")
    rows = [score("vanilla_cnn-flowers", name, 20.0) for name in "abc"]
    write(run / "scores" / "flowers.csv", rows)
    root = tmp_path / "kept"
    said = keep_row(run, root)
    assert said == "vanilla_cnn-flowers is a row of the generalisation matrix: 1 data sets."
    assert not list(root.rglob("*.safetensors"))
    (tuned,), read, complaints = read_rows(root)
    assert (tuned.base, tuned.label) == ("vanilla_cnn", "then 2,400 of flowers")
    assert [row.picture for row in read] == list("abc")
    assert complaints == []


def test_a_row_does_not_keep_the_folders_of_the_machine_it_was_made_on(tmp_path: Path) -> None:
    places = [str(tmp_path / "parts" / "flowers.parquet"), "photos/*.parquet", "hub:OWNER/NAME"]
    run = run_at(tmp_path / "run", trained_on=places)
    write(run / "scores" / "flowers.csv", [score("run", "a", 20.0)])
    keep_row(run, tmp_path / "kept")
    kept = json.loads((tmp_path / "kept" / "run" / "config.json").read_text())
    assert kept["trained_on"] == ["flowers.parquet", *places[1:]]


def test_a_broken_row_is_named_and_the_others_are_there(tmp_path: Path) -> None:
    root = tmp_path / "kept"
    run = run_at(tmp_path / "vanilla_cnn-flowers")
    for name in ("flowers", "coco"):
        write(run / "scores" / f"{name}.csv", [score(run.name, "a", 20.0, name)])
    keep_row(run, root)
    (root / run.name / "scores" / "coco.csv.gz").write_bytes(b"not,a,table\n1,2,3\n")
    for name, text in (("torn", "{"), ("list", "[]"), ("empty", "{}")):
        write_whole(root / name, {"config.json": text.encode()})
    found, rows, complaints = read_rows(root)
    assert [each.name for each in found] == [run.name]
    assert [row.dataset for row in rows] == ["flowers"]
    assert len(complaints) == 4
    for name in ("torn", "list", "empty"):
        assert any(
            f"{name}/config.json does not say what was trained" in each for each in complaints
        )
    assert "coco.csv.gz is not a table of scores" in complaints[-1]


def test_what_is_no_fine_tuning_or_has_no_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="has no scores yet"):
        keep_row(run_at(tmp_path / "run"), tmp_path / "kept")
    with pytest.raises(Problem, match="was not trained from another model"):
        keep_row(run_at(tmp_path / "other", **{"from": None}), tmp_path / "kept")
    with pytest.raises(Problem, match="cannot be read"):
        keep_row(tmp_path / "nothing", tmp_path / "kept")


def test_the_gain_is_over_the_pictures_that_both_have(tmp_path: Path) -> None:
    run = run_at(tmp_path / "vanilla_cnn-flowers")
    write(run / "scores" / "flowers.csv", [score(run.name, "a", 21.0), score(run.name, "b", 22.5)])
    keep_row(run, tmp_path / "kept")
    (tuned,), rows, _ = read_rows(tmp_path / "kept")
    base = [
        replace(score("vanilla_cnn", name, psnr), revision="0123456789ab")
        for name, psnr in (("a", 20.0), ("b", 20.0), ("c", 9.0))
    ]
    later = [replace(row, revision="another", psnr=30.0) for row in base]
    gain = gain_by_tuning([*rows, *base, *later], tuned)
    assert list(gain) == ["flowers"]
    assert gain["flowers"].value == 1.75
    assert gain["flowers"].n == 2


def test_the_rows_of_a_base_are_kept_before_it_is_trained_on(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(places, "CHECKPOINTS", tmp_path / "checkpoints")
    table = tmp_path / "checkpoints" / "vanilla_cnn" / "scores" / "flowers.csv"
    base = replace(score("vanilla_cnn", "a", 20.0), revision="0123456789ab")
    write(table, [base, replace(base, size=256)])
    run = run_at(tmp_path / "vanilla_cnn-flowers")
    write(run / "scores" / "flowers.csv", [score(run.name, "a", 21.0)])
    keep_row(run)
    write(table, [replace(base, revision="another", psnr=25.0)])
    found, rows, _ = read_rows()
    assert read_bases(found) == ([base], [])
    later = read(table)
    assert gain_by_tuning([*rows, base, *later], found[0])["flowers"].value == 1.0
    (file,) = places.fine_tuned().glob("*.csv.gz")
    file.write_bytes(file.read_bytes()[:40])  # one that is torn does not stop the rest
    kept, (sentence,) = read_bases(found)
    assert kept == []
    assert file.name in sentence


def test_every_bundled_row_has_the_rows_of_its_base() -> None:
    found, rows, _ = read_rows()
    rows += read_bases(found)[0]
    for each in found:
        assert len(gain_by_tuning([row for row in rows if row.size == 128], each)) == 16, each.name
