"""A teacher's way through the lessons, in a real browser: every page opened, clicked and kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser import PATIENCE, watched_page
from PIL import Image
from playwright.sync_api import expect

from workbench.models import MODELS

pytestmark = pytest.mark.browser
INSIDE = "Inside your picture"
PICTURES = {  # in the first figure of each network's inside
    "cbam_gan": 13,
    "inception_attention": 3,
    "colorful": 2,
    "attention_pix2pix": 3,
    "vanilla_cnn": 9,
    "reference": 2,
}


def visit(page, address: str, path: str) -> None:
    """Open a page of the lessons and wait for its first line."""
    page.goto(f"{address}/{path}")
    page.wait_for_selector("h1")


def settled(page) -> None:
    """Wait until the script has ended: a run that is broken off takes its pictures away."""
    expect(page.locator(".stApp")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=PATIENCE
    )


def keep(page, path: Path) -> None:
    """A screenshot of what is on the screen when the script has ended: something is on it."""
    settled(page)
    page.screenshot(path=path)
    with Image.open(path) as image:
        assert image.size == (page.viewport_size["width"], page.viewport_size["height"])
        assert len(image.convert("L").getcolors()) > 16


def chosen(page, name: str) -> None:
    """Click one of the choices of a segmented control, and see that it is the chosen one."""
    page.get_by_role("radio", name=name, exact=True).click()
    expect(page.get_by_role("radio", name=name, exact=True)).to_be_checked(timeout=PATIENCE)
    settled(page)


def test_colour_moves_with_its_sliders_and_gives_its_figures(
    browser_page, workbench_server, tmp_path
) -> None:
    page = browser_page
    visit(page, workbench_server, "learn_color")
    expect(page.locator("figure")).to_have_count(7, timeout=PATIENCE)
    expect(page.get_by_text("sRGB 236, 127, 106")).to_be_visible(timeout=PATIENCE)
    keep(page, tmp_path / "color.png")

    page.get_by_role("slider", name="L: black to white").press("End")
    expect(page.get_by_text("No screen of sRGB shows")).to_be_visible(timeout=PATIENCE)
    settled(page)
    page.get_by_role("slider", name="Rotate all hues").press("ArrowRight")
    expect(page.get_by_text("by 190°")).to_be_visible(timeout=PATIENCE)
    settled(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="This figure (PNG)").first.click()
    with Image.open(waiting.value.path()) as image:
        assert image.format == "PNG"
        assert waiting.value.suggested_filename == "gamut.png"
    page.get_by_text("Answer").last.click()
    expect(page.get_by_text("a cat is rarely blue")).to_be_visible(timeout=PATIENCE)
    keep(page, tmp_path / "color_turned.png")


def test_every_view_of_the_networks_opens_by_a_click(
    browser_page, workbench_server, tmp_path
) -> None:
    page = browser_page
    visit(page, workbench_server, "learn_models")
    first = next(iter(MODELS.values()))
    seen = {
        "Paper": page.get_by_text(first.claim),
        "Diagram": page.get_by_text("the bar in a box"),
        "Source": page.locator("code").get_by_text(first.build.__name__).first,
        "Training": page.get_by_role("heading", name="Its losses"),
        "Exercises": page.get_by_text("Overfit one picture"),
    }
    for view, what in seen.items():
        chosen(page, view)
        expect(what).to_be_visible(timeout=PATIENCE)
        keep(page, tmp_path / f"{view}.png")
    page.get_by_text("Answer").first.click()
    expect(page.get_by_text("which is what overfitting means")).to_be_visible(timeout=PATIENCE)


def test_the_inside_of_every_network_opens_by_a_click(
    browser_page, workbench_server, tmp_path
) -> None:
    page = browser_page
    visit(page, workbench_server, "learn_models")
    chosen(page, INSIDE)
    for name, spec in MODELS.items():
        chosen(page, spec.title)
        pictures = page.locator(".gallery").first.locator("figure")
        expect(pictures).to_have_count(PICTURES[name], timeout=PATIENCE)
        keep(page, tmp_path / f"{name}.png")
    chosen(page, MODELS["vanilla_cnn"].title)
    page.get_by_role("slider", name="Convolution").press("ArrowRight")
    expect(page.get_by_text(re.compile(r"^.*: \d+ channels of"))).to_be_visible(timeout=PATIENCE)


def test_a_click_into_the_picture_asks_where_that_point_looks(
    browser_page, workbench_server, tmp_path
) -> None:
    page = browser_page
    title = MODELS["attention_pix2pix"].title.replace(" ", "%20")
    visit(page, workbench_server, f"learn_models?lesson_model={title}&lesson_view={INSIDE}")
    expect(page.locator("figure")).to_have_count(3, timeout=PATIENCE)
    mark = page.locator(".frame").first.locator(".mark")
    before = mark.get_attribute("style")
    settled(page)
    page.locator(".frame").first.click(position={"x": 20, "y": 20})
    expect(mark).not_to_have_attribute("style", before, timeout=PATIENCE)
    keep(page, tmp_path / "clicked.png")


def test_turned_hues_lose_against_grey(browser_page, workbench_server, tmp_path) -> None:
    page = browser_page
    visit(page, workbench_server, "learn_metrics")
    expect(page.locator("figure")).to_have_count(5, timeout=PATIENCE)
    tables = page.get_by_test_id("stTable")
    expect(tables).to_have_count(4, timeout=PATIENCE)

    def decibels() -> list[float]:
        return [float(row) for row in tables.first.locator("tr td:nth-child(2)").all_inner_texts()]

    grey, rotated, *_ = decibels()
    assert rotated > grey
    page.get_by_role("slider", name="Rotate the hues by").press("End")
    expect(page.locator("figcaption").get_by_text("180°")).to_be_visible(timeout=PATIENCE)
    expect(tables.first.get_by_text("180°")).to_be_visible(timeout=PATIENCE)
    keep(page, tmp_path / "metrics.png")
    assert decibels()[1] < decibels()[0] == grey


def test_experiments_show_each_papers_claims_and_lead_on(
    browser_page, workbench_server, tmp_path
) -> None:
    page = browser_page
    visit(page, workbench_server, "experiments")
    for spec in (spec for spec in MODELS.values() if spec.ablations):
        page.get_by_role("tab", name=spec.title).click()
        expect(page.get_by_role("tabpanel").get_by_text(spec.claim)).to_be_visible(timeout=PATIENCE)
        keep(page, tmp_path / f"experiments_{spec.name}.png")
    expect(page.locator(".js-plotly-plot")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="Exercises, with their answers").click()
    expect(page.get_by_text("Overfit one picture")).to_be_visible(timeout=PATIENCE)


@pytest.mark.parametrize("path", ["learn_color", "learn_models", "learn_metrics", "experiments"])
def test_the_projector_enlarges_all_type_and_fits_the_screen(
    browser_page, workbench_server, tmp_path, path: str
) -> None:
    page = browser_page
    visit(page, workbench_server, path)
    before = page.evaluate("parseFloat(getComputedStyle(document.querySelector('h1')).fontSize)")
    page.get_by_text("Projector", exact=True).click()
    expect(page).to_have_url(re.compile("projector=true"), timeout=PATIENCE)
    page.wait_for_function(
        "before => parseFloat(getComputedStyle(document.querySelector('h1')).fontSize) > before",
        arg=1.3 * before,
    )
    keep(page, tmp_path / f"{path}_projected.png")
    assert page.get_by_test_id("stFileUploader").count() == 0
    assert page.get_by_test_id("stDataFrame").count() == 0  # a canvas, which does not grow
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("path", ["learn_color", "learn_models", "learn_metrics", "experiments"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_no_lesson_has_to_be_scrolled_sideways(
    chromium, workbench_server, tmp_path, path: str, scheme: str
) -> None:
    size = {"width": 390, "height": 844}
    with watched_page(chromium, color_scheme=scheme, viewport=size, has_touch=True) as page:
        visit(page, workbench_server, path)
        keep(page, tmp_path / f"{path}_{scheme}.png")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
