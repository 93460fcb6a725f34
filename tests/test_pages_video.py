"""The Video page: from a sample or an upload to two clips in step, a stop, and bad files."""

from __future__ import annotations

import re
import time
import zipfile
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from test_video import Tint, make_clip

from workbench import checkpoints
from workbench.coloring.colorize import Settings
from workbench.errors import Problem
from workbench.jobs import clip as clips
from workbench.video import Progress, probe
from workbench.video.clips import read_frames, to_rgb
from workbench.video.pipeline import color_blocks, read_blocks


def test_the_sample_clip_is_small_and_has_two_cuts(tmp_path: Path) -> None:
    path = clips.sample_clip(tmp_path / "sample.mp4", seconds=0.5)
    clip = probe(path)
    assert (clip.width, clip.height, clip.frames) == (432, 320, 36)
    blocks = read_blocks(clip, 64, 0, [])
    made = color_blocks(clip, blocks, Tint(), Settings(), 0.5)
    cut = [bool(c) for item in made for c in item.steady.moves.cut]
    assert [i for i, c in enumerate(cut) if c] == [0, 12, 24]
    assert path.stat().st_size < 300_000


@pytest.mark.browser
def test_a_clip_is_coloured_and_plays_beside_the_original(
    workbench_server: str, browser_page, tmp_path: Path
) -> None:  # fmt: skip
    page = browser_page
    page.goto(f"{workbench_server}/video")
    source = make_clip(tmp_path / "holiday.mp4", 40, size=(96, 128))
    page.locator(".st-key-video_file input").set_input_files(str(source))
    page.get_by_role("button", name="Colour it").click()
    page.get_by_text("of 40 frames").wait_for(timeout=120_000)
    page.get_by_role("button", name="The clip (MP4)").wait_for(timeout=120_000)
    before, after = page.locator("video.before"), page.locator("video.after")
    page.wait_for_function(
        "() => { const find = (root, where) => { for (const e of root.querySelectorAll('*')) {"
        " if (e.matches(where)) return e; if (e.shadowRoot) { const f = find(e.shadowRoot, where);"
        " if (f) return f; } } }; const v = find(document, 'video.after');"
        " return v && v.readyState >= 2; }"
    )
    assert after.evaluate("v => v.duration") == pytest.approx(4, abs=0.15)
    group = page.get_by_role("group", name=re.compile("Original and result"))
    group.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press(".")
    page.wait_for_timeout(400)
    for clip in (before, after):
        assert clip.evaluate("v => v.currentTime") == pytest.approx(1.1, abs=0.03)
    page.keyboard.press(" ")
    deadline = time.monotonic() + 10
    while after.evaluate("v => v.currentTime") < 1.8 and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    page.keyboard.press(" ")
    page.wait_for_timeout(400)
    here, there = (clip.evaluate("v => v.currentTime") for clip in (before, after))
    assert there > 1.5
    assert here == pytest.approx(there, abs=0.06)
    assert page.get_by_text("PSNR, dB").first.is_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="The clip (MP4)").click()
    assert probe(Path(download.value.path())).frames == 40


@pytest.mark.browser
def test_a_scenes_frame_goes_out_comes_back_painted_and_colours_its_scene(
    workbench_server: str, browser_page, tmp_path: Path
) -> None:
    page = browser_page
    page.goto(f"{workbench_server}/video")
    page.get_by_text("Mend scenes by hand").click(timeout=120_000)
    page.get_by_role("button", name="Show the scenes’ frames").click()
    page.get_by_text("2: 1.5 s, frame 36").wait_for(timeout=60_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="The scenes’ frames (ZIP)").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        names = archive.namelist()
        assert names[1] == "sample_scene-002_frame-000036.png"
        assert len(names) == 3
        archive.extract(names[1], tmp_path)
    with Image.open(tmp_path / names[1]) as picture:
        assert picture.size == (432, 320)
        red = Image.blend(picture, Image.new("RGB", picture.size, (255, 0, 0)), 0.5)
    red.save(tmp_path / names[1])
    page.locator(".st-key-video_painted input").set_input_files(str(tmp_path / names[1]))
    page.get_by_role("button", name="Colour the clip with them").click()
    page.get_by_text("Shown: our sample clip, 1 frame painted by hand").wait_for(timeout=60_000)
    page.get_by_role("button", name="The clip (MP4)").wait_for(timeout=120_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="The clip (MP4)").click()
    frames = read_frames(probe(Path(download.value.path())))
    reds = [float(np.diff(to_rgb(frame)[..., 1::-1].astype(int)).mean()) for _, frame in frames]
    assert min(reds[37:60]) > 60 > max(reds[:35] + reds[73:])


@pytest.mark.browser
def test_whoever_comes_sees_our_sample_already_coloured(workbench_server, browser_page) -> None:
    page = browser_page
    page.goto(f"{workbench_server}/video")
    page.get_by_role("button", name="The clip (MP4)").wait_for(timeout=120_000)
    page.get_by_role("group", name=re.compile("Original and result")).wait_for(timeout=120_000)
    assert page.locator("figcaption").last.inner_text() == "Vanilla CNN"
    assert page.get_by_role("button", name="Stop").count() == 0  # it is everybody's
    page.get_by_text("Flicker", exact=True).wait_for()


@pytest.mark.browser
def test_a_file_that_is_no_clip_gets_a_sentence(
    workbench_server: str, browser_page, tmp_path: Path
) -> None:  # fmt: skip
    page = browser_page
    (tmp_path / "letter.mp4").write_text("Dear all, this is no clip.")
    page.goto(f"{workbench_server}/video")
    page.locator(".st-key-video_file input").set_input_files(str(tmp_path / "letter.mp4"))
    page.get_by_role("button", name="Colour it").click()
    page.get_by_text("cannot be read as a video").wait_for(timeout=30_000)


def test_another_clip_does_not_stand_above_the_result_of_the_one_before(workbench) -> None:
    workbench.run()
    ended = SimpleNamespace(
        is_alive=lambda: False, problem=None, report=None, source=Path("first.mp4"), painted={}
    )
    workbench.session_state["video_job"] = ended
    workbench.switch_page("pages/video.py").run()
    assert [each.value for each in workbench.caption][-1] == "Shown: first.mp4, yours"
    workbench.file_uploader[0].set_value(("second.mp4", b"clip", "video/mp4")).run()
    assert not workbench.exception
    assert [each.value for each in workbench.info] == ["second.mp4 is not coloured yet."]
    assert not any("first.mp4" in each.value for each in workbench.caption)


def test_painted_frames_that_cannot_be_used_leave_the_job_as_it_was(
    small_checkpoints: Path, tmp_path: Path
) -> None:
    folder = clips.Folder()
    source = make_clip(folder.path / "clip.mp4", 6)
    found = checkpoints.available(small_checkpoints)["vanilla_cnn"]
    job = clips.VideoJob(folder, source, found, found.net(), Settings(), 0.5, nullcontext)
    job.run()

    def upload(name: str, size: tuple[int, int] = (64, 48)) -> SimpleNamespace:
        data = BytesIO()
        Image.new("RGB", size, (200, 40, 40)).save(data, "PNG")
        return SimpleNamespace(name=name, getbuffer=data.getbuffer)

    for uploads, sentence in (
        ([upload("red.png")], "does not say which frame"),
        ([upload("frame-0.png", (64, 64))], "keep their proportion"),
        ([upload(f"frame-{i}.png") for i in range(61)], "61 painted frames, and 60"),
    ):
        with pytest.raises(Problem, match=sentence):
            job.repaint(uploads)
    again = job.repaint([upload("frame-0.png")])
    assert again.folder is not job.folder
    again.run()
    assert not again.problem
    assert list(again.painted) == [0]
    assert job.out.is_file()
    assert job.report.scenes == again.report.scenes == [0]


def test_a_stopped_job_has_a_file_to_show_and_again_goes_on(
    small_checkpoints: Path,
) -> None:
    folder = clips.Folder()
    source = make_clip(folder.path / "long.mp4", 80)
    found = checkpoints.available(small_checkpoints)["vanilla_cnn"]
    entered: list[str] = []

    @contextmanager
    def take_place():
        entered.append("network")
        yield

    class Impatient(clips.VideoJob):
        def _heard(self, progress: Progress) -> None:
            super()._heard(progress)
            self.stop()

    job = Impatient(folder, source, found, found.net(), Settings(size=32), 0.5, take_place)
    job.run()
    assert job.stopped
    assert job.report.stopped
    assert probe(job.out).frames == job.report.frames == 16
    rest = job.renew()
    rest.run()
    assert not rest.report.stopped
    assert probe(rest.out).frames == 80
    assert len(entered) >= 5
    kept = folder.path
    del job, rest, folder
    assert not kept.exists()


def test_a_job_tells_a_problem_and_does_not_raise(small_checkpoints: Path) -> None:
    folder = clips.Folder()
    source = folder.path / "letter.mp4"
    source.write_text("Dear all, this is no clip.")
    found = checkpoints.available(small_checkpoints)["vanilla_cnn"]
    job = clips.VideoJob(folder, source, found, found.net(), Settings(), 0.5, nullcontext)
    job.run()
    assert "cannot be read as a video" in str(job.problem)
