"""The Compare and About pages without a browser, and what they keep between runs."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import threading
import time
import zipfile

import numpy as np
import pytest
import torch
from browser import RUN_PATIENCE
from PIL import Image
from streamlit.testing.v1 import AppTest

from workbench.images import encode
from workbench.jobs.form import Form
from workbench.jobs.made import Made
from workbench.models import MODELS
from workbench.samples import FIRST, IN_COLOR, SAMPLES
from workbench.ui import exports, state
from workbench.ui.compare import looks, opening


def picture_bytes(size: tuple[int, int] = (40, 30), mode: str = "RGB") -> bytes:
    """A small PNG with a gradient in it, in colour or grey."""
    rgb = torch.stack(torch.meshgrid(torch.arange(size[1]), torch.arange(size[0]), indexing="ij"))
    rgb = torch.cat((rgb * 5, rgb[:1] + 90)).clamp(0, 255).byte()
    buffer = io.BytesIO()
    Image.fromarray(rgb.permute(1, 2, 0).numpy()).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def shown(app: AppTest, name: str = "side_by_side") -> dict:
    """What the page gave to one of our own components, by its key."""
    found = [
        json.loads(element.proto.json)
        for element in app.get("bidi_component")
        if f"-{name}" in element.proto.id
    ]
    assert len(found) == 1
    return found[0]


def side_by_side(app: AppTest) -> AppTest:
    """The page with all results beside each other."""
    app.run()
    app.segmented_control(key="view").set_value("Side by side").run()
    assert not app.exception
    return app


def test_the_page_opens_with_an_old_photograph_in_colour_by_ours(
    workbench: AppTest, monkeypatch
) -> None:
    workbench.run()
    assert not workbench.exception
    assert workbench.title[0].value == "Colorization workbench"
    seen = shown(workbench, "slider")
    assert [each["title"] for each in seen] == ["What the networks see", "Reference"]
    # whoever comes later sees the same before a network is awake, and again when it is
    kept = []
    monkeypatch.setattr(
        opening.viewers, "show_slider", lambda *cells, key: kept.append((key, cells))
    )
    later = AppTest.from_file(workbench._script_path, default_timeout=RUN_PATIENCE).run()
    assert not later.exception
    assert [key for key, _ in kept] == ["opening"]
    assert [cell.title for cell in kept[0][1]] == ["What the networks see", "Reference"]
    assert kept[0][1][1].rgb.data == opening.viewers.encode_cell(kept[0][1][1]).data


def test_the_very_first_visitor_sees_a_pair_in_colour_before_a_network_is_awake(
    workbench: AppTest, monkeypatch
) -> None:
    shown_first = []
    monkeypatch.setattr(
        opening.viewers, "show_slider", lambda *cells, key: shown_first.append((key, cells))
    )
    workbench.run()
    assert not workbench.exception
    (key, (before, after)) = shown_first[0]
    assert key == "opening"
    pictures = [Image.open(io.BytesIO(cell.rgb.data)).convert("RGB") for cell in (before, after)]
    assert {picture.size for picture in pictures} == {(after.rgb.width, after.rgb.height)}
    grey, colored = (np.asarray(picture).astype(int) for picture in pictures)
    assert np.ptp(grey, -1).mean() < 1  # WebP's rounding
    assert np.ptp(colored, -1).mean() > 10


def test_all_models_stand_side_by_side_ours_first(workbench: AppTest) -> None:
    workbench.run()
    workbench.pills(key="sample").set_value("chelsea").run()
    titles = [cell["title"] for cell in shown(side_by_side(workbench))["cells"]]
    in_order = sorted(MODELS.values(), key=lambda spec: not spec.ours)
    assert titles[1:-1] == [spec.title for spec in in_order]
    assert titles[0] == "What the networks see"
    assert titles[-1] == "The photograph"


def said(app: AppTest) -> str:
    """The page's line about the picture that is shown."""
    return next(each.value for each in app.caption if each.value.startswith("Shown: "))


def test_there_is_one_picture_its_name_is_said_and_nothing_else_is_lit(workbench: AppTest) -> None:
    side_by_side(workbench)
    assert said(workbench) == f"Shown: {SAMPLES[FIRST].title}"
    assert workbench.pills(key="sample").value == FIRST
    upload(workbench, "mine.png", picture_bytes((43, 31)))
    assert said(workbench) == "Shown: mine.png, your upload"
    assert workbench.pills(key="sample").value is None  # every sample can be clicked again
    mine = [cell["src"] for cell in shown(workbench)["cells"]]
    for page in ("about", "learn_color"):
        workbench.switch_page(f"pages/{page}.py").run()
    assert said(workbench) == "Shown: mine.png, your upload"
    workbench.switch_page("pages/compare.py").run()
    assert said(workbench) == "Shown: mine.png, your upload"
    assert [cell["src"] for cell in shown(workbench)["cells"]] == mine
    workbench.pills(key="sample").set_value(FIRST).run()
    assert said(workbench) == f"Shown: {SAMPLES[FIRST].title}"
    workbench.pills(key="sample").set_value(None).run()  # a second click on what is lit
    assert workbench.pills(key="sample").value == FIRST
    assert said(workbench) == f"Shown: {SAMPLES[FIRST].title}"


def test_numbers_stand_under_a_picture_that_had_colour_and_not_under_a_grey_one(
    workbench: AppTest,
) -> None:
    side_by_side(workbench)
    upload(workbench, "colour.png", picture_bytes())
    assert all("dB" in cell["note"] and "SSIM" in cell["note"] for cell in results_of(workbench))
    upload(workbench, "grey.png", picture_bytes(mode="L"))
    notes = [cell["note"] for cell in shown(workbench)["cells"][1:]]
    assert len(notes) == len(MODELS)
    assert all(note.endswith(" s") and "dB" not in note for note in notes)


def upload(app: AppTest, name: str, data: bytes) -> None:
    """Drop a file on the page."""
    app.file_uploader[0].set_value((name, data, "application/octet-stream")).run()
    assert not app.exception


def results_of(app: AppTest) -> list[dict]:
    """The cells of the models, without input and truth."""
    return shown(app)["cells"][1:-1]


def test_a_file_that_is_no_picture_gets_a_sentence_and_loses_nothing(workbench: AppTest) -> None:
    side_by_side(workbench)
    upload(workbench, "fine.png", picture_bytes())
    before = shown(workbench)
    upload(workbench, "broken.png", b"this is no picture")
    assert any("broken.png" in error.value for error in workbench.error)
    after = shown(workbench)
    assert [cell["src"] for cell in after["cells"]] == [cell["src"] for cell in before["cells"]]


def test_the_same_upload_again_is_not_coloured_again(workbench: AppTest, monkeypatch) -> None:
    side_by_side(workbench)
    upload(workbench, "once.png", picture_bytes((41, 31)))

    def forbidden(*arguments, **options):
        raise AssertionError("a network ran")

    monkeypatch.setattr("workbench.coloring.colorize.colorize_lightness", forbidden)
    upload(workbench, "again.png", picture_bytes((41, 31)))
    assert len(results_of(workbench)) == len(MODELS)
    with pytest.raises(AssertionError):
        upload(workbench, "other.png", picture_bytes((42, 31)))


def test_models_can_be_left_out_and_none_is_a_sentence(workbench: AppTest) -> None:
    workbench.run()
    workbench.pills(key="sample").set_value("chelsea").run()
    workbench.pills(key="models").set_value(["vanilla_cnn"]).run()
    assert [cell["title"] for cell in results_of(side_by_side(workbench))] == ["Vanilla CNN"]
    workbench.pills(key="models").set_value([]).run()
    assert not workbench.exception
    assert "at least one model" in workbench.info[0].value


@pytest.mark.parametrize("look", list(looks.LOOKS))
def test_every_look_shows_something_and_no_error(workbench: AppTest, look: str) -> None:
    workbench.run()
    workbench.segmented_control(key="view").set_value(look).run()
    assert not workbench.exception
    assert not workbench.error
    assert workbench.get("bidi_component") or workbench.image


def test_chroma_zero_is_grey_and_a_blend_is_one_more_picture(workbench: AppTest) -> None:
    side_by_side(workbench)
    workbench.pills(key="sample").set_value("chelsea").run()
    workbench.slider(key="chroma").set_value(0.0).run()
    cells = shown(workbench)["cells"]
    assert {cell["src"] for cell in cells[:-1]} == {cells[0]["src"]}
    workbench.toggle(key="blend").set_value(True).run()
    assert shown(workbench)["cells"][-2]["title"] == f"Blend of {len(MODELS)}"


def test_a_hint_changes_the_colours_around_it_and_can_be_taken_back(workbench: AppTest) -> None:
    workbench.run()
    workbench.segmented_control(key="view").set_value("Colour hint").run()
    sha256 = hashlib.sha256(SAMPLES[FIRST].path.read_bytes()).hexdigest()
    before = shown(workbench, "hint_pictures")["cells"]
    assert before[0]["src"] == before[1]["src"]
    workbench.session_state["hints"][sha256].append(
        {"x": 200, "y": 100, "color": "#3070c0", "radius": 6}
    )
    workbench.run()
    given = shown(workbench, "hint_pictures")
    assert given["cells"][0]["src"] == before[0]["src"]
    assert given["cells"][1]["src"] != before[1]["src"]
    assert given["marks"] == [{"x": 200, "y": 100, "color": "#3070c0", "radius": 6}]
    next(button for button in workbench.button if button.label == "Undo").click().run()
    assert shown(workbench, "hint_pictures")["cells"][1]["src"] == before[1]["src"]


def test_the_likeliest_colours_of_a_hints_place_are_one_click_away(workbench: AppTest) -> None:
    workbench.run()
    workbench.segmented_control(key="view").set_value("Colour hint").run()
    assert not any("suggestion" in str(button.key) for button in workbench.button)
    sha256 = hashlib.sha256(SAMPLES[FIRST].path.read_bytes()).hexdigest()
    hint = {"x": 200, "y": 100, "to": None, "color": "#3070c0", "radius": 6}
    workbench.session_state["hints"][sha256].append(hint)
    workbench.run()
    offered = [each for each in workbench.button if "suggestion" in str(each.key)]
    assert len(offered) == 5
    assert all(each.label.endswith("%") for each in offered)
    offered[1].click().run()
    assert not workbench.exception
    taken = workbench.session_state["hints"][sha256][-1]["color"]
    assert taken == offered[1].help.removeprefix("Take ")
    assert shown(workbench, "hint_pictures")["marks"][0]["color"] == taken


def test_how_far_a_hint_spreads_is_a_choice(workbench: AppTest) -> None:
    workbench.run()
    workbench.segmented_control(key="view").set_value("Colour hint").run()
    sha256 = hashlib.sha256(SAMPLES[FIRST].path.read_bytes()).hexdigest()
    workbench.session_state["hints"][sha256].append(
        {"x": 200, "y": 100, "color": "#3070c0", "radius": 6}
    )
    reaches = workbench.select_slider(key="hint_reach")
    assert reaches.value == "the thing"
    seen = set()
    for reach in reaches.options:
        workbench.select_slider(key="hint_reach").set_value(reach).run()
        seen.add(shown(workbench, "hint_pictures")["cells"][1]["src"])
    assert len(seen) == 5


def test_a_hinted_picture_leaves_in_the_form_that_was_chosen(workbench: AppTest) -> None:
    workbench.run()
    workbench.segmented_control(key="view").set_value("Colour hint").run()
    assert "Download PNG" in [button.label for button in workbench.download_button]
    workbench.segmented_control(key="form").set_value("jpeg").run()
    assert "Download JPEG" in [button.label for button in workbench.download_button]


def test_all_results_come_in_a_zip_with_settings_and_revisions(small_checkpoints) -> None:
    from workbench import checkpoints
    from workbench.coloring.colorize import Settings
    from workbench.images import open_image

    picture = open_image(picture_bytes(), "holiday.png")
    found = list(checkpoints.available(small_checkpoints).values())[:2]
    made = [
        Made(
            c.name,
            c.title,
            *state.colorize(c, picture, Settings(chroma=0.5)),
            {"model": c.name, "revision": c.revision, "settings": {"chroma": 0.5}},
        )
        for c in found
    ]
    with zipfile.ZipFile(io.BytesIO(exports.make_archive(picture, made))) as folder:
        names = [f"holiday_{c.name}.png" for c in found]
        assert folder.namelist() == [*names, "holiday_settings.json"]
        for name in names:
            assert Image.open(folder.open(name)).size == (40, 30)
        about = json.loads(folder.read("holiday_settings.json"))
    assert about["picture"]["sha256"] == picture.sha256
    assert about["form"] == {"kind": "png", "stamped": False}
    assert [row["file"] for row in about["results"]] == names


def test_a_file_keeps_the_depth_and_says_that_colours_are_a_machines(small_checkpoints) -> None:
    from workbench import checkpoints
    from workbench.coloring.colorize import Settings
    from workbench.images import open_image

    deep = (torch.arange(40 * 30 * 3).reshape(3, 30, 40) * 18).to(torch.uint16)
    picture = open_image(encode(deep), "deep.png")
    found = checkpoints.available(small_checkpoints)["colorful"]
    full, seconds = state.colorize(found, picture, Settings())
    made = Made(
        "colorful",
        "Colorful",
        full,
        seconds,
        {"model": "colorful", "revision": "x", "settings": {}},
    )
    again = open_image(Form().write(picture, made))
    assert again.depth == 16
    assert torch.equal(again.full, full)
    data = Form("jpeg", stamped=True).write(picture, made)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "JPEG"
        assert "Colourized by AI" in image.getexif()[0x010E]
    assert Form("jpeg").name(picture, made) == "deep_colorful.jpg"


def test_samples_are_ours_to_ship_and_small() -> None:
    assert sum(sample.path.stat().st_size for sample in SAMPLES.values()) < 600_000
    assert SAMPLES[FIRST].grey
    assert len(IN_COLOR) >= 4
    assert all(sample.licence in ("CC0", "Public domain") for sample in SAMPLES.values())


def test_about_names_every_model_and_its_licence(workbench: AppTest) -> None:
    workbench.run()
    workbench.switch_page("pages/about.py").run()
    assert not workbench.exception
    assert list(workbench.dataframe[0].value["Name"]) == list(MODELS)
    words = " ".join(each.value for each in workbench.markdown)
    assert "Apache License 2.0" in words
    assert "not for commercial use" in words


def test_whoever_waits_is_told_their_place_and_served_in_order() -> None:
    queue, served, told = state.Queue(), [], []
    first_may_end = threading.Event()

    def visit(number: int) -> None:
        with queue.take_place(lambda place: told.append((number, place))):
            served.append(number)
            if number == 0:
                first_may_end.wait(5)

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(4)]
    for number, visitor in enumerate(visitors):
        visitor.start()
        while number == 0 and not served:
            time.sleep(0.001)
        while number and (number, number) not in told:
            time.sleep(0.001)
    first_may_end.set()
    for visitor in visitors:
        visitor.join(5)
    assert served == [0, 1, 2, 3]
    places = [place for number, place in told if number == 3]
    assert places[0] == 3
    assert places == sorted(set(places), reverse=True)


def test_a_visitor_who_leaves_does_not_hold_up_the_queue() -> None:
    queue = state.Queue()
    with pytest.raises(RuntimeError, match="left"), queue.take_place():
        raise RuntimeError("left")
    with queue.take_place():
        pass


def test_ten_visitors_at_once_are_all_served(small_checkpoints) -> None:
    from workbench import checkpoints
    from workbench.coloring.colorize import Settings
    from workbench.images import open_image

    found = list(checkpoints.available(small_checkpoints).values())
    pictures = [open_image(picture_bytes((50 + number, 40))) for number in range(10)]
    served: dict[int, list[tuple[int, ...]]] = {}

    def visit(number: int) -> None:
        made = [state.colorize(c, pictures[number], Settings())[0] for c in found]
        served[number] = [tuple(rgb.shape) for rgb in made]

    visitors = [threading.Thread(target=visit, args=(number,)) for number in range(10)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join(60)
    assert served == {number: [(3, 40, 50 + number)] * len(MODELS) for number in range(10)}


def test_the_shelf_never_holds_more_than_its_limit() -> None:
    shelf = state.Shelf(limit=100)
    for number in range(10):
        shelf.put(number, str(number), 30)
    assert [number for number in range(10) if shelf.get(number)] == [7, 8, 9]
    assert shelf.put("huge", "x", 101) == "x"
    assert shelf.get("huge") is None
    assert len(shelf) == 3


def test_picture_and_settings_are_still_there_after_a_look_at_another_page(
    workbench: AppTest,
) -> None:
    side_by_side(workbench)
    upload(workbench, "mine.png", picture_bytes((43, 31)))
    workbench.slider(key="chroma").set_value(0.5).run()
    before = [cell["src"] for cell in shown(workbench)["cells"]]
    workbench.switch_page("pages/about.py").run()
    workbench.switch_page("pages/compare.py").run()
    assert workbench.slider(key="chroma").value == 0.5
    assert [cell["src"] for cell in shown(workbench)["cells"]] == before


def test_what_was_imported_is_not_walked_through_after_every_run(workbench) -> None:
    workbench.run()
    gc.unfreeze()
    workbench.run()
    assert gc.get_freeze_count() == 0  # nothing new since the last time
    state._settled = 0
    workbench.run()
    assert gc.get_freeze_count() > 10_000
    gc.unfreeze()


def test_every_result_takes_the_colours_of_another_picture_and_says_so(workbench: AppTest) -> None:
    workbench.default_timeout = 180
    app = side_by_side(workbench)
    before = [cell["src"] for cell in shown(app)["cells"]]
    app.selectbox(key="exemplar_sample").set_value(IN_COLOR[0]).run()
    assert not app.exception
    after = [cell["src"] for cell in shown(app)["cells"]]
    assert before[0] == after[0]  # what the networks see
    assert all(one != other for one, other in zip(before[1:], after[1:], strict=True))
    app.slider(key="exemplar_strength").set_value(0.0).run()
    assert [cell["src"] for cell in shown(app)["cells"]] == before
