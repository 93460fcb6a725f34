"""The leaderboard page without a browser, on scores made for the occasion."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from streamlit.testing.v1 import AppTest

from workbench import checkpoints, places
from workbench.data import DATASETS
from workbench.errors import Problem
from workbench.evaluation import score_run, scores, summaries
from workbench.evaluation.summaries import Choice
from workbench.models import MODELS
from workbench.ui import state
from workbench.ui.leaderboard import board, views
from workbench.writing import write_whole


@pytest.fixture
def leaderboard(workbench: AppTest, small_scores: Path, monkeypatch) -> AppTest:
    """The leaderboard, not yet run."""
    monkeypatch.setattr(score_run, "score_roots", lambda: (small_scores,))
    workbench.switch_page("pages/leaderboard.py")
    return workbench


def test_without_scores_the_page_says_what_makes_them(
    workbench: AppTest, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(score_run, "score_roots", lambda: (tmp_path,))
    workbench.switch_page("pages/leaderboard.py").run()
    assert not workbench.exception
    assert "python -m workbench evaluate" in workbench.info[0].value


def test_the_table_has_the_models_and_the_three_rows_that_are_no_network(leaderboard) -> None:
    table = leaderboard.run().dataframe[0].value
    assert not leaderboard.exception
    assert set(table.index) == {
        "Vanilla CNN", "Colorful", "Grey (no colour)", "Mean colour", "Truth"
    }  # fmt: skip
    assert (table[board.ROWS, "Pictures"] == 6).all()
    finite = table["PSNR (dB) ↑", "mean"].drop("Truth")
    assert list(finite) == sorted(finite, reverse=True)


def test_the_table_says_what_the_engine_computes(leaderboard, small_scores: Path) -> None:
    from workbench.evaluation.summaries import lines

    table = leaderboard.run().dataframe[0].value
    rows = [row for row in scores.read_all([small_scores]) if row.size == 32]
    grey = next(line for line in lines(rows) if line.model == "grey")
    mean, interval = table.loc["Grey (no colour)", "PSNR (dB) ↑"]  # side by side in one group
    assert mean == round(grey.means["psnr"].value, 2)
    assert interval == f"{grey.means['psnr'].low:.2f} – {grey.means['psnr'].high:.2f}"


def test_the_csv_has_means_and_both_ends_of_their_intervals_as_numbers(small_scores: Path) -> None:
    from workbench.evaluation.summaries import Choice, lines
    from workbench.ui.leaderboard import board

    rows = [row for row in scores.read_all([small_scores]) if row.size == 32]
    choice = Choice(tuple({row.dataset for row in rows}), 32, ("psnr", "ssim"), rows[0].protocol)
    found = lines(rows)
    table = board.make_numbers(found, choice).set_index("model")
    for name in ("psnr", "psnr_low", "psnr_high", "ssim", "ssim_low", "ssim_high"):
        assert table[name].dtype == float
    grey = next(line for line in found if line.model == "grey").means["psnr"]
    assert list(table.loc["grey", ["psnr", "psnr_low", "psnr_high"]]) == [
        grey.value, grey.low, grey.high,
    ]  # fmt: skip
    assert table.loc["truth", ["psnr", "psnr_low", "psnr_high"]].isna().all()


def test_filters_come_from_the_address(leaderboard: AppTest) -> None:
    leaderboard.query_params["side"] = "16 px"
    leaderboard.query_params["metrics"] = ["SSIM"]
    leaderboard.run()
    assert leaderboard.selectbox(key="side").value == 16
    assert "SSIM ↑" in leaderboard.dataframe[0].value
    assert "PSNR (dB) ↑" not in leaderboard.dataframe[0].value


def test_each_metric_shown_carries_its_trap(leaderboard: AppTest) -> None:
    leaderboard.run()
    captions = " ".join(caption.value for caption in leaderboard.caption)
    assert "Grey scores well" in captions
    leaderboard.multiselect(key="metrics").set_value(["pixdiff"]).run()
    assert "It says nothing" in " ".join(caption.value for caption in leaderboard.caption)


def test_rows_of_old_weights_are_marked(
    leaderboard: AppTest, small_scores: Path, monkeypatch
) -> None:
    assert (board.ROWS, "Note") not in leaderboard.run().dataframe[0].value
    monkeypatch.setattr(checkpoints.Checkpoint, "revision", property(lambda self: "f" * 12))
    state.checkpoints.clear()
    notes = leaderboard.run().dataframe[0].value[board.ROWS, "Note"]
    assert notes["Colorful"] == "older weights"
    assert notes["Grey (no colour)"] == ""


@pytest.mark.parametrize("view", list(views.VIEWS))
def test_every_view_shows_something_and_no_error(
    leaderboard: AppTest, view: str, small_test_set: Path, monkeypatch
) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(small_test_set.parent))
    leaderboard.run()
    leaderboard.segmented_control(key="more").set_value(view).run()
    assert not leaderboard.exception
    assert not leaderboard.error


def test_best_and_worst_cases_are_painted_as_they_were_scored(
    leaderboard: AppTest, small_test_set: Path, small_scores: Path, monkeypatch
) -> None:
    from workbench.evaluation.metrics import psnr

    monkeypatch.setenv("WORKBENCH_DATA", str(small_test_set.parent))
    rows = [r for r in scores.read_all([small_scores]) if r.model == "colorful" and r.size == 32]
    for row in rows:
        truth, made = views.colorize_row("colorful", row, board.source_of("tiny", ""))
        assert float(psnr(made[None], truth[None])) == pytest.approx(row.psnr, abs=0.02)
    leaderboard.run()
    leaderboard.segmented_control(key="more").set_value("Best and worst").run()
    best, worst = (json.loads(each.proto.json) for each in leaderboard.get("bidi_component"))
    assert len(best["cells"]) == len(worst["cells"]) == 6
    assert best["cells"][0]["title"] == "Truth"


def test_best_and_worst_has_pictures_of_its_own(
    workbench: AppTest, small_scores: Path, tmp_path: Path, monkeypatch
) -> None:
    rows = scores.read(small_scores / "colorful" / "scores" / "tiny.csv")
    for dataset in ("kodak24", "elsewhere"):
        named = [
            replace(
                row, dataset=dataset, picture=f"{dataset}.parquet[0] a/Kodak24-kodim{n:02}.webp"
            )
            for n, row in enumerate(rows, 1)
        ]
        scores.write(tmp_path / "colorful" / "scores" / f"{dataset}.csv", named)
    monkeypatch.setattr(score_run, "score_roots", lambda: (tmp_path,))
    workbench.switch_page("pages/leaderboard.py")
    workbench.query_params["more"] = "Best and worst"
    workbench.run()
    assert not workbench.exception
    assert not workbench.error
    best, worst = (json.loads(each.proto.json) for each in workbench.get("bidi_component"))
    assert len(best["cells"]) == len(worst["cells"]) == 6
    said = " ".join(caption.value for caption in workbench.caption)
    assert "Of kodak24, coloured just now." in said
    assert "The pictures of elsewhere do not come with the workbench." in said


def test_all_of_kodaks_photographs_are_there_by_their_names_in_the_scores() -> None:
    rows = scores.read(places.ROOT / "checkpoints/reference/scores/kodak24.csv")
    named = {PurePosixPath(row.picture).name for row in rows}
    files = list((places.TEST_PICTURES / "kodak24").glob("*.webp"))
    assert {file.name for file in files} == named
    assert len(named) == 24
    assert sum(file.stat().st_size for file in files) < 1_000_000


def test_without_the_test_pictures_the_page_says_how_to_name_them(leaderboard: AppTest) -> None:
    leaderboard.run()
    leaderboard.segmented_control(key="more").set_value("Best and worst").run()
    assert not leaderboard.exception
    assert not leaderboard.error
    assert "WORKBENCH_DATA" in leaderboard.info[0].value
    with pytest.raises(Problem, match=r"no tiny\.parquet"):
        board.source_of("tiny", str(Path(__file__).parent))


def test_two_models_are_compared_picture_by_picture(leaderboard: AppTest) -> None:
    leaderboard.run()
    leaderboard.segmented_control(key="more").set_value("Two models").run()
    leaderboard.selectbox(key="first").set_value("grey").run()
    leaderboard.selectbox(key="second").set_value("grey").run()
    assert [metric.value for metric in leaderboard.metric] == ["0.00 dB", "50% of pictures"]


def test_about_has_an_answer_in_every_cell_for_the_bundled_models() -> None:
    from workbench.ui import about

    state.checkpoints.clear()
    table = about.list_models()
    assert set(table["Name"]) >= set(MODELS)
    assert (table.astype(str).map(str.strip) != "").to_numpy().all()


def test_every_test_set_is_marked_as_of_the_trainings_source_or_foreign() -> None:
    for spec in DATASETS.values():
        assert (spec.foreign is not None) == (spec.split == "test"), spec.name
    foreign = {spec.name for spec in DATASETS.values() if spec.foreign}
    assert foreign == {"coco", "sun-hays80", "kodak24", "mcmaster18", "art", "cartoon"}


def test_the_marks_are_those_of_the_datas_readme(shared: Path) -> None:
    text = (shared / "data" / "README.md").read_text(encoding="utf-8")
    training = text.partition("## Training and validation sources")[2].partition("## Test sets")[0]
    sources = {line.split("|")[1].strip() for line in training.splitlines() if "|" in line}
    for spec in DATASETS.values():
        if spec.foreign is not None and spec.name != "people":  # people is of seven of them
            assert spec.foreign == (spec.name not in sources), spec.name


@pytest.fixture
def two_kinds(workbench: AppTest, small_scores: Path, tmp_path: Path, monkeypatch) -> AppTest:
    """The leaderboard with the small scores under the names of a kin and a foreign set."""
    for table in small_scores.glob("*/scores/tiny.csv"):
        for name in ("coco", "flowers"):
            rows = [replace(row, dataset=name) for row in scores.read(table)]
            scores.write(tmp_path / table.parts[-3] / "scores" / f"{name}.csv", rows)
    monkeypatch.setattr(score_run, "score_roots", lambda: (tmp_path,))
    workbench.switch_page("pages/leaderboard.py")
    return workbench


def test_foreign_sets_are_chosen_alone_and_marked_in_the_matrix(two_kinds: AppTest) -> None:
    page = two_kinds.run()
    assert not page.exception
    assert (page.dataframe[0].value[board.ROWS, "Pictures"] == 12).all()
    page.segmented_control(key="kinship").set_value("foreign source").run()
    assert not page.exception
    assert (page.dataframe[0].value[board.ROWS, "Pictures"] == 6).all()
    page.segmented_control(key="kinship").set_value(board.EVERY)
    page.segmented_control(key="more").set_value("Generalisation").run()
    assert not page.exception
    figure = json.loads(page.get("plotly_chart")[0].proto.spec)["data"][0]
    assert list(figure["x"]) == ["coco (foreign)", "flowers"]
    assert not page.subheader, "nothing was fine-tuned"
    assert {"Grey (no colour) (no training)", "Mean colour (one colour for all)"} <= set(
        figure["y"]
    )


@pytest.mark.parametrize("side", [None, 48])
def test_the_matrix_has_rows_of_fine_tuned_weights_and_what_tuning_changed(
    two_kinds: AppTest, tmp_path: Path, monkeypatch, side: int | None
) -> None:
    monkeypatch.setattr(places, "fine_tuned", lambda: tmp_path / "kept")
    about = {
        "trained_on": ["data/flowers.parquet"], "images_before": 1000, "images_seen": 3400,
    }  # fmt: skip
    rows = [row for row in scores.read_all([tmp_path]) if row.model not in summaries.BASELINES]
    base = rows[0].model
    write_whole(
        tmp_path / "kept" / "mine",
        {"config.json": json.dumps(about | {"model": base, "from": rows[0].revision}).encode()},
    )
    for name in ("coco", "flowers"):
        tuned = [
            replace(row, model="mine", psnr=row.psnr + (name == "flowers"), size=side or row.size)
            for row in rows
            if (row.model, row.dataset) == (base, name)
        ]
        scores.write(tmp_path / "kept" / "mine" / "scores" / f"{name}.csv", tuned)
    page = two_kinds
    page.query_params["more"] = "Generalisation"
    page.run()
    assert not page.exception
    told = [each.value for each in page.caption if each.value.startswith("Fine-tuned weights have")]
    assert told == (["Fine-tuned weights have rows at 48 px: choose that size above."] * bool(side))
    if side:
        return
    assert page.subheader[0].value == "What fine-tuning changed"
    heats = [json.loads(each.proto.spec)["data"][0] for each in page.get("plotly_chart")]
    assert any("then 2,400 of flowers" in row for row in heats[0]["y"])
    assert heats[1]["text"] == [["0.00", "1.00"]]


def test_errors_by_colour_are_measured_on_the_spot_where_none_are_kept(
    leaderboard: AppTest, small_test_set: Path, monkeypatch
) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(small_test_set.parent))
    leaderboard.query_params["more"] = "By colour"
    leaderboard.run()
    assert "by-colour all" in leaderboard.info[0].value
    assert not leaderboard.get("plotly_chart")
    leaderboard.selectbox(key="colour_set").set_value("tiny").run()
    assert not leaderboard.exception
    assert not leaderboard.error
    assert len(leaderboard.get("plotly_chart")) == 2, "no scene is named in these pictures"
    judged = leaderboard.dataframe[1].value.set_index("They say")["In these weights"]
    assert judged["landscapes above all"] == "no such pictures"
    assert "One training" in " ".join(caption.value for caption in leaderboard.caption)


def test_errors_by_colour_that_are_kept_are_shown_with_their_scenes(
    leaderboard: AppTest, small_scores: Path, monkeypatch, tmp_path: Path
) -> None:
    from workbench.evaluation import by_color

    rows = [
        by_color.Share(model, "0123456789ab", "tiny", f"{i}.png", label, 128, sector, 100 + i,
                        error + i, 0.0 if model == "grey" else 9.0, 30.0)
        for model, error in (("colorful", 5.0), ("grey", 9.0))
        for i, label in enumerate(("forest", "sea", "street", "buildings") * 2)
        for sector in ("red", "green", "blue")
    ]  # fmt: skip
    for model in ("colorful", "grey"):
        kept = [row for row in rows if row.model == model]
        by_color.write(tmp_path / model / "by_colour" / "tiny.csv", kept)
    monkeypatch.setattr(score_run, "score_roots", lambda: (small_scores, tmp_path))
    leaderboard.query_params["more"] = "By colour"
    leaderboard.run()
    assert not leaderboard.exception
    assert not leaderboard.error
    assert len(leaderboard.get("plotly_chart")) == 3
    judged = leaderboard.dataframe[1].value.set_index("They say")["In these weights"]
    assert judged["green is coloured well"] == "seen"
    assert "Rows of older weights: Colorful." in [caption.value for caption in leaderboard.caption]


def test_names_that_a_spreadsheet_would_run_are_harmless_in_every_csv_of_the_leaderboard(
    monkeypatch,
) -> None:
    from workbench.evaluation.summaries import lines

    files = {}

    class Bar:
        def download_button(self, label, data, *_, **__):
            files[label] = data()

    monkeypatch.setattr(board.st, "container", lambda **_: Bar())
    row = scores.Score("=1+1", "-", "@set", "+a.png", "cw-1", 256, psnr=20.0)
    board.offer_downloads(lines([row]), [row], Choice(("@set",), 256, ("psnr",), "cw-1"))
    for label in ("Table (CSV)", "Rows per picture (CSV)"):
        cells = [cell for line in files[label].splitlines()[1:] for cell in line.split(",")]
        assert "'=1+1" in cells
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_a_data_set_has_its_facts_what_grey_comes_to_and_what_is_in_it(
    leaderboard, small_test_set: Path, monkeypatch
) -> None:
    monkeypatch.setenv("WORKBENCH_DATA", str(small_test_set.parent))
    leaderboard.run(timeout=120)
    leaderboard.button_group(key="more").set_value("Data sets").run(timeout=120)
    assert not leaderboard.exception
    grey = leaderboard.dataframe[1].value
    assert set(grey["Side"]) == {32, 16}
    said = " ".join(caption.value for caption in leaderboard.caption)
    assert "6 pictures are here" in said
    assert "do not let everybody show its pictures" in said  # a set of one's own has no terms
    leaderboard.selectbox(key="set").set_value("coco").run(timeout=120)
    assert not leaderboard.exception
    assert "Flickr terms" in " ".join(each.value for each in leaderboard.markdown)
