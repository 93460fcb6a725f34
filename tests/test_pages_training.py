"""The pages Training and Experiments: runs followed, started and stopped; tables judged."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from workbench import ablation, checkpoints, places
from workbench.errors import Problem
from workbench.models import MODELS
from workbench.training import follow, record
from workbench.ui import experiments, training


def made_run(folder: Path, seen: int, images: int = 100, pid: int | None = None) -> Path:
    """A folder as `train` leaves it after `seen` of `images` images."""
    (folder / "training").mkdir(parents=True)
    (folder / "strip").mkdir()
    header = {
        "run": {"images": images, "batch_size": 10, "size": "32", "seed": 0},
        "model": "vanilla_cnn", "width": 0.125, "options": {}, "trained_on": ["pictures"],
        "check": {"n": 40, "unreadable": ["torn.jpg"], "grey": 2, "labels": {"circle": 20}},
        "machine": {"device": "a slow one", "processes": 1},
    }  # fmt: skip
    lines = [
        {
            "seen": n, "losses": {"net": 1 / n}, "rate": 5.0, "learning_rate": 1e-3, "seconds": n,
            "validation": {"psnr": 20 + n / 100, "ssim": 0.9, "auc": 88.0, "delta_cf": -n / 10},
        }
        for n in range(10, seen + 1, 10)
    ]  # fmt: skip
    record.write_log(folder, [header, *lines])
    for name in ["truth", *(f"{line['seen']:09d}" for line in lines)]:
        Image.new("RGB", (768, 96), (len(name), 80, 120)).save(folder / "strip" / f"{name}.webp")
    if pid is not None:
        record.write_status(folder, {"seen": seen, "images": images, "done": seen >= images}, pid)
    return folder


@pytest.fixture
def training_page(workbench: AppTest, tmp_path: Path) -> AppTest:
    """The Training page over one finished and one unfinished run, not yet run."""
    made_run(places.RUNS / "whole", 100)
    made_run(places.RUNS / "half", 50, pid=2**22 + 1)  # above Linux's largest process number
    workbench.switch_page("pages/training.py")
    return workbench


def test_a_run_is_what_its_folder_says(tmp_path: Path) -> None:
    assert follow.follow(made_run(tmp_path / "a", 100)).state == follow.FINISHED
    stopped = follow.follow(made_run(tmp_path / "b", 50, pid=2**22 + 1))
    assert (stopped.state, stopped.seen, stopped.images) == (follow.STOPPED, 50, 100)
    running = follow.follow(made_run(tmp_path / "c", 50, pid=os.getpid()))
    assert running.state == follow.RUNNING
    assert list(running.frames) == [10, 20, 30, 40, 50]
    assert "50 of 100 images, 5/s, 10 s left" in training.describe_progress(running)
    with pytest.raises(Problem, match="There is no run in"):
        follow.follow(tmp_path)


def test_runs_are_found_in_a_folder_and_in_folders_below_it(tmp_path: Path) -> None:
    made_run(tmp_path / "ablation" / "colorful" / "mse", 50)
    for place in (".", "ablation", "ablation/colorful", "ablation/colorful/mse"):
        found = follow.find(tmp_path / place)
        assert [folder.name for folder in found] == (["mse"] if place != "." else [])


def test_without_a_run_the_page_says_how_to_make_one(workbench: AppTest) -> None:
    workbench.switch_page("pages/training.py").run()
    assert not workbench.exception
    assert "python -m workbench train" in workbench.info[0].value


def test_the_page_opens_with_curves_film_strip_and_papers(training_page: AppTest) -> None:
    training_page.run()
    assert not training_page.exception
    assert len(training_page.multiselect(key="runs").value) == 1
    assert len(training_page.get("plotly_chart")) == 4  # PSNR, SSIM, AuC, colourfulness
    words = " ".join(str(frame.value.to_dict()) for frame in training_page.dataframe)
    for word in ("grey, left out", "circle", "batch_size", "a slow one"):
        assert word in words
    assert any("torn.jpg" in caption.value for caption in training_page.caption)


def test_a_run_whose_log_lacks_greys_scores_says_why_there_is_no_line(
    training_page: AppTest,
) -> None:
    training_page.run()
    training_page.multiselect(key="runs").set_value(["half"]).run()
    said = [each.value for each in training_page.caption if each.value.startswith("No line for")]
    assert len(said) == 1
    assert "runs/half" in said[0]
    training_page.segmented_control(key="curves").set_value("Losses").run()
    assert not [each for each in training_page.caption if each.value.startswith("No line for")]


def test_several_runs_are_overlaid(training_page: AppTest) -> None:
    training_page.run()
    training_page.multiselect(key="runs").set_value(["half", "whole"]).run()
    assert not training_page.exception
    chart = json.loads(training_page.get("plotly_chart")[0].proto.spec)
    assert [trace["name"] for trace in chart["data"]] == ["runs/half", "runs/whole"]
    assert [len(tab.get("image")) for tab in training_page.tabs] == [
        2,
        2,
    ]  # a frame and the truth each


def test_the_slider_goes_through_the_frames_of_the_strip(training_page: AppTest) -> None:
    training_page.run()
    training_page.multiselect(key="runs").set_value(["half"]).run()
    slider = training_page.select_slider[0]
    assert slider.options == ["10", "20", "30", "40", "50"]
    assert slider.value == 50
    slider.set_value(20).run()
    images = training_page.get("image")
    assert images[0].proto.imgs[0].caption == "After 20 images"


def test_a_typed_folder_is_followed_and_a_wrong_one_is_said(
    training_page: AppTest, tmp_path
) -> None:
    made_run(tmp_path / "elsewhere" / "mine", 30)
    training_page.run()
    training_page.text_input(key="runs_folder").set_value(str(tmp_path / "elsewhere")).run()
    assert "elsewhere/mine" in training_page.multiselect(key="runs").options
    training_page.text_input(key="runs_folder").set_value(str(tmp_path / "nothing")).run()
    assert not training_page.exception
    assert "There is no run in" in training_page.error[0].value


def wait_until(true, seconds: float = 90) -> None:
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit
        time.sleep(0.1)


def test_a_small_run_is_started_followed_and_stopped_from_the_page(
    workbench: AppTest, tmp_path: Path
) -> None:
    workbench.switch_page("pages/training.py").run()
    assert next(t for t in workbench.text_input if t.label == "Pictures").value == ""  # ours
    workbench.selectbox[0].set_value("vanilla_cnn")
    workbench.number_input[0].set_value(100_000)
    workbench.button[0].click().run()
    assert not workbench.exception
    assert not workbench.error
    folder = places.RUNS / "small-1"
    assert workbench.multiselect(key="runs").value == ["small-1"]
    wait_until(lambda: (folder / "log.jsonl").exists() or not follow._alive(
        follow.follow(folder).status["pid"]))  # fmt: skip
    run = follow.follow(folder)
    assert run.state == follow.RUNNING, run.said
    assert run.grey["psnr"] > 10  # a line to be above
    workbench.run()
    assert workbench.button[-1].disabled  # one at a time
    next(button for button in workbench.button if button.label == "Stop").click().run()
    wait_until(lambda: follow.follow(folder).state != follow.RUNNING)
    run = follow.follow(folder)
    assert run.state == follow.STOPPED
    assert "the same command goes on from there" in run.said
    assert checkpoints.open_folder(folder).config["images_seen"] < 100_000


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (training.Small("vanilla_cnn", "/no/such/place", "quick", 100, "a"), "/no/such/place"),
        (training.Small("vanilla_cnn", ".", "quick", 100, "../a"), "no name for a folder"),
        (training.Small("vanilla_cnn", ".", "quick", 100, ""), "no name for a folder"),
    ],
)
def test_what_cannot_be_started_is_said(wanted: training.Small, sentence: str) -> None:
    with pytest.raises(Problem, match=sentence):
        wanted.arguments()


def test_a_run_is_never_started_over_another(tmp_path: Path) -> None:
    made_run(tmp_path / "a", 20)
    with pytest.raises(Problem, match="holds a run already"):
        follow.start(["vanilla_cnn"], tmp_path / "a")


def test_a_run_says_that_it_stops_as_soon_as_it_is_asked(training_page: AppTest) -> None:
    folder = made_run(places.RUNS / "live", 20, pid=os.getpid())
    training_page.run()
    assert any("running" in text.value for text in training_page.markdown)
    next(button for button in training_page.button if button.label == "Stop").click().run()
    assert follow.is_stopping(folder)
    assert any("stopping" in text.value for text in training_page.markdown)
    assert "Stop" not in {button.label for button in training_page.button}


def test_only_the_presets_of_the_chosen_model_are_offered_and_no_folder_of_a_source_is_told(
    training_page: AppTest, monkeypatch
) -> None:
    monkeypatch.setenv("WORKBENCH_LOCAL", "1")
    header = {"model": "vanilla_cnn", "trained_on": ["/secret/place/train-*.parquet"]}
    folder = made_run(places.RUNS / "told", 100)
    lines = (folder / "log.jsonl").read_text().splitlines()
    (folder / "log.jsonl").write_text("\n".join([json.dumps(header), *lines[1:]]) + "\n")
    training_page.run()
    training_page.multiselect(key="runs").set_value(["told"]).run()
    told = " ".join(frame.value.to_string() for frame in training_page.dataframe)
    assert "train-*.parquet" in told
    assert "/secret" not in told
    for name in ("vanilla_cnn", "cbam_gan"):
        next(box for box in training_page.selectbox if box.label == "Model").set_value(name).run()
        preset = next(box for box in training_page.selectbox if box.label == "Preset")
        assert preset.options == list(MODELS[name].presets)


def test_with_a_password_only_those_who_know_it_start_and_stop(
    training_page: AppTest, monkeypatch
) -> None:
    monkeypatch.setenv("WORKBENCH_STUDY_PASSWORD", "please")
    made_run(places.RUNS / "live", 20, pid=os.getpid())
    training_page.run()
    assert not training_page.exception
    assert training_page.multiselect(key="runs").value == ["live"]
    assert [button.label for button in training_page.button] == ["Open"]
    next(t for t in training_page.text_input if t.label == "Password").set_value("please")
    training_page.button[0].click().run()
    assert {"Stop", "Start"} <= {button.label for button in training_page.button}


def test_the_prior_is_drawn_bin_by_bin_in_colours_of_its_own() -> None:
    import torch

    from workbench import charts
    from workbench.models import ab_bins

    shares = torch.ones(313, dtype=torch.float64)
    shares[5] = 0
    image = charts.prior_plane(shares).data[0]
    solid = [cell for row in image.z for cell in row if cell[3] > 0]
    assert len(solid) == 312
    a, b = ab_bins.centres()[300].tolist()
    cell = image.z[int(b - image.y0) // 10][int(a - image.x0) // 10]
    assert (a, b) == (90, 60) or cell[3] > 0
    red = image.z[int(50 - image.y0) // 10][int(80 - image.x0) // 10]
    blue = image.z[int(-100 - image.y0) // 10][int(60 - image.x0) // 10]
    assert red[0] > 200 > red[2]
    assert blue[2] > 200 > blue[1]


@pytest.fixture
def table(tmp_path: Path, monkeypatch) -> Path:
    """Where one's own table of `cbam_gan` would lie."""
    monkeypatch.setattr(places, "WORK", tmp_path / ".work")
    return tmp_path / ".work" / "ablation" / "cbam_gan" / "results.json"


def test_a_missing_table_says_which_command_makes_it(workbench: AppTest, table: Path) -> None:
    workbench.switch_page("pages/experiments.py").run()
    assert not workbench.exception
    assert [tab.label for tab in workbench.tabs] == [s.title for s in experiments.list_models()]
    for tab, spec in zip(workbench.tabs, experiments.list_models(), strict=True):
        assert f"python -m workbench ablate {spec.name}" in tab.info[0].value
    paper = workbench.tabs[-1].dataframe[0].value
    assert "22.169 ± 3.96" in set(paper["Paper: PSNR"]) | set(
        workbench.tabs[list(MODELS).index("attention_pix2pix")].dataframe[0].value["Paper: PSNR"]
    )
    assert workbench.get("plotly_chart")  # the prior


def test_a_damaged_table_is_one_sentence(workbench: AppTest, table: Path) -> None:
    table.parent.mkdir(parents=True)
    table.write_text("{")
    workbench.switch_page("pages/experiments.py").run()
    assert not workbench.exception
    assert "cannot be read" in workbench.error[0].value


def test_a_table_is_shown_with_verdicts(workbench: AppTest, table: Path) -> None:
    from tests.test_ablation import made_rows as rows_of_one

    def made_rows(name: str, psnr: float) -> list:
        return [replace(r, seed=s) for s in range(3) for r in rows_of_one(name, psnr)]

    spec = MODELS["cbam_gan"]
    rows = {"grey": made_rows("grey", 20.0), "skeleton": made_rows("skeleton", 22.0),
            "cbam": made_rows("cbam", 23.0), "both": made_rows("both", 21.0)}  # fmt: skip
    about = {
        "run": {"images": 60_000, "size": "64", "batch_size": 32, "seed": 0}, "width": 0.25,
        "pictures": 44_463, "scored": 30, "scored_on": "validation", "size": 64,
        "machine": {"device": "two cores"}, "created": "2026-01-02T03:04:05",
        "command": "ablate cbam_gan --data '../far/train-*.parquet' --out .work/cbam_gan",
    }  # fmt: skip
    made = ablation.make_table(spec, rows, {}, about)
    ablation.write_table(table, made, rows)
    workbench.switch_page("pages/experiments.py").run()
    assert not workbench.exception
    tab = workbench.tabs[[s.name for s in experiments.list_models()].index("cbam_gan")]
    verdicts = list(tab.table[0].value["Verdict"])  # a column of its own
    assert any("holds" in verdict for verdict in verdicts)
    assert any("reversed" in verdict for verdict in verdicts)
    assert "Not trained yet: class" in tab.warning[0].value
    frame = tab.dataframe[0].value
    assert frame.loc[frame["Entry"] == "cbam", "PSNR"].item() == pytest.approx(23, abs=0.5)
    said = " ".join(mark.value for mark in tab.caption)
    assert "ablate cbam_gan --data train-*.parquet --out cbam_gan" in said  # no place of a machine

    workbench.session_state["projector"] = True
    workbench.run()
    tab = workbench.tabs[[s.name for s in experiments.list_models()].index("cbam_gan")]
    for title in tab.table[1].value["What it is"]:
        assert not title.startswith(("+", "-", "*"))  # which Markdown would make a list of
