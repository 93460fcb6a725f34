"""A stranger's way through the workbench, in a real browser."""

from __future__ import annotations

import json
import re
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from browser import PATIENCE, watched_page
from PIL import Image
from playwright.sync_api import expect
from test_pages_compare import picture_bytes
from visitors import visiting

from workbench.models import MODELS
from workbench.ui.compare import looks

pytestmark = pytest.mark.browser
# The page shows the model of no paper first, then those of papers in the order of the registry.
IN_ORDER = [spec.title for spec in sorted(MODELS.values(), key=lambda spec: not spec.ours)]
DROP = '[data-testid="stFileUploaderDropzoneInput"] >> nth=0'  # the other is an exemplar's
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def open_compare(page, address: str, view: str = "Side by side", sample: str = "") -> None:
    """Go to the workbench, wait for the sample in colour, and choose a way to look at it."""
    page.goto(address)
    page.wait_for_selector("text=Vanilla CNN >> visible=true")
    page.wait_for_selector(".slider img")
    if sample:
        page.get_by_role("radio", name=sample).click()
        page.get_by_text(f"Shown: {sample}").wait_for()
    if view:
        page.get_by_role("radio", name=view).click()
    if view == "Side by side":
        page.wait_for_selector("figure img")


def titles(page) -> list[str]:
    """What stands under the pictures."""
    return page.locator("figcaption b").all_text_contents()


def settled(page) -> None:
    """Wait until the script has ended."""
    expect(page.locator(".stApp")).to_have_attribute(
        "data-test-script-state", "notRunning", timeout=PATIENCE
    )


def drop(page, name: str, data: bytes) -> None:
    """Drop a file on the page's uploader."""
    page.locator(DROP).set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    )


SHIFTED = """
window.moved = [];
window.shifted = 0;  // CLS
new PerformanceObserver((list) => {
  for (const entry of list.getEntries())
    if (!entry.hadRecentInput) {
      window.shifted += entry.value;
      for (const { node, previousRect: was, currentRect: is } of entry.sources)
        window.moved.push([node?.className || node?.nodeName, was.y, is.y, was.height, is.height]);
    }
}).observe({ type: "layout-shift", buffered: true });
"""


@pytest.mark.parametrize("context", [PHONE, {"viewport": {"width": 1440, "height": 900}}])
def test_little_moves_while_the_first_screen_comes(chromium, workbench_server, context) -> None:
    with watched_page(chromium, **context) as page:
        page.add_init_script(SHIFTED)
        page.goto(workbench_server)
        page.get_by_text("All results (ZIP)").wait_for()
        settled(page)
        page.locator(".slider img.after").last.wait_for()
        assert page.evaluate("window.shifted") < 0.1, page.evaluate("window.moved")


@pytest.mark.parametrize("context", [PHONE, {"viewport": {"width": 1280, "height": 720}}])
def test_the_first_screen_is_a_photograph_in_colour_with_its_line(
    chromium, workbench_server, context
) -> None:
    with watched_page(chromium, **context) as page:
        page.goto(workbench_server)
        picture = page.locator(".slider img.after").last
        picture.wait_for()
        assert page.locator("h1").all_text_contents() == ["Colorization workbench"]
        assert page.title() == "Compare · Colorization workbench"
        page.get_by_text("All results (ZIP)").wait_for()
        settled(page)
        box = page.locator(".slider").bounding_box()
        assert box["y"] + box["height"] <= context["viewport"]["height"]
        chroma = picture.evaluate(
            """async (image) => {
                await image.decode();
                const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
                const drawn = canvas.getContext("2d");
                drawn.drawImage(image, 0, 0);
                const { data } = drawn.getImageData(0, 0, canvas.width, canvas.height);
                let most = 0;
                for (let i = 0; i < data.length; i += 4)
                  most = Math.max(most, Math.abs(data[i] - data[i + 2]));
                return most;
            }"""
        )
        assert chroma > 0
        button = page.get_by_role("button", name="All results (ZIP)").bounding_box()
        assert box["y"] < button["y"] < box["y"] + box["height"] + 200  # below the picture, near


def test_an_upload_is_named_outlives_a_change_of_page_and_gives_way_to_any_sample(
    browser_page, workbench_server
) -> None:
    page = browser_page
    open_compare(page, workbench_server)
    street = page.get_by_role("radio", name="A street in Buffalo")
    expect(street).to_be_checked()
    drop(page, "grandmother.png", picture_bytes((64, 48), "L"))
    page.get_by_text("Shown: grandmother.png, your upload").wait_for()
    expect(street).not_to_be_checked()
    page.get_by_text("Learn", exact=True).click()
    page.get_by_role("menuitem", name="Metric traps").click()
    page.get_by_text("grandmother.png, your upload has no colours to compare with").wait_for()
    page.get_by_text("Colourize", exact=True).click()
    page.get_by_role("menuitem", name="Compare").click()
    page.get_by_text("Shown: grandmother.png, your upload").wait_for()
    street.click()
    page.get_by_text("Shown: A street in Buffalo").wait_for()
    expect(street).to_be_checked()


def test_on_a_phone_every_view_is_reached_hints_stand_beside_results_and_pictures_enlarge(
    chromium, workbench_server
) -> None:
    with watched_page(chromium, **PHONE) as page:
        open_compare(page, workbench_server, view="")
        for view in looks.LOOKS:
            box = page.get_by_role("radio", name=view).bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
        page.get_by_role("button", name="Enlarge").click()
        assert page.locator(".slider").last.bounding_box()["height"] == 844
        page.keyboard.press("Escape")
        page.get_by_role("radio", name="Colour hint").click()
        page.get_by_text("0 hints").wait_for()
        settled(page)
        given, made = (page.locator(".frame").nth(place).bounding_box() for place in (0, 1))
        assert given["y"] == made["y"]
        assert made["x"] + made["width"] <= 390
        page.get_by_role("button", name="Enlarge").click()
        assert page.locator(".gallery").bounding_box()["width"] == 390
        page.get_by_role("button", name="Close").click()


def test_upload_five_pictures_download_leaderboard(browser_page, workbench_server) -> None:
    page = browser_page
    open_compare(page, workbench_server)
    assert titles(page)[1 : len(MODELS) + 1] == IN_ORDER

    drop(page, "grandmother.png", picture_bytes((64, 48), "L"))
    page.get_by_text("Shown: grandmother.png").wait_for()
    settled(page)
    expect(page.locator("figure")).to_have_count(len(MODELS) + 1, timeout=PATIENCE)  # no truth
    assert titles(page) == ["What the networks see", *IN_ORDER]

    with page.expect_download() as waiting:
        page.get_by_text("All results (ZIP)").click()
    with zipfile.ZipFile(waiting.value.path()) as folder:
        for name in MODELS:
            assert Image.open(folder.open(f"grandmother_{name}.png")).size == (64, 48)
        about = json.loads(folder.read("grandmother_settings.json"))
    assert {row["model"] for row in about["results"]} == set(MODELS)
    assert about["results"][0]["model"] == "reference"  # the believable picture comes first
    assert waiting.value.suggested_filename == "grandmother_colourized.zip"

    page.get_by_text("One result").click()
    with page.expect_download() as waiting:
        page.get_by_test_id("stPopoverBody").get_by_text(MODELS["colorful"].title).click()
    with Image.open(waiting.value.path()) as image:
        assert image.size == (64, 48)

    page.goto(f"{workbench_server}/leaderboard")
    expect(page.locator(".js-plotly-plot").get_by_text("Grey (no colour)")).to_be_visible(
        timeout=PATIENCE
    )


def test_a_view_of_the_leaderboard_can_be_shared_by_its_address(
    browser_page, workbench_server
) -> None:
    page = browser_page
    page.goto(f"{workbench_server}/leaderboard")
    page.get_by_role("radio", name="Best and worst").click()
    expect(page.locator("figure")).to_have_count(12, timeout=PATIENCE)
    page.get_by_role("combobox", name="Size").click()
    page.get_by_role("option", name="16 px").click()
    expect(page).to_have_url(re.compile(r"side=16"), timeout=PATIENCE)
    page.reload()
    expect(page.get_by_role("radio", name="Best and worst")).to_be_checked(timeout=PATIENCE)
    expect(page.locator("figure")).to_have_count(12, timeout=PATIENCE)
    assert "side=16" in page.url


def test_a_broken_file_is_a_sentence_and_the_pictures_stay(browser_page, workbench_server) -> None:
    page = browser_page
    open_compare(page, workbench_server)
    before = titles(page)
    drop(page, "broken.jpg", b"\xff\xd8 not really")
    page.wait_for_selector('[data-testid="stAlert"] >> text=broken.jpg')
    expect(page.locator("figcaption b")).to_have_text(before, timeout=PATIENCE)


def test_all_pictures_zoom_and_move_together_by_mouse_and_by_keyboard(
    browser_page, workbench_server
) -> None:
    page = browser_page
    open_compare(page, workbench_server)
    pictures = page.locator("figure img")

    def places() -> set[str]:
        return {picture.get_attribute("style") for picture in pictures.all()}

    first = places()
    assert len(first) == 1
    page.locator(".frame").nth(2).dblclick()
    assert page.locator(".tools output").inner_text() == "200 %"
    zoomed = places()
    assert len(zoomed) == 1
    assert zoomed != first
    page.locator(".frame").nth(1).focus()
    page.keyboard.press("ArrowRight")
    moved = places()
    assert len(moved) == 1
    assert moved != zoomed
    page.keyboard.press("0")
    assert places() == first


def test_the_line_between_before_and_after_moves_by_keyboard(
    browser_page, workbench_server
) -> None:
    page = browser_page
    open_compare(page, workbench_server, "Before / after")
    line = page.get_by_role("slider", name=re.compile("Line between"))
    line.focus()
    page.keyboard.press("Home")
    assert line.input_value() == "0"
    page.keyboard.press("ArrowRight")
    assert line.input_value() == "0.5"
    assert "0.5%" in page.locator(".slider").get_attribute("style")


@pytest.mark.parametrize("view", ["Maps", "Samples", "Grid"])
def test_what_a_view_shows_is_a_figure_to_take_home(
    browser_page, workbench_server, view: str
) -> None:
    page = browser_page
    open_compare(page, workbench_server, view)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="This figure (PNG)").first.click()  # one for each model
    assert waiting.value.suggested_filename.startswith("street_")
    with Image.open(waiting.value.path()) as image:
        assert image.width > 3 * 320
        assert "by AI" in image.text["Description"]


def test_a_click_on_a_picture_gives_it_a_colour(browser_page, workbench_server) -> None:
    page = browser_page
    open_compare(page, workbench_server, "Colour hint")
    page.wait_for_selector("text=0 hints")
    page.locator(".frame").first.click(position={"x": 100, "y": 80})
    page.wait_for_selector("text=1 hint >> visible=true")
    assert page.locator(".frame").first.locator(".mark").count() == 1
    page.get_by_role("button", name="Undo").click()
    page.wait_for_selector("text=0 hints")


def test_a_rectangle_takes_a_colour_by_mouse_and_by_keyboard(
    browser_page, workbench_server
) -> None:
    page = browser_page
    open_compare(page, workbench_server, "Colour hint")
    page.wait_for_selector("text=0 hints")
    frame = page.locator(".frame").first
    frame.scroll_into_view_if_needed()
    place = frame.bounding_box()
    page.mouse.move(place["x"] + 60, place["y"] + 50)
    page.mouse.down()
    page.mouse.move(place["x"] + 140, place["y"] + 110)
    page.mouse.up()
    page.wait_for_selector("text=1 hint >> visible=true")
    drawn = frame.locator(".mark.box").bounding_box()
    assert drawn["width"] == pytest.approx(80, abs=3)
    assert drawn["height"] == pytest.approx(60, abs=3)

    frame.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    assert page.locator(".tools .hint").inner_text().startswith("From ")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=2 hints >> visible=true")
    assert frame.locator(".mark.box").count() == 2
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=3 hints >> visible=true")
    assert frame.locator(".mark:not(.box)").count() == 1


@pytest.mark.parametrize("path", ["", "batch", "leaderboard", "about"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_has_to_be_scrolled_sideways(
    chromium, workbench_server, path: str, scheme: str
) -> None:
    with watched_page(chromium, color_scheme=scheme, **PHONE) as page:
        page.goto(f"{workbench_server}/{path}")
        page.wait_for_selector("h1")
        if not path:
            page.wait_for_selector(".slider img")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        ground = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
        red, green, blue = map(int, re.findall(r"\d+", ground)[:3])
        assert red == green == blue, "colour is judged on neutral ground"
        assert (red > 128) == (scheme == "light")


@pytest.mark.parametrize("name", ["compare", "home"])
def test_compare_answers_at_its_own_names_too(browser_page, workbench_server, name: str) -> None:
    open_compare(browser_page, f"{workbench_server}/{name}")
    expect(browser_page.get_by_text("Page not found")).to_have_count(0)


def test_ten_visitors_at_once_are_all_served_and_whoever_waits_is_told(workbench_server) -> None:
    together = threading.Barrier(10)

    def visit(place: int) -> tuple[list[str], list[str]]:
        with visiting(workbench_server, "compare", "view=Side+by+side") as visitor:
            visitor.look()
            together.wait(60)
            visitor.set_slider("chroma", 0.5 + place / 10)  # nobody has asked for this before
            shown = visitor.data("workbench_gallery")["cells"]
            return [cell["title"] for cell in shown], visitor.said

    with ThreadPoolExecutor(10) as room:
        visits = list(room.map(visit, range(10)))
    said = [sentence for _, words in visits for sentence in words]
    assert not [sentence for sentence in said if "error" in sentence]
    for titles, _ in visits:
        assert titles[1 : len(MODELS) + 1] == IN_ORDER
    assert [sentence for sentence in said if re.search(r"busy: \d+ in front of you", sentence)]
