"""A batch in a real browser: start, watch, take the ZIP home."""

from __future__ import annotations

import zipfile

import pytest
from browser import PATIENCE
from playwright.sync_api import expect
from test_pages_compare import picture_bytes

from workbench.models import MODELS

pytestmark = pytest.mark.browser


def test_a_batch_of_files_ends_in_a_zip_and_names_the_broken_one(
    browser_page, workbench_server
) -> None:
    page = browser_page
    page.goto(f"{workbench_server}/batch")
    files = [(f"{number}.png", picture_bytes((40 + number, 30))) for number in range(3)]
    files.append(("broken.png", b"no picture"))
    page.locator('[data-testid="stFileUploaderDropzoneInput"]').set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
    )
    page.get_by_role("button", name="Colour them").click()
    expect(page.get_by_text("4 of 4 files")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_text("broken.png is")).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_role("img")).to_have_count(3 * (1 + len(MODELS)), timeout=PATIENCE)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="All results (ZIP)").click()
    with zipfile.ZipFile(waiting.value.path()) as folder:
        names = set(folder.namelist())
    assert {f"colorful/{number}.png" for number in range(3)} <= names
    assert {"metrics.csv", "settings.json", "report.txt"} <= names


def test_our_samples_stand_apart_on_a_phone(browser_page, workbench_server) -> None:
    page = browser_page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{workbench_server}/batch")
    pictures = page.get_by_test_id("stImage").get_by_test_id("stImageContainer")
    expect(pictures.nth(1)).to_be_visible(timeout=PATIENCE)
    first, second = (pictures.nth(at).bounding_box() for at in range(2))
    assert first["y"] == second["y"]
    assert second["x"] - (first["x"] + first["width"]) >= 8
