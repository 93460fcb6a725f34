"""The lessons without a browser: every view opens, every control does something."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from workbench import checkpoints, places
from workbench.models import MODELS
from workbench.samples import IN_COLOR, SAMPLES
from workbench.training.record import write_log
from workbench.ui import state
from workbench.ui.lessons import networks


def opened(app: AppTest, page: str) -> AppTest:
    """A page of the lessons, run."""
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    return app


def cells(app: AppTest, name: str) -> list[dict]:
    """The pictures of one of the figures, by its key."""
    found = [
        json.loads(each.proto.json)["cells"]
        for each in app.get("bidi_component")
        if f"-{name}" in each.proto.id
    ]
    assert len(found) == 1
    return found[0]


def look(app: AppTest, model: str, view: str) -> AppTest:
    """A view of one of the networks."""
    opened(app, "learn_models")
    app.segmented_control(key="lesson_model").set_value(model)
    app.segmented_control(key="lesson_view").set_value(view).run()
    assert not app.exception
    assert not app.error
    return app


def test_colour_says_when_no_screen_shows_it_and_turns_the_picture(workbench: AppTest) -> None:
    page = opened(workbench, "learn_color")
    assert not page.warning
    page.slider(key="lab_L").set_value(95).run()
    assert any("No screen" in each.value for each in page.warning)
    assert [cell["title"] for cell in cells(page, "planes")] == ["The picture", "L", "a", "b"]
    before = cells(page, "rotated")
    page.slider(key="hue").set_value(90).run()
    after = cells(page, "rotated")
    assert after[1] != before[1]
    assert after[0] == before[0]
    assert "differ by 0." in after[2]["note"]


def test_projector_enlarges_and_puts_controls_away(workbench: AppTest) -> None:
    page = opened(workbench, "learn_color")
    many = len(page.expander)
    page.toggle(key="projector").set_value(True).run()
    assert not page.exception
    assert len(page.expander) < many
    assert any("font-size: 23px" in each.proto.body for each in page.get("html"))


@pytest.mark.parametrize("view", [view for view, show in networks.VIEWS.items() if show])
def test_each_view_opens_for_every_network(workbench: AppTest, view: str) -> None:
    for model in MODELS:
        page = look(workbench, model, view)
        if view == "Paper":
            assert any(MODELS[model].claim in each.value for each in page.markdown)
        if view == "Source":
            assert any(MODELS[model].build.__name__ in each.value for each in page.code)
        if view == "Diagram":
            assert any("multiply-adds" in each.value for each in page.markdown)
        if view == "Exercises":
            assert len(page.expander) == 3


INSIDE = {
    "cbam_gan": ("spatial", 13),  # the picture and twelve places
    "inception_attention": ("fusion", 3),
    "colorful": ("bins", 2),
    "attention_pix2pix": ("attention", 3),
    "vanilla_cnn": ("features", 9),
    "reference": ("bins", 2),
}


@pytest.mark.parametrize("model", MODELS)
def test_the_inside_of_every_network_is_shown_for_a_sample(workbench: AppTest, model: str) -> None:
    page = look(workbench, model, "Inside your picture")
    name, count = INSIDE[model]
    assert len(cells(page, name)) == count


def test_a_point_set_with_the_sliders_looks_elsewhere(workbench: AppTest, request) -> None:
    net = state.network(checkpoints.available(places.CHECKPOINTS)["attention_pix2pix"])
    for gate in net.unet.gates.values():  # random weights look everywhere alike: sharper ones
        for conv in (gate.f, gate.g):
            conv.weight.data.mul_(1000)
            request.addfinalizer(lambda conv=conv: conv.weight.data.div_(1000))
    page = look(workbench, "attention_pix2pix", "Inside your picture")
    before = cells(page, "attention")
    page.slider(key="point_across").set_value(5).run()
    after = cells(page, "attention")
    assert not page.exception
    assert before[0] == after[0]
    assert before[1:] != after[1:]


def test_a_lower_temperature_means_less_doubt(workbench: AppTest, request) -> None:
    head = state.network(checkpoints.available(places.CHECKPOINTS)["colorful"]).head.weight.data
    head.mul_(100)  # random weights know nothing: a surer network
    request.addfinalizer(lambda: head.div_(100))

    def bits(page: AppTest) -> float:
        said = next(each.value for each in page.markdown if "Entropy at" in each.value)
        return float(said.split("**")[1].split()[0])

    page = look(workbench, "colorful", "Inside your picture")
    page.pills(key="sample").set_value("coffee").run()  # no other test's distributions are kept
    before = bits(page)
    page.slider(key="lesson_temperature").set_value(0.1).run()
    assert bits(page) < before


def test_curves_are_drawn_from_the_log_beside_the_weights(workbench: AppTest, request) -> None:
    folder = places.CHECKPOINTS / "vanilla_cnn"
    lines = [
        {"seen": n, "losses": {"net": 1 / n}, "validation": {"psnr": 20 + n}} for n in (1, 2, 3)
    ]
    write_log(folder, lines)
    request.addfinalizer((folder / "log.jsonl").unlink)
    page = look(workbench, "vanilla_cnn", "Training")
    assert len(page.get("plotly_chart")) == 2
    assert not page.info


def test_metric_traps_compare_grey_turned_hues_one_step_and_a_network(workbench: AppTest) -> None:
    page = opened(workbench, "learn_metrics")
    frame = page.table[0].value
    assert len(frame) == 4
    measured = len(state.shelf())
    page.run()
    assert len(state.shelf()) == measured  # what was measured is not measured again
    page.slider(key="trap_hue").set_value(180).run()
    moved = page.table[0].value
    assert moved["PSNR, dB"][1] < frame["PSNR, dB"][1]
    assert moved["PSNR, dB"][0] == frame["PSNR, dB"][0]
    assert page.table[2].value["Pixels that differ"][2] == 1


def test_a_grey_picture_cannot_be_measured_so_the_page_says_so_and_shows_another(
    workbench: AppTest,
) -> None:
    workbench.run()  # Compare, with an old photograph
    page = opened(workbench, "learn_metrics")
    assert any("1908 has no colours" in each.value for each in page.info)
    assert page.pills(key="sample").value == IN_COLOR[0]
    assert any(each.value == f"Shown: {SAMPLES[IN_COLOR[0]].title}" for each in page.caption)
    assert cells(page, "traps")
