"""Clips in and out: times, sizes, sound, colour; stopping, killing and going on; bad input."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch import nn

from workbench.color import join_rgb, split_lab
from workbench.coloring.colorize import Settings
from workbench.errors import Problem
from workbench.video import VideoReport, colorize_video, pipeline, probe, stages
from workbench.video.clips import Encoder, read_frames, to_rgb
from workbench.video.yuv import REC_601, REC_709, Mark, grey_levels, join_yuv

QUARTER = (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)  # a display matrix: 90 degrees


class Tint(nn.Module):
    """Every pixel the same a and b; counts the frames it was shown."""

    def __init__(self, a: float = 30.0, b: float = -40.0) -> None:
        super().__init__()
        self.ab = nn.Parameter(torch.tensor([float(a), float(b)]))
        self.seen = 0

    def forward(self, L: torch.Tensor) -> torch.Tensor:
        """L (N, 1, H, W) -> ab (N, 2, H, W)."""
        self.seen += len(L)
        return self.ab.view(1, 2, 1, 1).expand(len(L), 2, *L.shape[-2:]).float()


def picture(i: int, height: int, width: int, grey: bool = False) -> np.ndarray:
    """A red disc that moves over a gradient, uint8 (H, W, 3)."""
    y, x = np.mgrid[:height, :width]
    base = (60 + 100 * x / width + 40 * np.sin(y / 5)).clip(0, 255)
    rgb = np.stack((base, base * 0.9, base * 0.7), -1)
    disc = (x - 10 - 2 * i % width) ** 2 + (y - height // 2) ** 2 < (height // 4) ** 2
    rgb[disc] = (200, 60, 40)
    if grey:
        rgb = rgb.mean(-1, keepdims=True).repeat(3, -1)
    return rgb.astype(np.uint8)


def make_clip(
    path: Path,
    frames: int = 20,
    size: tuple[int, int] = (48, 64),
    *,
    times: list[int] | None = None,
    rate: int = 10,
    sound: str | None = None,
    matrix: tuple[int, ...] | None = None,
    codec: str = "libx264",
    form: str = "yuv420p",
    full_range: bool = False,
    grey: bool = False,
) -> Path:
    """Write a small clip; `times` in 1/1000 s make its frame rate vary."""
    height, width = size
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, form
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.options = {"crf": "12", "g": "10"} if codec == "libx264" else {}
        if full_range:
            stream.codec_context.color_range = 2
        if matrix:
            stream.set_display_matrix(matrix)
        track = container.add_stream(sound, rate=16000) if sound else None
        for i in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(i, height, width, grey))
            frame = frame.reformat(format=form, dst_color_range=2 if full_range else 1)
            frame.time_base = Fraction(1, 1000)
            frame.pts = times[i] if times else i * 1000 // rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track:
            tone = np.sin(np.arange(16000 * frames // rate) / 10).astype(np.float32)
            for start in range(0, len(tone), 1024):
                piece = av.AudioFrame.from_ndarray(
                    tone[None, start : start + 1024], format="fltp", layout="mono"
                )
                piece.sample_rate, piece.pts = 16000, start
                container.mux(track.encode(piece))
            container.mux(track.encode(None))
    return path


def decode(path: Path) -> tuple[list[float], list[np.ndarray]]:
    """Times in seconds and pictures of a clip."""
    clip = probe(path)
    pairs = [(float(t * clip.time_base), to_rgb(frame)) for t, frame in read_frames(clip)]
    return [t for t, _ in pairs], [rgb for _, rgb in pairs]


def colour(source: Path, out: Path, net: nn.Module | None = None, **more: object) -> VideoReport:
    return colorize_video(source, out, net or Tint(), **{"size": 32, "every": 1, **more})


def packets(path: Path, kind: str) -> list[bytes]:
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        return [bytes(packet) for packet in container.demux(stream) if packet.size]


# ------------------------------------------------------------------ what is kept


def test_a_clip_comes_back_with_its_frames_times_and_size_in_h264(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", 20)
    report = colour(source, tmp_path / "b.mp4")
    before, after = probe(source), probe(tmp_path / "b.mp4")
    assert report.frames == 20
    assert not report.stopped
    assert report.notes == []
    assert (after.width, after.height, after.rate) == (before.width, before.height, before.rate)
    assert decode(source)[0] == decode(tmp_path / "b.mp4")[0]
    assert after.seconds == pytest.approx(before.seconds, abs=1e-3)
    with av.open(str(tmp_path / "b.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    assert not (tmp_path / "b.mp4.parts").exists()


def test_the_colours_are_the_networks_and_the_lightness_the_clips(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", 6, size=(96, 128))
    colour(source, tmp_path / "b.mp4", Tint(20, 25))
    for before, after in zip(decode(source)[1], decode(tmp_path / "b.mp4")[1], strict=True):
        old, _ = split_lab(torch.from_numpy(before).permute(2, 0, 1))
        new, ab = split_lab(torch.from_numpy(after).permute(2, 0, 1))
        assert (new - old).abs().mean() < 1.0
        assert ab.mean((1, 2)).tolist() == pytest.approx([20, 25], abs=2)


def test_a_varying_frame_rate_keeps_the_time_of_every_frame(tmp_path: Path) -> None:
    times = [0, 40, 80, 300, 333, 1000, 1001, 1500, 2750, 2790]
    source = make_clip(tmp_path / "a.mp4", 10, times=times)
    colour(source, tmp_path / "b.mp4")
    assert decode(tmp_path / "b.mp4")[0] == pytest.approx([t / 1000 for t in times], abs=1e-6)


def test_sound_is_copied_packet_by_packet(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", 20, sound="aac")
    report = colour(source, tmp_path / "b.mp4")
    assert packets(source, "audio") == packets(tmp_path / "b.mp4", "audio")
    assert report.notes == []


def test_sound_that_an_mp4_cannot_hold_becomes_aac_and_the_report_says_so(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", 20, sound="pcm_s16le")
    report = colour(source, tmp_path / "b.mp4")
    assert probe(tmp_path / "b.mp4").audio == ("aac",)
    assert "converted to AAC" in report.notes[0]


def test_a_turned_clip_is_shown_upright_to_the_network_and_stays_turned(tmp_path: Path) -> None:
    class TopRed(Tint):
        def forward(self, L: torch.Tensor) -> torch.Tensor:
            ab = torch.zeros(len(L), 2, *L.shape[-2:])
            ab[:, 0, : L.shape[-2] // 2] = 60
            self.shape = L.shape
            return ab

    source = make_clip(tmp_path / "a.mp4", 4, size=(48, 96), matrix=QUARTER, grey=True)
    net = TopRed()
    colour(source, tmp_path / "b.mp4", net)
    clip = probe(tmp_path / "b.mp4")
    assert net.shape[-2:] == (64, 32)
    assert clip.display_matrix == probe(source).display_matrix == QUARTER
    stored = decode(tmp_path / "b.mp4")[1][0].astype(int)
    upright = np.rot90(stored, clip.rotation // 90)
    redness = (upright[..., 0] - upright[..., 1]).mean(1)
    assert redness[: len(redness) // 3].mean() > 30 > 10 > redness[-len(redness) // 3 :].mean()


def test_full_range_and_limited_range_give_the_same_picture(tmp_path: Path) -> None:
    plain = make_clip(tmp_path / "a.mp4", 2, grey=True)
    full = make_clip(tmp_path / "b.mp4", 2, grey=True, full_range=True)
    for path in (plain, full):
        colour(path, tmp_path / "out.mp4", Tint(0, 0))
        wanted = picture(0, 48, 64, grey=True).astype(int)
        assert np.abs(decode(path)[1][0] - wanted).mean() < 2
        assert np.abs(decode(tmp_path / "out.mp4")[1][0] - wanted).mean() < 3


def test_odd_sides_gain_one_repeated_row_or_column(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", 3, size=(47, 65), codec="ffv1", form="yuv444p")
    colour(source, tmp_path / "b.mp4")
    assert (probe(tmp_path / "b.mp4").height, probe(tmp_path / "b.mp4").width) == (48, 66)


def test_luma_and_chroma_are_those_of_join_rgb_to_a_level() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (40, 64, 3)).astype(np.uint8)
    smooth = np.asarray(picture(3, 720, 64))
    for pixels, weights in ((rgb, REC_601), (smooth, REC_709)):
        L, _ = split_lab(torch.from_numpy(pixels).permute(2, 0, 1))
        ab = torch.tensor([12.0, -20.0]).view(2, 1, 1).expand(2, 5, 6)
        want = join_rgb(L, ab[:, :1, :1].expand(2, *L.shape[-2:])).double()
        luma = (torch.tensor(weights).view(3, 1, 1) * want).sum(0) * 219 / 255 + 16
        height = pixels.shape[0]
        got = join_yuv(pixels, ab)
        assert np.abs(got[:height] - luma.numpy()).max() < 2.5
        assert np.abs(got[:height] - luma.numpy()).mean() < 0.6


def test_a_grey_level_is_its_own_grey_level() -> None:
    grey = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)
    assert (grey_levels(grey)[0] == np.arange(256)).all()


# ------------------------------------------------------------------ stop, kill, go on


def test_stopping_keeps_a_playable_file_and_the_same_call_goes_on(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", 60, sound="aac")
    seen: list[int] = []
    net = Tint()
    first = colour(
        source, tmp_path / "b.mp4", net, progress=lambda p: seen.append(p.frames),
        stop=lambda: seen[-1] >= 16,
    )  # fmt: skip
    assert first.stopped
    assert first.frames == 16
    assert len(decode(tmp_path / "b.mp4")[0]) == 16
    ended = probe(tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        sound = container.streams.audio[0]
        assert float(sound.duration * sound.time_base) < ended.seconds + 0.2
    net.seen = 0
    second = colour(source, tmp_path / "b.mp4", net)
    assert not second.stopped
    assert second.frames == 60
    assert net.seen == 44
    assert "after frame 16" in second.notes[0]
    assert decode(tmp_path / "b.mp4")[0] == decode(source)[0]
    assert packets(source, "audio") == packets(tmp_path / "b.mp4", "audio")


class Fickle(Tint):
    """Colours that depend on the frame, so that the smoothing has work to do."""

    def forward(self, L: torch.Tensor) -> torch.Tensor:
        self.seen += len(L)
        tone = 16 * torch.sin(L.mean((1, 2, 3)) * 40).view(-1, 1, 1, 1)
        return (self.ab.view(1, 2, 1, 1) + tone).expand(len(L), 2, *L.shape[-2:]).float()


def test_a_killed_job_goes_on_to_the_very_same_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "PART", 16)
    shown: list[np.ndarray] = []  # what the encoder is given: x264 itself varies a little
    add = Encoder.add
    monkeypatch.setattr(
        Encoder, "add", lambda self, yuv, *rest: (shown.append(yuv), add(self, yuv, *rest))
    )
    source = make_clip(tmp_path / "a.mp4", 60)
    whole = colour(source, tmp_path / "whole.mp4", Fickle())

    class Killed(Exception):
        pass

    def die(progress: pipeline.Progress) -> None:
        if progress.frames >= 32:
            raise Killed

    with pytest.raises(Killed):
        colour(source, tmp_path / "b.mp4", Fickle(), progress=die)
    assert not (tmp_path / "b.mp4").exists()
    assert (tmp_path / "b.mp4.parts").is_dir()
    again = colour(source, tmp_path / "b.mp4", Fickle())
    assert again.frames == 60
    assert len(decode(tmp_path / "b.mp4")[0]) == 60
    assert len(shown) == 60 + 32 + 28
    for a, b in zip(shown[:60], shown[60:], strict=True):
        assert np.abs(a.astype(int) - b).max() <= 1  # sums in another order, rounded
    assert [row["drift_after"] for row in whole.rows][40:] == pytest.approx(
        [row["drift_after"] for row in again.rows][40:]
    )


def test_other_settings_start_again(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", 40)
    colour(source, tmp_path / "b.mp4", stop=lambda: True)
    report = colour(source, tmp_path / "b.mp4", settings=Settings(chroma=0.5))
    assert report.notes == []
    assert report.frames == 40


def test_an_error_in_the_network_is_raised_and_leaves_no_thread(tmp_path: Path) -> None:
    import threading

    class Broken(Tint):
        def forward(self, L: torch.Tensor) -> torch.Tensor:
            raise ValueError("no weights")

    source = make_clip(tmp_path / "a.mp4", 60)
    with pytest.raises(ValueError, match="no weights"):
        colour(source, tmp_path / "b.mp4", Broken())
    assert not [t for t in threading.enumerate() if t.name == "video"]


def test_progress_says_how_many_are_left(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", 40)
    heard: list[pipeline.Progress] = []
    colour(source, tmp_path / "b.mp4", progress=heard.append)
    assert [p.frames for p in heard] == [16, 32, 40]
    assert heard[0].total == 40
    assert heard[0].left > 0
    assert heard[-1].left == 0


def test_the_network_may_look_at_every_third_frame_only(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", 33)
    net = Tint(20, 25)
    report = colour(source, tmp_path / "b.mp4", net, every=3, strength=0.0)
    assert net.seen == 33  # without a memory there is nothing to carry over
    net.seen = 0
    report = colour(source, tmp_path / "b.mp4", net, every=3)
    assert report.frames == 33
    assert net.seen == 6 + 6 + 1
    for rgb in decode(tmp_path / "b.mp4")[1]:
        _, ab = split_lab(torch.from_numpy(rgb).permute(2, 0, 1))
        assert ab.mean((1, 2)).tolist() == pytest.approx([20, 25], abs=3)


# ------------------------------------------------------------------ bad input


def test_what_is_no_video_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a video at all, whatever it is called")
    (tmp_path / "empty.mp4").touch()
    make_clip(tmp_path / "sound.mkv", 0, sound="aac")
    with av.open(str(tmp_path / "only.m4a"), "w", format="mp4") as container:
        track = container.add_stream("aac", rate=16000)
        piece = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        piece.sample_rate = 16000
        container.mux(track.encode(piece))
        container.mux(track.encode(None))
    for name, words in (
        ("missing.mp4", "There is no file"),
        ("text.mp4", "cannot be read as a video"),
        ("empty.mp4", "is empty"),
        ("only.m4a", "holds no moving pictures"),
    ):
        with pytest.raises(Problem, match=words):
            colour(tmp_path / name, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_a_file_cut_short_is_coloured_as_far_as_it_goes(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "a.mkv", 60, size=(96, 128)).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(whole[: len(whole) * 6 // 10])
    report = colour(tmp_path / "cut.mkv", tmp_path / "b.mp4")
    assert 10 < report.frames < 60
    assert len(decode(tmp_path / "b.mp4")[0]) == report.frames


def test_damage_in_the_middle_is_passed_over_and_noted(tmp_path: Path) -> None:
    data = bytearray(make_clip(tmp_path / "a.mp4", 60, size=(96, 128)).read_bytes())
    start = data.index(b"mdat") + len(data) // 4
    for i in range(start, start + len(data) // 6):
        data[i] = 0xFF
    (tmp_path / "hurt.mp4").write_bytes(data)
    report = colour(tmp_path / "hurt.mp4", tmp_path / "b.mp4")
    assert 20 < report.frames <= 60
    assert report.notes, "the damage is not mentioned"


def test_a_clip_of_one_frame_is_coloured(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", 1)
    report = colour(source, tmp_path / "b.mp4")
    assert report.frames == 1
    assert len(decode(tmp_path / "b.mp4")[1]) == 1
    assert report.summary()["cdc_after"] == 0


def test_a_4k_clip_goes_through_in_small_blocks(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", 2, size=(2160, 3840), codec="mpeg4")
    clip = probe(source)
    lengths = [len(block.times) for block in pipeline.read_blocks(clip, 32, 0, [])]
    assert lengths == [2]
    assert pipeline.block_length(clip) == 4
    report = colour(source, tmp_path / "b.mp4")
    assert report.frames == 2
    assert probe(tmp_path / "b.mp4").width == 3840


def test_wrong_wishes_are_refused_before_any_work(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", 2)
    for out, more, words in (
        ("b.avi", {}, "name it like b.mp4"),
        ("a.mp4", {}, "is the clip itself"),
        ("b.mp4", {"strength": 2.0}, "from 0 to 1"),
        ("b.mp4", {"every": 0}, "every 0-th frame"),
    ):
        with pytest.raises(Problem, match=words):
            colour(source, tmp_path / out, **more)


def test_a_stage_takes_its_share_of_the_cores_and_leaves_the_others_theirs() -> None:
    def threads_elsewhere() -> int:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(torch.get_num_threads).result()

    before = torch.get_num_threads(), threads_elsewhere()
    with stages.share_of_cores():
        assert torch.get_num_threads() == max(1, before[0] // stages.STAGES)
        assert threads_elsewhere() == before[0]
    assert (torch.get_num_threads(), threads_elsewhere()) == before


def test_a_clip_says_that_ai_coloured_it_and_how(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", sound="aac")
    plain = colour(source, tmp_path / "plain.mp4").out.read_bytes()
    told = {"Description": "Colourized by AI (Tint)", "Model": "tint", "Revision": "0123456789ab"}
    out = colour(source, tmp_path / "out.mp4", marks=told).out
    assert b"compositeWithTrainedAlgorithmicMedia" not in plain
    data = out.read_bytes()
    at = data.rindex(b"uuid") - 4
    assert int.from_bytes(data[at : at + 4], "big") == len(data) - at, "a whole box, the last one"
    assert b"digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in data[at:]
    with av.open(str(out)) as container:
        comment = container.metadata["comment"]
    assert all(f"{name}: {text}" in comment for name, text in told.items())
    assert len(decode(out)[1]) == 20
    again = colour(out, tmp_path / "again.mp4", marks={"Model": "other"}).out
    with av.open(str(again)) as container:
        assert container.metadata["comment"] == f"{comment} (Model: other)"


@pytest.mark.parametrize("matrix", [None, QUARTER])
def test_a_visible_mark_stands_in_the_lower_right_corner_of_every_frame(
    tmp_path: Path, matrix: tuple[int, ...] | None
) -> None:
    source = make_clip(tmp_path / "in.mp4", frames=6, size=(97 // 2 * 2, 160), matrix=matrix)
    plain = decode(colour(source, tmp_path / "plain.mp4", quality=4).out)[1]
    marked = decode(colour(source, tmp_path / "out.mp4", quality=4, stamp="AI made").out)[1]
    quarters = probe(source).rotation // 90
    for before, after in zip(plain, marked, strict=True):
        before, after = (np.rot90(frame, quarters).astype(int) for frame in (before, after))
        apart = np.abs(before - after).max(-1)
        height, width = apart.shape
        assert apart[: height - 20].max() < 12
        assert apart[:, : width - 60].max() < 12
        corner = after[height - 12 :, width - 40 :]
        assert corner.max() > 200, "letters"
        assert np.median(corner) < np.median(before[height - 12 :, width - 40 :]) * 0.8, "ground"


def test_a_mark_covers_whole_cells_of_chroma_also_of_odd_pictures() -> None:
    ink = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], np.float32)
    mark = Mark(ink, 5, 7, quarters=1)
    yuv = np.full((8 * 3 // 2, 6), 100, np.uint8)
    before = yuv.copy()
    mark.write(yuv)
    changed = yuv[:8] != before[:8]
    assert changed.sum() == 6
    assert changed[:3, 3:5].all(), "the right end of the upright picture is the stored one's top"


CASES = Path(__file__).parent / "cases"


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("mjpeg_frames_with_exif.avi", ""), ("named_gif_is_mp4.gif", ""), ("pcm_192k.mov", ""),
        ("pcm_51_48k.mov", ""), ("title_in_latin1.mp4", ""), ("two_languages.mkv", ""),
        ("wmv2.wmv", ""), ("moov_missing.mp4", "cannot be read as a video"),
    ],
)  # fmt: skip
def test_odd_clips_that_others_sent_are_coloured_or_refused_in_a_sentence(
    name: str, refused: str, tmp_path: Path
) -> None:
    if refused:
        with pytest.raises(Problem, match=refused):
            colour(CASES / name, tmp_path / "out.mp4")
    else:
        report = colour(CASES / name, tmp_path / "out.mp4")
        assert report.frames == len(decode(report.out)[1]) > 0
