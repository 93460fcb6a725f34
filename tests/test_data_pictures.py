"""The picture cache: decoded as told, kept once, and every damaged file named."""

from __future__ import annotations

import errno
import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab
from small_pictures import colors, encoded, run, write

from workbench import places
from workbench.data import pictures
from workbench.errors import Problem
from workbench.images.grey import CHROMA_PER_SPREAD, is_faint


def array(seed: int = 0, size: tuple[int, int] = (20, 16)) -> np.ndarray:
    return np.asarray(colors(seed, size))


def saved(image: Image.Image, form: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Load the folder `tmp_path / pictures` at side 8, unless said otherwise."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "sums"))

    def loading(source=None, side=8, **options):
        sources = [str(source or tmp_path / "pictures")]
        return pictures.load(sources, side, cache=tmp_path / "cache", **options)

    return loading


# ------------------------------------------------------------------------------------- decoding


@pytest.mark.parametrize("size", [(40, 24), (24, 40), (24, 24), (25, 60)])
def test_the_centre_square_is_what_scaling_and_cropping_give(size):
    whole = colors(3, size)
    short = min(size)
    left, top = (size[0] - short) / 2, (size[1] - short) / 2
    box = tuple(int(x) for x in (left, top, left + short, top + short))
    expected = np.asarray(whole.crop(box).resize((8, 8), Image.Resampling.BICUBIC))
    rgb, enlarged = pictures.decode_square(np.asarray(whole), 8)
    assert rgb.shape == (3, 8, 8)
    assert rgb.dtype == np.uint8
    assert not enlarged
    assert np.abs(rgb.transpose(1, 2, 0).astype(int) - expected).max() <= 6  # half a pixel at most


def test_at_its_own_size_a_square_picture_is_unchanged():
    rgb, enlarged = pictures.decode_square(saved(colors(1, (16, 16)), "PNG"), 16)
    assert np.array_equal(rgb.transpose(1, 2, 0), array(1, (16, 16)))
    assert not enlarged


def test_a_fine_pattern_is_averaged_and_not_sampled():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    rgb, _ = pictures.decode_square(stripes, 8)
    assert np.abs(rgb.astype(int) - 128).max() <= 8


def test_a_smaller_picture_is_enlarged_and_that_is_told():
    rgb, enlarged = pictures.decode_square(array(1, (6, 6)), 8)
    assert rgb.shape == (3, 8, 8)
    assert enlarged


@pytest.mark.parametrize(("shape", "part"), [((8, 16), np.s_[12:36]), ((48, 24), np.s_[:, 12:36])])
def test_the_largest_centred_part_of_a_shape_is_kept_and_nothing_is_stretched(shape, part):
    whole = np.zeros((48, 48, 3), np.uint8)
    whole[part] = 200  # all that is to be seen
    rgb, enlarged = pictures.decode(whole, shape)
    assert rgb.shape == (3, *shape)
    assert rgb.min() > 150
    assert not enlarged
    assert pictures.decode(whole, (16, 49))[1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_exif_says(orientation):
    upright = colors(5, (16, 16))
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = upright
    for step in undo.get(orientation, []):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb, _ = pictures.decode_square(saved(stored, "PNG", exif=exif), 16)
    assert np.array_equal(rgb.transpose(1, 2, 0), np.asarray(upright))


def test_a_big_jpeg_decoded_small_looks_like_the_same_jpeg_decoded_whole():
    cells = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    data = saved(Image.fromarray(cells).resize((1600, 1200), Image.Resampling.BICUBIC), "JPEG")
    rgb, enlarged = pictures.decode_square(data, 256)
    whole, _ = pictures.decode_square(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), 256)
    assert not enlarged
    assert np.abs(rgb.astype(int) - whole).mean() <= 1.5
    assert np.abs(rgb.astype(int) - whole).max() <= 16


@pytest.mark.parametrize(
    ("form", "change", "tolerance"),
    [
        ("PNG", lambda image: image.quantize(256), 12),
        ("PNG", lambda image: image.convert("RGBA"), 0),
        ("TIFF", lambda image: image.convert("CMYK"), 4),
        ("GIF", lambda image: image.quantize(256), 12),
        ("WEBP", lambda image: image, 12),
        ("BMP", lambda image: image, 0),
    ],
)
def test_every_kind_of_picture_comes_out_as_rgb(form, change, tolerance):
    rgb, _ = pictures.decode_square(saved(change(colors(2, (16, 16))), form), 16)
    difference = np.abs(rgb.transpose(1, 2, 0).astype(int) - array(2, (16, 16)))
    assert difference.mean() <= tolerance


def test_sixteen_bits_are_scaled_and_not_cut_off():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    rgb, _ = pictures.decode_square(saved(Image.fromarray(ramp), "PNG"), 16)
    assert np.abs(rgb[0].astype(int) - np.round(ramp / 257)).max() <= 1
    assert is_faint(rgb)


def test_the_first_frame_of_an_animation_is_taken():
    frames = [colors(1, (16, 16)), colors(9, (16, 16))]
    data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    rgb, _ = pictures.decode_square(data, 16)
    assert np.array_equal(rgb.transpose(1, 2, 0), np.asarray(frames[0]))


def test_grey_is_a_mean_chroma_under_three_as_scikit_image_counts_it():
    generator = np.random.default_rng(0)
    verdicts = set()
    for strength in np.linspace(0, 30, 40):
        grey = generator.integers(0, 226, (12, 12, 1))
        tint = generator.random(3) * strength
        rgb = np.clip(grey + tint, 0, 255).astype(np.uint8)
        chroma = np.linalg.norm(rgb2lab(rgb)[..., 1:], axis=-1).mean()
        if abs(chroma - 3) > 0.05:
            verdicts.add(is_faint(rgb.transpose(2, 0, 1)))
            assert is_faint(rgb.transpose(2, 0, 1)) == (chroma < 3)
    assert verdicts == {True, False}


def test_the_short_cut_for_colour_never_calls_a_grey_colour_coloured():
    levels = np.append(np.arange(0, 256, 6), 255).astype(np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3)
    spread = cube.max(-1).astype(float) - cube.min(-1)
    chroma = np.linalg.norm(rgb2lab(cube)[..., 1:], axis=-1)
    assert (chroma >= CHROMA_PER_SPREAD * spread - 1e-6).all()


# -------------------------------------------------------------------------------------- loading


def test_pictures_are_one_read_only_array_with_labels_and_a_report(tmp_path, load):
    for number, name in enumerate(("a/1.png", "a/2.png", "b/3.png", "4.png")):
        write(tmp_path / "pictures" / name, number)
    loaded = load()
    assert loaded.pixels.shape == (4, 3, 8, 8)
    assert loaded.pixels.dtype == np.uint8
    assert isinstance(loaded.pixels, np.memmap)
    assert not loaded.pixels.flags.writeable
    assert loaded.classes == ("a", "b")
    assert loaded.labels.dtype == np.int64
    assert loaded.labels.tolist() == [-1, 0, 0, 1]
    assert loaded.report["n"] == 4
    assert loaded.report["labels"] == {"a": 2, "b": 1}
    assert (loaded.report["unlabelled"], loaded.report["grey"]) == (1, 0)
    for row, seed in zip(loaded.pixels, (3, 0, 1, 2), strict=True):  # 4.png sorts first
        assert np.array_equal(row, pictures.decode_square(array(seed), 8)[0])


def test_the_second_time_nothing_is_decoded(tmp_path, load, monkeypatch):
    write(tmp_path / "pictures/a.png")
    first = load()
    monkeypatch.setattr(pictures, "_decode", lambda *_: pytest.fail("decoded again"))
    second = load()
    assert second.key == first.key
    assert second.report == first.report
    assert np.array_equal(second.pixels, first.pixels)


def test_a_copied_folder_is_not_decoded_again(tmp_path, load, monkeypatch):
    write(tmp_path / "pictures/warm/a.png")
    first = load()
    shutil.copytree(tmp_path / "pictures", tmp_path / "copy")
    monkeypatch.setattr(pictures, "_build", None)
    second = pictures.load([str(tmp_path / "copy")], 8, cache=tmp_path / "cache")
    assert (second.key, second.classes) == (first.key, ("warm",))
    assert second.report["sources"] == [str(tmp_path / "copy")]


def test_the_cache_depends_on_the_pictures_the_side_and_the_grey_ones(tmp_path, load):
    write(tmp_path / "pictures/a.png")
    keys = [load().key, load(side=9).key, load(side=(8, 9)).key, load(keep_grey=True).key]
    assert load(side=(8, 8)).key == keys[0]
    write(tmp_path / "pictures/b.png", 1)
    assert len({*keys, load().key}) == 5
    assert load().report["n"] == 2


def test_grey_pictures_are_left_out_and_counted_unless_they_are_wanted(tmp_path, load):
    write(tmp_path / "pictures/a.png")
    colors(1).convert("L").save(tmp_path / "pictures/b.png")
    assert (load().report["n"], load().report["grey"]) == (1, 1)
    kept = load(keep_grey=True)
    assert (kept.report["n"], kept.report["grey"]) == (2, 0)


def test_damaged_files_are_named_in_a_file_and_the_rest_is_kept(tmp_path, load):
    folder = tmp_path / "pictures"
    write(folder / "good.png")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.png").write_bytes(encoded(1)[:120])
    (folder / "cut.jpg").write_bytes(saved(colors(1, (300, 300)), "JPEG")[:2000])
    (folder / "text.webp").write_text("no picture")
    (folder / "away.png").symlink_to(tmp_path / "nowhere.png")
    loaded = load()
    assert loaded.report["n"] == 1
    assert loaded.report["unreadable"] == ["cut.jpg", "cut.png", "empty.jpg", "text.webp"]
    lines = (tmp_path / "cache" / f"{loaded.key}.unreadable.txt").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == loaded.report["unreadable"]
    assert "not a picture" in lines[3]
    assert load().report == loaded.report


def test_progress_is_told_and_ends_at_all(tmp_path, load):
    for number in range(120):
        write(tmp_path / f"pictures/{number:03d}.png", number)
    told = []
    load(progress=lambda done, total: told.append((done, total)))
    assert told == [(50, 120), (100, 120), (120, 120)]


def test_many_pictures_keep_their_order_through_the_threads(tmp_path, load):
    for number in range(60):
        size = (8, 8) if number % 7 else (400, 400)  # slow and quick ones
        path = tmp_path / f"pictures/{number:02d}/x.png"
        path.parent.mkdir(parents=True)
        colors(number, size).save(path)
    assert load().labels.tolist() == list(range(60))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda f: colors(0).convert("L").save(f / "a.png"), "All 1 pictures of .* are grey"),
        (lambda f: (f / "a.png").write_bytes(b""), "1 cannot be read. The first: a.png"),
        (lambda f: None, "holds no pictures"),
    ],
)
def test_nothing_to_learn_from_is_said_in_a_sentence_and_leaves_nothing(
    tmp_path, load, make, sentence
):
    (tmp_path / "pictures").mkdir()
    make(tmp_path / "pictures")
    with pytest.raises(Problem, match=sentence):
        load()
    assert not list((tmp_path / "cache").glob("*")) + list((tmp_path / "cache").glob(".*"))


@pytest.mark.parametrize(("sources", "side"), [([], 8), (["x"], 0)])
def test_no_source_and_no_side_are_problems(sources, side):
    with pytest.raises(Problem):
        pictures.load(sources, side)


def test_a_full_disk_is_a_sentence_and_leaves_nothing_behind(tmp_path, load, monkeypatch):
    write(tmp_path / "pictures/a.png")

    def full(file, number, side):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pictures, "_header", full)
    with pytest.raises(Problem, match=r"No space left on device\. Free some space"):
        load()
    assert not list((tmp_path / "cache").iterdir())


def test_a_cache_whose_pixels_are_missing_or_cut_is_made_again(tmp_path, load):
    write(tmp_path / "pictures/a.png")
    loaded = load()
    file = tmp_path / "cache" / f"{loaded.key}.npy"
    whole = file.read_bytes()
    for damage in (b"", whole[:-10]):
        file.write_bytes(damage)
        assert np.array_equal(load().pixels, np.load(io.BytesIO(whole)))
    (tmp_path / "cache" / f"{loaded.key}.json").write_text("{")
    assert load().report["n"] == 1


def test_the_cache_lives_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "kept"))
    write(tmp_path / "pictures/a.png")
    key = pictures.load([str(tmp_path / "pictures")], 8).key
    assert (tmp_path / f"kept/pictures/{key}.npy").is_file()
    monkeypatch.delenv("WORKBENCH_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert places.cache() == tmp_path / ".cache/colorization-workbench"


# ------------------------------------------------------------------------------- command: check


def test_check_prints_what_is_in_the_data(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "pictures/cat/1.png")
    write(tmp_path / "pictures/dog/2.png")
    (tmp_path / "pictures/cat/broken.png").write_bytes(b"")
    colors(3).convert("L").save(tmp_path / "pictures/dog/grey.png")
    command = ["check", "--data", str(tmp_path / "pictures"), "--side", "8"]
    said = run(command)
    assert said.exit_code == 0
    assert "pictures     2 at 8 x 8" in said.output
    assert "grey         1 left out" in said.output
    assert "unreadable   1, named in" in said.output
    assert "1  cat" in said.output
    assert "pictures     2 at 8 x 16" in run([*command[:-1], "8x16"]).output
    assert "neither a side nor HEIGHTxWIDTH" in str(run([*command[:-1], "wide"]).exception)
    report = json.loads(run([*command, "--json"]).output)
    assert report["labels"] == {"cat": 1, "dog": 1}
    assert report["unreadable"] == ["cat/broken.png"]


def test_the_shared_photographs_load_with_their_labels(shared, tmp_path):
    file = shared / "data/test/intel-scenes.parquet"
    loaded = pictures.load([str(file)], 32, cache=tmp_path)
    assert loaded.report["n"] + loaded.report["grey"] == 216
    assert loaded.report["unreadable"] == []
    assert "glacier" in loaded.classes
    assert (loaded.labels >= 0).all()


# ---------------------------------------------------------------------------------- collections


def test_collections_are_what_a_table_says_or_what_was_named(load, tmp_path):
    table = tmp_path / "table"
    table.mkdir()
    for i in range(5):
        (table / f"{i}.png").write_bytes(encoded(i))
    rows = ["path,label,source", *(f"{i}.png,cat,{'ab'[i % 2]}" for i in range(4)), "4.png,cat,"]
    (table / "list.csv").write_text("\n".join(rows))
    for i in range(3):
        write(tmp_path / "pictures" / f"{i}.png", i)
    loaded = pictures.load(
        [str(table / "list.csv"), str(tmp_path / "pictures")], 8, cache=tmp_path / "cache"
    )
    a, b, named, folder = loaded.groups[[0, 1, 4, 5]]
    assert loaded.groups.tolist() == [a, b, a, b, named, *[folder] * 3]
    assert len({a, b, named, folder}) == 4


def test_a_cache_without_collections_is_made_again(load, tmp_path):
    for i in range(3):
        write(tmp_path / "pictures" / f"{i}.png", i)
    key = load().key
    about = tmp_path / "cache" / f"{key}.json"
    told = json.loads(about.read_text())
    del told["groups"]
    about.write_text(json.dumps(told))
    assert load().groups.tolist() == [0, 0, 0]
    assert "groups" in json.loads(about.read_text())
