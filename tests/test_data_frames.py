"""Clips: the right frames, upright, and what is damaged named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_pictures import listed, run
from typer.testing import CliRunner

from workbench.cli import build
from workbench.data import pictures
from workbench.data.sources import open_source
from workbench.errors import Problem
from workbench.evaluation import scores


@pytest.fixture(scope="session")
def clip(tmp_path_factory) -> Path:
    """Three seconds at 10 frames a second whose red grows by 8 from frame to frame."""
    av = pytest.importorskip("av")
    path = tmp_path_factory.mktemp("clip") / "film @ home.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.bit_rate = 64, 48, 4_000_000
        for number in range(30):
            pixels = np.zeros((48, 64, 3), dtype=np.uint8)
            pixels[..., 0], pixels[..., 2] = 8 * number, 120
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())
    return path


def test_a_clip_yields_two_frames_a_second_at_the_right_times(clip):
    items = list(open_source(f"video:{clip}").items())
    times = [item.name.removeprefix("film @ home.mp4 at ") for item in items]
    assert times == ["0.00 s", "0.50 s", "1.00 s", "1.50 s", "2.00 s", "2.50 s"]
    assert all(item.data.shape == (48, 64, 3) and item.label is None for item in items)
    red = [item.data[..., 0].mean() for item in items]
    assert red == pytest.approx([0, 40, 80, 120, 160, 200], abs=6)


@pytest.mark.parametrize(("rate", "number"), [("0.5", 2), ("5", 15), ("1000", 30)])
def test_the_rate_of_a_clip_is_a_choice_and_no_frame_comes_twice(clip, rate, number):
    source = open_source(f"video:{clip}@{rate}")
    assert len(list(source.items())) == number
    assert source.key != open_source(f"video:{clip}").key


def test_a_clip_that_was_filmed_upright_comes_upright(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height = 64, 48
        pixels = np.zeros((48, 64, 3), dtype=np.uint8)
        pixels[:24] = 200, 30, 30
        out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44  # ISO 14496-12: the display matrix of the track, 16.16
    assert data[matrix : matrix + 4] == b"\0\1\0\0"
    quarter = (0, 1, 0, -1, 0, 0)  # a quarter clockwise, as a phone writes it: top goes right
    data[matrix : matrix + 24] = b"".join((65536 * x).to_bytes(4, signed=True) for x in quarter)
    path.write_bytes(data)
    (item,) = open_source(f"video:{path}").items()
    assert item.data.shape == (64, 48, 3)
    assert item.data[:, 28:, 0].min() > 150
    assert item.data[:, :20, 0].max() < 60


def test_a_clip_that_breaks_off_keeps_its_frames_and_names_where(clip, tmp_path, monkeypatch):
    import av

    real = av.container.InputContainer.decode
    from workbench.data import frames

    class Broken:
        def __init__(self, inner):
            self.inner, self.streams = inner, inner.streams

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.inner.close()

        def decode(self, **options):
            for number, frame in enumerate(real(self.inner, **options)):
                if number == 12:
                    raise av.error.InvalidDataError(1, "invalid data")
                yield frame

    opened = av.open
    monkeypatch.setattr(av, "open", lambda path, **options: Broken(opened(path)))
    items = list(frames.VideoSource(str(clip)).items())
    assert [item.name for item in items if isinstance(item.data, bytes)] == [
        "film @ home.mp4 at 1.10 s"
    ]
    assert len(items) == 4
    assert frames.write_frames(clip, tmp_path / "out") == (3, False)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("video:absent.mp4", "There is no clip"),
        ("video:{clip}@fast", "'fast' is not a number of frames a second"),
        ("video:{clip}@0", "0 frames a second cannot be taken"),
        ("video:{text}", "is not a readable clip"),
    ],
)
def test_what_is_wrong_with_a_clip_is_said(clip, tmp_path, text, sentence):
    (tmp_path / "text.mp4").write_text("no clip")
    with pytest.raises(Problem) as problem:
        open_source(text.format(clip=clip, text=tmp_path / "text.mp4"))
    assert sentence in str(problem.value)


def test_frames_of_a_clip_written_to_a_folder_are_a_source(clip, tmp_path, monkeypatch):
    said = run(["frames", str(clip), str(tmp_path / "out"), "--fps", "1"])
    assert said.exit_code == 0
    assert "3 frames" in said.output
    names = [f"film @ home_{i:06d}.jpg" for i in range(3)]
    assert [name for name, _ in listed(tmp_path / "out")] == names
    written = np.asarray(Image.open(tmp_path / "out" / names[2]))
    assert written[..., 0].mean() == pytest.approx(160, abs=8)


def test_frames_of_a_clip_are_pictures_for_training(clip, tmp_path):
    loaded = pictures.load([f"video:{clip}"], 8, cache=tmp_path)
    assert loaded.pixels.shape == (6, 3, 8, 8)
    assert loaded.classes == ()


def test_two_parts_of_a_clip_share_no_frame_and_leave_none_out(clip):
    whole = [item.name for item in open_source(f"video:{clip}@5").items()]
    first = [item.name for item in open_source(f"video:{clip}@5#0-1.5").items()]
    rest = [item.name for item in open_source(f"video:{clip}@5#0:01.5-").items()]
    assert first + rest == whole
    assert len(first) == 8
    keys = {open_source(f"video:{clip}@5{part}").key for part in ("", "#0-1.5", "#1.5-")}
    assert len(keys) == 3


def test_frames_of_a_part_are_those_of_its_source(clip, tmp_path):
    result = run(["frames", str(clip), str(tmp_path / "test"), "--from", "1", "--to", "0:02"])
    assert result.exit_code == 0, result.output
    assert len(listed(tmp_path / "test")) == 2


def test_the_first_part_of_a_film_trains_and_the_rest_scores(tmp_path, monkeypatch):
    av = pytest.importorskip("av")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    film, net, table = tmp_path / "film.mp4", str(tmp_path / "net"), tmp_path / "scores"
    rows, columns = np.mgrid[:48, :96]
    with av.open(str(film), "w") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.bit_rate = 96, 48, 4_000_000
        for number in range(40):  # an orange ball that rolls over a blue ground
            ball = (rows - 24) ** 2 + (columns - 8 - 2 * number) ** 2 < 300
            pixels = np.where(ball[..., None], (240, 150, 60), (20, 40, 120)).astype(np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        out.mux(stream.encode())
    runner, commands = CliRunner(), build()
    trained = runner.invoke(commands, [
        "train", "vanilla_cnn", "--data", f"video:{film}@10#0-2", "--validation",
        f"video:{film}@10#2-", "--width", "0.25", "--size", "32x64", "--images", "240",
        "--batch-size", "8", "--log-every", "240", "--out", net,
    ])  # fmt: skip
    assert trained.exit_code == 0, trained.output
    command = ["evaluate", net, "--data", f"video:{film}@10#2-", "--size", "32"]
    command += ["--protocol", "ranjan-agrawal-movies", "--out", str(table)]
    scored = runner.invoke(commands, command)
    assert scored.exit_code == 0, scored.output
    psnr: dict[str, list[float]] = {"net": [], "grey": []}
    for score in scores.read_all([table]):
        assert float(score.picture.split()[-2]) >= 2
        psnr.setdefault(score.model, []).append(score.psnr)
    assert len(psnr["net"]) == 20
    assert np.mean(psnr["net"]) > np.mean(psnr["grey"]) + 1


@pytest.mark.parametrize("time", ["soon", "1:2:3:4", "-3", "inf"])
def test_what_is_no_time_is_refused_in_a_sentence(clip, tmp_path, time):
    result = run(["frames", str(clip), str(tmp_path / "test"), "--from", time])
    assert isinstance(result.exception, Problem)
    assert "no time in a clip" in str(result.exception)


def test_a_part_that_ends_before_it_begins_or_after_the_clip_is_refused(clip, tmp_path):
    for begin, end, words in (("2", "1", "nothing"), ("60", "90", "between 60 s and 90 s")):
        result = run(["frames", str(clip), str(tmp_path / "t"), "--from", begin, "--to", end])
        assert isinstance(result.exception, Problem)
        assert words in str(result.exception)


def test_the_colour_clip_is_split_in_time(shared):
    clip = shared / "data" / "legacy" / "colour_clip_cockatoo.mp4"
    whole, first, rest = (
        [item.name for item in open_source(f"video:{clip}{part}").items()]
        for part in ("", "#0-8", "#8-")
    )
    assert first + rest == whole
    assert first
    assert rest
