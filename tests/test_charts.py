"""The figures say what the rows say, in the same colours everywhere."""

import numpy as np
import pytest

from workbench import charts
from workbench.evaluation import summaries
from workbench.evaluation.scores import Score
from workbench.models import MODELS


def rows(model: str, psnr: float, colour: float, dataset: str = "set") -> list[Score]:
    noise = np.random.default_rng(len(model)).normal(0, 1, 30)
    return [
        Score(
            model, "-", dataset, f"p{i}", "cw-1", 256,
            psnr=psnr + noise[i], colorfulness=colour + noise[i], colorfulness_truth=40.0,
            delta_e=30 - psnr / 2 + noise[i] / 9,
        )
        for i in range(30)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def scores() -> list[Score]:
    found = rows("grey", 23, 0.1) + rows("cbam_gan", 24, 20) + rows("colorful", 22, 38)
    return found + rows("someones", 20, 60) + rows("truth", float("inf"), 40)


@pytest.fixture(scope="module")
def lines(scores) -> list[summaries.Line]:
    return summaries.lines(scores)


def test_every_model_has_its_own_colour_and_grey_is_grey():
    colors = [charts.color_of(name) for name in (*MODELS, "grey", "mean_ab", "truth")]
    assert len(set(colors)) == len(colors)
    grey = charts.color_of("grey").lstrip("#")
    assert grey[:2] == grey[2:4] == grey[4:]
    assert charts.color_of("colorful") == MODELS["colorful"].color
    assert charts.color_of("colorful*") == MODELS["colorful"].color  # a second one of that name
    assert charts.color_of("someones") == charts.color_of("someones")


def test_the_interval_chart_is_sorted_and_marks_grey(lines):
    figure = charts.intervals(lines, "psnr", titles=str.upper)
    assert [trace.y[0] for trace in figure.data] == ["SOMEONES", "COLORFUL", "GREY", "CBAM_GAN"]
    means = {line.model: line.means["psnr"] for line in lines}
    for trace in figure.data:
        mean = means[trace.name.lower()]
        assert trace.x[0] == mean.value
        assert trace.x[0] + trace.error_x.array[0] == pytest.approx(mean.high)
        assert trace.x[0] - trace.error_x.arrayminus[0] == pytest.approx(mean.low)
    assert figure.layout.shapes[0].x0 == means["grey"].value


def test_the_best_stands_on_top_whichever_way_is_better(lines):
    best = [charts.intervals(lines, name).data[-1].name for name in ("delta_e", "colorfulness")]
    assert best == ["cbam_gan", "truth"]
    without = [line for line in lines if line.model != "truth"]
    assert charts.intervals(without, "colorfulness").data[-1].name == "colorful"  # 38 of 40


def test_psnr_stands_against_colourfulness_with_the_truth_as_a_line(lines):
    figure = charts.psnr_against_colorfulness(lines)
    assert {trace.name for trace in figure.data} == {"grey", "cbam_gan", "colorful", "someones"}
    truth = next(line for line in lines if line.model == "truth").means["colorfulness"].value
    assert figure.layout.shapes[0].x0 == truth
    assert f"truth {truth:.1f}" in figure.layout.annotations[0].text


def test_the_distribution_has_every_finite_picture(scores):
    figure = charts.distribution(scores, "psnr")
    assert [len(trace.x) for trace in figure.data] == [30] * 4
    assert figure.data[0].text[3] == "p3"


def test_the_heat_map_has_a_hole_where_there_are_no_scores():
    some = rows("a", 20, 1, "coco") + rows("b", 25, 1, "food")
    matrix = summaries.generalisation(some, {"a": "train-128", "b": "food"})
    heat = charts.generalisation(*matrix).data[0]
    assert list(heat.x) == ["coco", "food"]
    assert heat.z[0][1] is None
    assert heat.text[1][1] == f"{heat.z[1][1]:.2f}"


def test_training_curves_pass_over_lines_without_the_value():
    log = [
        {"run": {}},
        {"seen": 100, "losses": {"net": 3.0}},
        {"seen": 200, "losses": {"net": 2.0}, "validation": {"psnr": 21.5}},
    ]
    figure = charts.training_curves({"colorful": log}, "net")
    assert list(figure.data[0].x) == [100, 200]
    assert list(charts.training_curves({"colorful": log}, "psnr").data[0].y) == [21.5]


def test_a_run_is_seen_against_grey_where_its_log_says_what_grey_scores():
    log = [{"seen": 200, "losses": {"net": 2.0}, "validation": {"psnr": 21.5, "delta_cf": -9.0}}]
    logs, grey = {"a": log, "b": log}, {"psnr": 20.5, "delta_cf": -30.0}
    for known, said in (
        ({"a": grey, "b": {}}, ["grey"]),  # b's log is an older one
        ({"a": grey, "b": grey}, ["grey"]),  # the same pictures: one line
        ({"a": grey, "b": {"psnr": 19.0}}, ["grey of a", "grey of b"]),
    ):
        figure = charts.training_curves(logs, "psnr", grey=known)
        assert [each.text for each in figure.layout.annotations] == said
    assert figure.layout.shapes[0].y0 == 20.5
    assert not charts.training_curves(logs, "delta_cf", grey={"a": grey}).layout.shapes


def test_every_figure_is_at_home_on_light_and_on_dark(scores, lines):
    figures = [
        charts.intervals(lines),
        charts.psnr_against_colorfulness(lines),
        charts.distribution(scores),
        charts.paired_differences([1.0, -2.0, float("inf")], "psnr", "grey", "colorful"),
        charts.generalisation(*summaries.generalisation(scores, {"grey": "nothing"})),
        charts.training_curves({}, "psnr"),
    ]
    for figure in figures:
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0, 0, 0, 0)"
        assert figure.layout.font.color == charts.INK
