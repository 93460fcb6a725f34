"""A teacher's way through the lessons, in a real browser: colour and the views of the networks."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import PATIENCE
from PIL import Image
from playwright.sync_api import expect

from workbench.models import MODELS

pytestmark = pytest.mark.browser


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
    page.get_by_role("slider", name="Turn all hues").press("ArrowRight")
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
