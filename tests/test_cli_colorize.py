"""`python -m workbench colorize`, as a person types it."""

from __future__ import annotations

import json
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from workbench import checkpoints, samples
from workbench.images import encode, open_image


@pytest.fixture
def colorize(type_command):
    """Run the command: words -> (exit code, stdout, stderr)."""
    return partial(type_command, "colorize")


@pytest.fixture
def folder(tmp_path) -> Path:
    """A JPEG with EXIF, a 16-bit PNG and a grey TIFF, one of them in a folder within."""
    root = tmp_path / "old"
    (root / "attic").mkdir(parents=True)
    grey = np.tile(np.linspace(20, 230, 45).astype(np.uint8), (30, 1))
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "A. Person"
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(grey).save(root / "a photo.jpg", exif=exif)
    Image.fromarray(grey).save(root / "attic" / "scan.tif")
    deep = torch.from_numpy(grey.astype(np.int32) * 257).to(torch.uint16).expand(3, 30, 45)
    (root / "deep.png").write_bytes(encode(deep))
    return root


def test_a_folder_keeps_its_names_sizes_depths_and_exif(colorize, folder, tmp_path):
    code, said, _ = colorize(folder, "--model", "colorful", "--out", tmp_path / "new")
    assert code == 0
    new = tmp_path / "new"
    files = {str(path.relative_to(new)) for path in new.rglob("*") if path.is_file()}
    pictures = {"a photo.jpg", "deep.png", "attic/scan.png"}
    assert files == pictures | {f"{name}.json" for name in pictures}
    assert all(name in said for name in pictures)
    upright = open_image(new / "a photo.jpg")
    assert upright.rgb.shape == (3, 45, 30)  # upright, and no orientation left to apply again
    exif = Image.Exif()
    exif.load(upright.exif)
    assert exif[ExifTags.Base.Artist] == "A. Person"
    assert "Colourized by AI" in exif[ExifTags.Base.ImageDescription]
    assert open_image(new / "deep.png").depth == 16
    assert not open_image(new / "attic" / "scan.png").grey


def test_the_sidecar_says_how_it_was_made(colorize, folder, tmp_path, small_checkpoints):
    source = folder / "deep.png"
    words = ("--chroma", 1.5, "--temperature", 0.5, "--size", 32, "--model", "colorful")
    assert colorize(source, *words, "--out", tmp_path / "new")[0] == 0
    about = json.loads((tmp_path / "new" / "deep.png.json").read_text())
    assert about["model"] == "colorful"
    assert about["revision"] == checkpoints.find("colorful").revision
    assert about["source_sha256"] == open_image(source).sha256
    assert about["bits"] == 16
    assert {"size": 32, "temperature": 0.5, "chroma": 1.5}.items() <= about["settings"].items()
    with Image.open(tmp_path / "new" / "deep.png") as outside:
        assert outside.text["Revision"] == about["revision"]
        assert "chroma=1.5" in outside.text["Settings"]


def test_all_models_have_a_folder_each(colorize, folder, tmp_path):
    from workbench.models import MODELS

    code, _, _ = colorize(folder / "a photo.jpg", "--model", "all", "--out", tmp_path / "new")
    assert code == 0
    made = {path.parent.name for path in (tmp_path / "new").rglob("a photo.jpg")}
    assert made == set(MODELS)


def test_one_broken_file_does_not_stop_the_rest(colorize, folder, tmp_path):
    (folder / "broken.png").write_bytes(b"no picture")
    code, said, complaint = colorize(folder, "--model", "colorful", "--out", tmp_path / "new")
    assert code == 2
    assert "broken.png is not a picture" in complaint
    assert "1 of 4 files" in complaint
    assert said.count("->") == 3
    assert not list((tmp_path / "new").rglob("broken*"))


def test_the_format_may_be_chosen_and_names_never_collide(colorize, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    for place, level in ((one, 60), (two, 200)):
        place.mkdir()
        Image.new("L", (20, 20), level).save(place / "x.png")
    new = tmp_path / "new"
    code, _, _ = colorize(
        one / "x.png", two / "x.png", "--model", "vanilla_cnn", "--format", "jpeg", "--out", new
    )
    assert code == 0
    levels = [open_image(new / name).rgb.float().mean() for name in ("x.jpg", "x_2.jpg")]
    assert levels[0] + 100 < levels[1]


def test_one_file_may_be_named_as_the_result(colorize, folder, tmp_path):
    target = tmp_path / "result.png"
    source = folder / "a photo.jpg"
    assert colorize(source, "--model", "vanilla_cnn", "--out", target, "--stamp")[0] == 0
    assert open_image(target).rgb.shape == (3, 45, 30)
    code, _, complaint = colorize(folder, "--model", "vanilla_cnn", "--out", target)
    assert code == 2
    assert "one file" in complaint


def test_a_source_is_never_overwritten(colorize, folder):
    before = (folder / "deep.png").read_bytes()
    code, _, complaint = colorize(folder / "deep.png", "--model", "colorful", "--out", folder)
    assert code == 2
    assert "overwritten" in complaint
    assert (folder / "deep.png").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--model", "no_such_model"), "no_such_model"),
        (("--model", "colorful", "--size", "3"), "16 to 2048"),
    ],
)
def test_a_wrong_word_is_a_sentence_and_exit_code_2(colorize, folder, tmp_path, words, complaint):
    code, _, said = colorize(folder, *words, "--out", tmp_path / "new")
    assert code == 2
    assert complaint in said
    assert not (tmp_path / "new").exists()


def test_an_empty_folder_and_a_missing_file_are_named(colorize, tmp_path):
    (tmp_path / "empty").mkdir()
    out = tmp_path / "new"
    code, _, said = colorize(tmp_path / "empty", "--model", "colorful", "--out", out)
    assert code == 2
    assert "no pictures" in said
    code, _, said = colorize(tmp_path / "gone.jpg", "--model", "colorful", "--out", out)
    assert code == 2
    assert "gone.jpg" in said


def test_a_clip_is_handed_to_the_video_engine(colorize, tmp_path):
    import av

    source = tmp_path / "clip.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(60, 200, 35):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), level, np.uint8), "rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    code, said, _ = colorize(source, "--model", "vanilla_cnn", "--out", tmp_path / "new")
    assert code == 0
    assert "clip.mp4" in said
    about = json.loads((tmp_path / "new" / "clip.mp4.json").read_text())
    assert about["frames"] == 4
    with av.open(str(tmp_path / "new" / "clip.mp4")) as container:
        assert container.streams.video[0].width == 64


def test_a_grid_figure_has_a_cell_for_each_model_and_value_and_says_how_it_was_made():
    from workbench.coloring.colorize import Settings
    from workbench.coloring.grid import grid_figure, parameter_grid
    from workbench.errors import Problem
    from workbench.models import MODELS

    torch.manual_seed(0)
    nets = {
        name: (MODELS[name].build(width=0.125).eval(), 32) for name in ("colorful", "vanilla_cnn")
    }
    rgb = torch.arange(30 * 40).view(1, 30, 40).expand(3, 30, 40).remainder(200).byte() + 20
    cells = parameter_grid(nets, rgb, "chroma", [0, 1, 3])
    assert [len(row) for row in cells.values()] == [3, 3]
    assert all(cell.shape == rgb.shape for row in cells.values() for cell in row)
    assert (cells["colorful"][0].int() - rgb.int()).abs().max() <= 2  # no chroma: the grey picture
    assert not torch.equal(cells["colorful"][1], cells["colorful"][2])
    settings = Settings(edges=True)
    data = grid_figure(nets, rgb, "temperature", [0.2, 1], settings, revisions={"colorful": "abc"})
    with Image.open(BytesIO(data)) as figure:
        assert figure.text["Models"] == "colorful abc, vanilla_cnn"
        assert figure.text["Parameter"] == "temperature: 0.2, 1"
        assert figure.text["Settings"] == "edges = True"
        assert figure.width > 2 * 40
        assert figure.height > 2 * 30
    for wrong in (("hue", [1.0]), ("chroma", []), ("chroma", [-1.0])):
        with pytest.raises(Problem):
            parameter_grid(nets, rgb, *wrong)
    with pytest.raises(Problem, match="temperature"):
        parameter_grid({"vanilla_cnn": nets["vanilla_cnn"]}, rgb, "temperature", [1.0])


def grey(path: Path, level: int = 90) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (20, 16), level).save(path)
    return path


def test_a_users_own_file_in_the_output_folder_is_never_overwritten(colorize, tmp_path):
    source, own = grey(tmp_path / "old" / "scan.jpg"), grey(tmp_path / "new" / "scan.png", 7)
    before = own.read_bytes()
    words = ("--model", "vanilla_cnn", "--format", "png", "--out", tmp_path / "new")
    for _ in range(2):  # the second time its own result is there, and is written again
        assert colorize(source, *words)[0] == 0
        assert own.read_bytes() == before
        names = {path.name for path in own.parent.iterdir()}
        assert names == {"scan.png", "scan_2.png", "scan_2.png.json"}
    (own.parent / "scan_2.png").write_bytes(before)  # retouched: it is the user's now
    assert colorize(source, *words)[0] == 0
    assert (own.parent / "scan_2.png").read_bytes() == before
    assert (own.parent / "scan_3.png").exists()
    code, _, said = colorize(source, "--model", "vanilla_cnn", "--out", own)
    assert code == 2
    assert "is there already" in said


def test_the_same_command_twice_does_not_colour_its_own_results(colorize, tmp_path):
    grey(tmp_path / "old" / "a.png")
    (tmp_path / "old" / "notes.txt").write_text("x")
    words = (tmp_path / "old", "--model", "vanilla_cnn", "--out", tmp_path / "old" / "colour")
    for repeat in range(2):
        code, said, aside = colorize(*words)
        assert (code, said.count("->")) == (0, 1)
        assert "1 .txt" in aside
        assert ("1 results of this command" in aside) == bool(repeat)
    assert len(list((tmp_path / "old" / "colour").iterdir())) == 2


@pytest.mark.parametrize("name", ["result.mkv", "result.tif", "result.webm"])
def test_a_result_of_a_form_that_is_not_written_is_a_sentence_and_no_folder(
    colorize, tmp_path, name
):
    code, _, said = colorize(
        grey(tmp_path / "a.png"), "--model", "vanilla_cnn", "--out", tmp_path / name
    )
    assert code == 2
    assert "results are PNG, JPEG or MP4" in said
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", [b"x" * 250 + b".png", b"Opa M\xfcll.png", b"a\nb.png"])
def test_long_names_and_names_that_are_not_utf8_are_coloured(colorize, tmp_path, name):
    import os

    data = grey(tmp_path / "plain.png").read_bytes()
    source = tmp_path / "old" / os.fsdecode(name)
    source.parent.mkdir()
    source.write_bytes(data)
    code, said, complaint = colorize(
        source.parent, "--model", "vanilla_cnn", "--out", tmp_path / "new"
    )
    assert (code, complaint) == (0, "")
    assert said.count("->") == 1
    assert len([path for path in (tmp_path / "new").iterdir() if path.suffix == ".png"]) == 1


def test_links_are_followed_once_and_what_macos_leaves_is_passed_over(colorize, tmp_path):
    grey(tmp_path / "elsewhere" / "far.png")
    old = grey(tmp_path / "old" / "near.png").parent
    (old / "link").symlink_to(tmp_path / "elsewhere")
    (old / "loop").symlink_to(old)
    for junk in ("._near.png", "__MACOSX/near.png", ".hidden/near.png"):
        grey(old / junk)
    code, said, _ = colorize(old, "--model", "vanilla_cnn", "--out", tmp_path / "new")
    assert code == 0
    assert said.count("->") == 2
    assert (tmp_path / "new" / "link" / "far.png").exists()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_broken_tiff_in_a_folder_is_named_and_the_last_picture_is_coloured(
    colorize, tmp_path
):
    whole = grey(tmp_path / "whole.tif").read_bytes()
    old = grey(tmp_path / "old" / "z.png").parent
    for cut in (0, 4, 9, len(whole) // 2, len(whole) - 3):
        (old / f"cut{cut}.tif").write_bytes(whole[:cut])
    code, _, complaint = colorize(old, "--model", "vanilla_cnn", "--out", tmp_path / "new")
    assert code == 2
    assert "Traceback" not in complaint
    assert (tmp_path / "new" / "z.png").exists()
    assert "cut0.tif is empty" in complaint


def test_a_clip_is_marked_and_an_option_that_does_nothing_for_it_says_so(
    colorize, tmp_path
) -> None:
    from workbench.jobs.clip import sample_clip

    av = pytest.importorskip("av")
    source, out = sample_clip(tmp_path / "clip.mp4", seconds=0.2), tmp_path / "new.mp4"
    words = ("--model", "vanilla_cnn", "--out", out, "--strength", "0.25")
    code, _, complaint = colorize(source, *words, "--stamp", "--edges")
    assert code == 0
    assert "clip.mp4 is a clip, for which --edges does nothing." in complaint
    with av.open(str(out)) as container:
        comment = container.metadata["comment"]
    assert "Colourized by AI (" in comment
    assert "Model: vanilla_cnn" in comment
    assert "strength=0.25" in comment
    assert "does nothing" not in colorize(source, *words)[2]


def test_strength_without_a_clip_says_that_it_does_nothing(colorize, tmp_path) -> None:
    picture = samples.SAMPLES["chelsea"].path
    words = ("--model", "vanilla_cnn", "--out", tmp_path, "--strength", "0.25")
    code, _, complaint = colorize(picture, *words)
    assert code == 0
    assert "There was no clip: --strength does nothing for pictures." in complaint
