"""Scenes mended by hand: frames out as pictures, painted, and their colours carried on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_video import Tint, colour, decode, make_clip

from workbench.color import join_rgb, split_lab
from workbench.coloring.colorize import Settings
from workbench.errors import Problem
from workbench.jobs.clip import sample_clip
from workbench.video import probe
from workbench.video.motion import Motion
from workbench.video.painted import PaintedColors, PaintedFrame, find_painted
from workbench.video.pipeline import color_blocks, read_blocks
from workbench.video.scenes import find_scenes, read_pictures, write_scenes


def paint(path: Path, ab: tuple[float, float], size: tuple[int, int] = (48, 64)) -> Path:
    """A picture of one colour, for a frame of a small clip."""
    L = torch.full((1, *size), 50.0)
    plane = torch.tensor(ab).view(2, 1, 1).expand(2, *size)
    Image.fromarray(join_rgb(L, plane).permute(1, 2, 0).numpy()).save(path)
    return path


def mean_ab(rgb: np.ndarray) -> tuple[float, float]:
    """Mean a and b of uint8 RGB (H, W, 3)."""
    ab = split_lab(torch.from_numpy(rgb.transpose(2, 0, 1).copy()))[1].mean((1, 2))
    return float(ab[0]), float(ab[1])


def still(count: int, cuts: tuple[int, ...] = (), dx: float = 0.0) -> Motion:
    """The motion of `count` frames (16 x 16): everything was `dx` pixels to the right before."""
    back = torch.zeros(count, 2, 16, 16)
    back[:, 0] = dx
    trust = torch.ones(count, 1, 16, 16)
    cut = torch.tensor([i in cuts for i in range(count)])
    return Motion(back, -back, trust, trust, cut)


def frame_of(rgb: tuple[int, int, int]) -> PaintedFrame:
    pixels = torch.tensor(rgb, dtype=torch.uint8).view(3, 1, 1).expand(3, 16, 16)
    return PaintedFrame(pixels.contiguous(), "")


def test_painted_colours_hold_until_the_next_cut() -> None:
    hand = PaintedColors({1: frame_of((200, 40, 40))})
    made = hand.mix(torch.zeros(6, 2, 16, 16), still(6, cuts=(0, 4)))
    red = split_lab(frame_of((200, 40, 40)).rgb)[1].mean((1, 2))
    for i in (1, 2, 3):
        assert torch.allclose(made[i].mean((1, 2)), red, atol=1e-3)
    for i in (0, 4, 5):
        assert made[i].abs().max() == 0


def test_a_cut_just_behind_a_painted_frame_is_that_frames_own() -> None:
    hand = PaintedColors({3: frame_of((200, 40, 40))})
    made = hand.mix(torch.zeros(6, 2, 16, 16), still(6, cuts=(4,)))
    assert made[5].abs().min() > 10


def test_colours_go_where_the_motion_goes_and_what_comes_in_later_is_the_networks() -> None:
    half = frame_of((200, 40, 40)).rgb.clone()
    half[:, :, 8:] = 128  # red on the left, grey on the right
    hand = PaintedColors({0: PaintedFrame(half, "")})
    # what is at x was at x - 2 in the frame before: everything moves 2 pixels to the right
    made = hand.mix(torch.full((3, 2, 16, 16), -20.0), still(3, dx=-2.0))
    chroma = made.norm(dim=1)
    assert chroma[0, 8, 7] > 50
    assert chroma[0, 8, 9] < 1
    assert chroma[2, 8, 11] > 50
    assert chroma[2, 8, 13] < 1
    assert made[2, :, 8, 0].tolist() == [-20.0, -20.0]  # came in from the left


def test_the_way_is_carried_over_blocks_and_parts() -> None:
    frames = {0: frame_of((200, 40, 40))}
    whole = PaintedColors(frames).mix(torch.zeros(6, 2, 16, 16), still(6, dx=0.7))
    first = PaintedColors(frames)
    parts = [first.mix(torch.zeros(2, 2, 16, 16), still(2, dx=0.7))]
    later = PaintedColors(frames, 2, first.place)
    parts.append(later.mix(torch.zeros(4, 2, 16, 16), still(4, dx=0.7)))
    assert torch.equal(torch.cat(parts), whole)


def test_a_clip_takes_the_painted_colours(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 12, grey=True)
    painted = {0: paint(tmp_path / "frame-000000.png", (40.0, 30.0))}
    report = colour(clip, tmp_path / "out.mp4", painted=painted)
    assert report.scenes == [0]
    assert not report.notes
    own = colour(clip, tmp_path / "own.mp4")
    for rgb in decode(tmp_path / "out.mp4")[1][1:9]:
        a, b = mean_ab(rgb)
        assert a > 20
        assert b > 12
    assert own.frames == 12
    assert mean_ab(decode(tmp_path / "own.mp4")[1][5])[1] < -12


def test_other_painted_frames_are_another_job_and_a_stopped_one_goes_on_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.video import pipeline

    monkeypatch.setattr(pipeline, "PART", 4)
    monkeypatch.setattr(pipeline, "BLOCK", 4)
    clip = make_clip(tmp_path / "clip.mp4", 20)
    painted = {0: paint(tmp_path / "frame-000000.png", (40.0, 30.0))}
    whole = colour(clip, tmp_path / "whole.mp4", painted=painted)
    halt = iter([False, True])
    first = colour(clip, tmp_path / "out.mp4", painted=painted, stop=lambda: next(halt))
    assert first.stopped
    assert 0 < first.frames < 20
    again = colour(clip, tmp_path / "out.mp4", painted=painted)
    assert any("Went on after" in note for note in again.notes)
    assert whole.frames == again.frames == 20
    pairs = zip(*(decode(tmp_path / name)[1] for name in ("whole.mp4", "out.mp4")), strict=True)
    assert [int(np.abs(one.astype(int) - other).max()) for one, other in pairs] == [0] * 20
    halt = iter([False, True])
    colour(clip, tmp_path / "out.mp4", painted=painted, stop=lambda: next(halt))
    paint(tmp_path / "frame-000000.png", (-40.0, -30.0))
    fresh = colour(clip, tmp_path / "out.mp4", painted=painted)
    assert not any("Went on after" in note for note in fresh.notes)


def test_painted_frames_that_cannot_be_used_are_said(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", 6)
    nameless = paint(tmp_path / "red.png", (40.0, 0.0))
    with pytest.raises(Problem, match="does not say which frame it is"):
        find_painted([nameless])
    with pytest.raises(Problem, match="No picture in"):
        find_painted([tmp_path])
    one = paint(tmp_path / "a_frame-000002.png", (40.0, 0.0))
    paint(tmp_path / "b_frame-2.png", (40.0, 0.0))
    with pytest.raises(Problem, match="both frame 2"):
        find_painted([tmp_path])
    assert find_painted([one]) == {2: one}
    of_a_clip = tmp_path / "frame-7_scene-001_frame-000004_reference.png"
    assert find_painted([of_a_clip]) == {4: of_a_clip}  # the clip itself is named frame-7
    wide = paint(tmp_path / "wide_frame-3.png", (40.0, 0.0), (48, 96))
    with pytest.raises(Problem, match=r"96 x 48, and the clip's frames are 64 x 48"):
        colour(clip, tmp_path / "out.mp4", painted={3: wide})
    grey = paint(tmp_path / "grey_frame-0.png", (0.0, 0.0))
    late = paint(tmp_path / "late_frame-600.png", (40.0, 0.0))
    broken = tmp_path / "broken_frame-1.png"
    broken.write_bytes(b"\x89PNG\r\n")
    report = colour(clip, tmp_path / "out.mp4", painted={0: grey, 600: late})
    assert any("has no colour" in note for note in report.notes)
    assert any("behind the end: the clip has 6 frames" in note for note in report.notes)
    with pytest.raises(Problem, match=r"broken_frame-1\.png"):
        colour(clip, tmp_path / "out.mp4", painted={1: broken})


def test_scenes_are_those_of_the_colouring_and_their_frames_the_clips(tmp_path: Path) -> None:
    path = sample_clip(tmp_path / "sample.mp4", seconds=0.5)
    clip = probe(path)
    found = find_scenes(clip, at=[0.7])
    assert [(each.scene, each.frame) for each in found] == [(1, 0), (2, 12), (2, 17), (3, 24)]
    made = color_blocks(clip, read_blocks(clip, 128, 0, []), Tint(), Settings(), 0.5)
    cut = [bool(c) for item in made for c in item.steady.moves.cut]
    assert [i for i, c in enumerate(cut) if c] == [0, 12, 24]
    shown = decode(path)[1]
    for number, rgb in read_pictures(clip, [12, 24]):
        assert np.array_equal(rgb.permute(1, 2, 0).numpy(), shown[number])
    with pytest.raises(Problem, match=r"the clip ends at 1\.46 s"):
        find_scenes(clip, at=[2.0])
    files = write_scenes(clip, tmp_path / "frames", found)
    assert [each.name for each in files][1] == "sample_scene-002_frame-000012.png"
    with pytest.raises(Problem, match="may hold your work"):
        write_scenes(clip, tmp_path / "frames", found)


def test_a_turned_clip_gives_upright_frames(tmp_path: Path) -> None:
    quarter = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    clip = probe(make_clip(tmp_path / "clip.mp4", 3, matrix=quarter))
    [(_, rgb)] = read_pictures(clip, [0])
    assert tuple(rgb.shape) == (3, 64, 48)
    upright = paint(tmp_path / "frame-0.png", (40.0, 0.0), (64, 48))
    assert not colour(clip.path, tmp_path / "out.mp4", painted={0: upright}).notes


def test_from_scenes_to_a_mended_clip_on_the_command_line(type_command, tmp_path: Path) -> None:
    run = type_command
    clip, frames = make_clip(tmp_path / "clip.mp4", 8, grey=True), tmp_path / "frames"
    code, said, _ = run("scenes", clip, "--out", frames, "--json")
    assert code == 0
    assert [row["frame"] for row in json.loads(said)] == [0]
    [file] = frames.iterdir()
    paint(file, (40.0, 30.0))
    asked = ["--model", "vanilla_cnn", "--painted", frames]
    code, _, told = run("colorize", clip, *asked, "--out", tmp_path / "out.mp4")
    assert code == 0, told
    assert json.loads((tmp_path / "out.mp4.json").read_text())["painted"] == [0]
    assert mean_ab(decode(tmp_path / "out.mp4")[1][4])[0] > 20
    code, _, told = run("colorize", clip, clip, *asked, "--out", tmp_path / "both")
    assert code != 0
    assert "goes with one clip" in told
