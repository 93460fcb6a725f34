"""Sources: what each text of the grammar yields, on small data made here."""

from __future__ import annotations

import json
import os
import sys
import types
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_pictures import colours, encoded, run, write

from workbench.data import DATASETS, pictures
from workbench.data.sources import KINDS, open_source
from workbench.errors import Problem


def listed(text: object) -> list[tuple[str, str | None]]:
    source = open_source(str(text))
    found = [(item.name, item.label) for item in source.items()]
    assert source.count() in (None, len(found))
    return found


# ------------------------------------------------------------------------------- folders, files


def test_a_folder_yields_its_pictures_in_order_and_labels_them_by_their_folder(tmp_path):
    for name in ("b.png", "cats/2.jpg", "cats/1.webp", "dogs/big/3.PNG", "日本/é .jpeg"):
        write(tmp_path / name)
    assert listed(tmp_path) == [
        ("b.png", None),
        ("cats/1.webp", "cats"),
        ("cats/2.jpg", "cats"),
        ("dogs/big/3.PNG", "big"),
        ("日本/é .jpeg", "日本"),
    ]


def test_hidden_files_and_other_files_are_no_pictures(tmp_path):
    for name in (".hidden.png", ".git/x.png", "__MACOSX/x.png", "a.png"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    assert listed(tmp_path) == [("a.png", None)]


def test_the_key_changes_with_the_files_and_not_with_the_place(tmp_path):
    write(tmp_path / "one/a.png")
    key = open_source(str(tmp_path / "one")).key
    (tmp_path / "one").rename(tmp_path / "two")
    assert open_source(str(tmp_path / "two")).key == key
    os.utime(tmp_path / "two/a.png", (1, 1))
    changed = open_source(str(tmp_path / "two")).key
    write(tmp_path / "two/b.png")
    assert len({key, changed, open_source(str(tmp_path / "two")).key}) == 3


def test_a_pattern_or_a_single_file_is_pictures_without_labels(tmp_path):
    for name in ("x/a1.png", "x/a2.png", "x/b.png"):
        write(tmp_path / name)
    assert listed(tmp_path / "x/a*.png") == [("a1.png", None), ("a2.png", None)]
    assert listed(tmp_path / "x/b.png") == [("b.png", None)]


def parquet(path: Path, columns: dict[str, list], metadata: dict | None = None) -> Path:
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


def test_parquet_in_the_form_of_the_datasets_library_yields_names_and_labels(tmp_path):
    rows = [{"bytes": encoded(i), "path": f"{i}.png"} for i in range(3)]
    file = parquet(
        tmp_path / "t.parquet",
        {"image": rows, "label": ["cat", None, "dog"], "source": ["s"] * 3, "split": ["train"] * 3},
    )
    assert listed(file) == [
        ("t.parquet[0] 0.png", "cat"),
        ("t.parquet[1] 1.png", None),
        ("t.parquet[2] 2.png", "dog"),
    ]
    assert [item.data for item in open_source(str(file)).items()] == [encoded(i) for i in range(3)]


def test_parquet_with_plain_bytes_and_numbers_as_labels_is_read(tmp_path):
    columns = {"picture": [encoded(0), None, encoded(1)], "label": [7, -1, 8]}
    file = parquet(tmp_path / "t.parquet", columns)
    items = list(open_source(str(file)).items())
    assert [item.label for item in items] == ["7", None, "8"]
    assert [len(item.data) > 0 for item in items] == [True, False, True]


def test_class_names_in_the_schema_replace_the_numbers(tmp_path):
    about = b'{"info": {"features": {"label": {"names": ["cat", "dog"]}}}}'
    columns = {"image": [encoded(0), encoded(1)], "label": [1, 0]}
    file = parquet(tmp_path / "t.parquet", columns, {b"huggingface": about})
    assert [label for _, label in listed(file)] == ["dog", "cat"]


def test_a_folder_of_parquet_keeps_what_is_held_out_out(tmp_path):
    parquet(tmp_path / "train-0.parquet", {"image": [encoded(0)]})
    parquet(tmp_path / "train-1.parquet", {"image": [encoded(1)]})
    parquet(tmp_path / "validation-0.parquet", {"image": [encoded(2)]})
    assert [name for name, _ in listed(tmp_path)] == ["train-0.parquet[0]", "train-1.parquet[0]"]
    assert [name for name, _ in listed(tmp_path / "v*.parquet")] == ["validation-0.parquet[0]"]


# ------------------------------------------------------------------------------------- the hub


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that is a folder: the real library reads a real file, only the way there is short."""
    datasets = pytest.importorskip("datasets")
    real = datasets.load_dataset
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    asked = []

    def fetch(name, config=None, *, split):
        asked.append((name, config, split))
        files = {"train": f"{tmp_path}/{name.replace('/', '_')}.parquet"}
        return real("parquet", data_files=files, split=split, cache_dir=str(tmp_path / "cache"))

    monkeypatch.setattr(datasets, "load_dataset", fetch)
    features = datasets.Features(
        {"img": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])}
    )
    rows = {"img": [{"bytes": encoded(i), "path": f"{i}.png"} for i in (0, 1)], "label": [1, 0]}
    datasets.Dataset.from_dict(rows, features).to_parquet(tmp_path / "me_pets.parquet")
    datasets.Dataset.from_dict({"text": ["a"]}).to_parquet(tmp_path / "me_words.parquet")
    return asked


def test_a_data_set_of_the_hub_yields_its_picture_files_and_class_names(hub):
    assert listed("hub:me/pets") == [
        ("hub:me/pets[0] 0.png", "dog"),
        ("hub:me/pets[1] 1.png", "cat"),
    ]
    assert [item.data for item in open_source("hub:me/pets").items()] == [encoded(0), encoded(1)]
    assert open_source("hub:me/pets").key == open_source("hub:me/pets").key
    assert set(hub) == {("me/pets", None, "train")}


def test_a_data_set_of_the_hub_may_name_a_configuration_and_a_split(hub):
    assert len(listed("hub:me/pets/small:train[:1]")) == 1
    assert hub == [("me/pets", "small", "train[:1]")]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("hub:pets", "write hub:OWNER/NAME"),
        ("hub:me/pets:test", "hub:me/pets:test could not be loaded from the hub"),
        ("hub:me/absent", "hub:me/absent could not be loaded from the hub"),
        ("hub:me/words", "no column of pictures, only text"),
    ],
)
def test_what_is_wrong_with_a_data_set_of_the_hub_is_said(hub, text, sentence):
    with pytest.raises(Problem) as problem:
        open_source(text)
    assert sentence in str(problem.value)


# --------------------------------------------------------------------------------- torchvision


@pytest.fixture
def voc(tmp_path, monkeypatch) -> Path:
    """A tiny VOC 2012 where torchvision would unpack it."""
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    root = tmp_path / "torchvision/VOC2012/VOCdevkit/VOC2012"
    for number in range(4):
        write(root / f"JPEGImages/{number}.jpg", number)
    for name, chosen in (("train", "0\n2\n"), ("val", "3\n")):
        (root / "ImageSets/Main").mkdir(parents=True, exist_ok=True)
        (root / f"ImageSets/Main/{name}.txt").write_text(chosen)
    return root


def test_voc_2012_is_all_its_pictures_or_those_of_a_split(voc):
    assert [name for name, _ in listed("torchvision:VOC2012")] == [f"{i}.jpg" for i in range(4)]
    assert [name for name, _ in listed("torchvision:VOC2012:train")] == ["0.jpg", "2.jpg"]
    assert open_source("torchvision:VOC2012").key != open_source("torchvision:VOC2012:train").key


def test_a_set_with_classes_yields_files_and_their_class_names(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    root = tmp_path / "torchvision/Imagenette/imagenette2"
    wnids = """n01440764 n02102040 n02979186 n03000684 n03028079
        n03394916 n03417042 n03425413 n03445777 n03888257"""
    for wnid in wnids.split():
        write(root / "train" / wnid / "a.JPEG")
        write(root / "val" / wnid / f"{wnid}.JPEG")
    found = listed("torchvision:Imagenette:val")
    assert len(found) == 10
    assert found[0] == ("n01440764.JPEG", "tench")
    assert found[-1] == ("n03888257.JPEG", "parachute")


def test_imagenet_is_read_from_the_folder_that_torchvision_unpacked(tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    root = tmp_path / "torchvision/ImageNet"
    write(root / "train/n01440764/a.JPEG")
    write(root / "train/n01443537/b.JPEG")
    names = {"n01440764": ("tench", "Tinca tinca"), "n01443537": ("goldfish",)}
    torch.save((names, []), root / "meta.bin")
    assert listed("torchvision:ImageNet") == [("a.JPEG", "tench"), ("b.JPEG", "goldfish")]


def test_places365_is_read_at_256_pixels_with_its_classes(tmp_path, monkeypatch):
    from torchvision.datasets import Places365

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    root = tmp_path / "torchvision/Places365"
    for name in ("a/abbey/1.jpg", "b/barn/2.jpg"):
        write(root / "data_256_standard" / name)
    (root / "categories_places365.txt").write_text("/a/abbey 0\n/b/barn 1\n")
    (root / "places365_train_standard.txt").write_text("/a/abbey/1.jpg 0\n/b/barn/2.jpg 1\n")
    monkeypatch.setattr(Places365, "_check_integrity", lambda *_: True)  # not the real sums
    assert listed("torchvision:Places365") == [("1.jpg", "/a/abbey"), ("2.jpg", "/b/barn")]
    asked = []
    monkeypatch.setattr(Places365, "download_images", lambda self: asked.append(self.root))
    (root / "data_256_standard/a/abbey/1.jpg").unlink()  # lists without pictures: fetch them
    open_source("torchvision:Places365")
    assert len(asked) == 1


def test_flowers102_is_read_through_its_own_class(tmp_path, monkeypatch):
    scipy_io = pytest.importorskip("scipy.io")
    from torchvision.datasets import Flowers102

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    root = tmp_path / "torchvision/Flowers102/flowers-102"
    for number in (1, 2, 3):
        write(root / f"jpg/image_{number:05d}.jpg")
    scipy_io.savemat(root / "imagelabels.mat", {"labels": np.array([[77, 1, 2]])})
    scipy_io.savemat(root / "setid.mat", {"trnid": [[1, 2]], "valid": [[3]], "tstid": [[3]]})
    monkeypatch.setattr(Flowers102, "_check_integrity", lambda self: True)  # not the real sums
    assert listed("torchvision:Flowers102") == [
        ("image_00001.jpg", "passion flower"),
        ("image_00002.jpg", "pink primrose"),
    ]


def test_a_set_that_decodes_by_itself_yields_arrays_and_names_what_it_cannot_read(
    tmp_path, monkeypatch
):
    import torchvision.datasets

    class Kept:
        def __init__(self, root, train=True, download=False):
            self.classes = ["cat", "dog"]

        def __len__(self):
            return 2

        def __getitem__(self, number):
            if number == 1:
                raise OSError("broken data stream")
            return colours(0), 1

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Kept)
    good, bad = open_source("torchvision:CIFAR10:test").items()
    assert np.array_equal(good.data, np.asarray(colours(0)))
    assert (good.label, bad.data) == ("dog", b"")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("torchvision:Nothing", "torchvision has no data set 'Nothing'"),
        ("torchvision:ImageNet", "torchvision/ImageNet"),
        ("torchvision:VOC2012:tset", "could not be loaded: Unknown value 'tset'"),
        ("torchvision:SBU:train", "has no split 'train'"),
    ],
)
def test_what_is_wrong_with_a_set_of_torchvision_is_said(tmp_path, monkeypatch, text, sentence):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    with pytest.raises(Problem) as problem:
        open_source(text)
    assert sentence in str(problem.value)


# -------------------------------------------------------------------------------------- Kaggle


def test_a_data_set_of_kaggle_is_the_folder_that_kagglehub_fetched(tmp_path, monkeypatch):
    write(tmp_path / "seg_train/seg_train/glacier/1.jpg")
    write(tmp_path / "seg_test/seg_test/forest/2.jpg")
    asked = []
    fake = types.ModuleType("kagglehub")
    fake.dataset_download = lambda slug: asked.append(slug) or str(tmp_path)
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    assert [label for _, label in listed("kaggle:me/intel")] == ["forest", "glacier"]
    assert [label for _, label in listed("kaggle:me/intel/seg_train")] == ["glacier"]
    assert set(asked) == {"me/intel"}
    assert open_source("kaggle:me/intel").title == "kaggle:me/intel"


def test_without_kagglehub_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(Problem, match="needs the kagglehub package, an extra: pip install"):
        open_source("kaggle:me/intel")


def test_a_failed_download_from_kaggle_names_the_reason_and_the_way_out(monkeypatch):
    def fail(slug):
        raise ConnectionError("no network")

    fake = types.ModuleType("kagglehub")
    fake.dataset_download = fail
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    with pytest.raises(Problem, match=r"no network\. .*https://www\.kaggle\.com/datasets/me/intel"):
        open_source("kaggle:me/intel")
    with pytest.raises(Problem, match="write kaggle:OWNER/NAME"):
        open_source("kaggle:intel")


# --------------------------------------------------------------------------------------- clips


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
    monkeypatch.setattr(av, "open", lambda path: Broken(opened(path)))
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


# ---------------------------------------------------------------------------- what is no source


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("absent", "There is no file or folder 'absent'"),
        ("ftp:somewhere", "is not a source of pictures. It is one of: FOLDER"),
        ("hub:", "names nothing after the colon"),
        ("{empty}", "holds no pictures"),
        ("{text}", "neither parquet nor a picture"),
        ("{broken}", "is not a readable parquet file"),
        ("{numbers}", "has no column of pictures: expected `image`"),
    ],
)
def test_what_is_no_source_is_said_in_a_sentence(tmp_path, text, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 broken")
    parquet(tmp_path / "numbers.parquet", {"number": [1, 2]})
    places = {
        "empty": tmp_path / "empty",
        "text": tmp_path / "notes.txt",
        "broken": tmp_path / "broken.parquet",
        "numbers": tmp_path / "numbers.parquet",
    }
    with pytest.raises(Problem) as problem:
        open_source(text.format(**places))
    assert sentence in str(problem.value)


# ------------------------------------------------------------------------------------- DATASETS


def test_every_set_has_a_source_terms_and_a_split():
    for name, spec in DATASETS.items():
        assert spec.name == name
        assert spec.title
        assert spec.source
        assert spec.licence
        assert spec.split in ("train", "validation", "test")
        kind, colon, rest = spec.source.partition(":")
        known = not colon or kind in KINDS or kind in ("http", "https")
        assert known, spec.source
        assert rest or not colon, spec.source
        assert kind != "torchvision" or rest in ("ImageNet", "Places365", "VOC2012", "Flowers102")


def test_datasets_are_listed_as_json_and_as_a_table():
    rows = json.loads(run(["datasets", "--json"]).output)
    assert [row["name"] for row in rows] == list(DATASETS)
    assert "Places365" in run(["datasets"]).output


def test_every_test_set_that_is_shared_is_in_the_table_with_its_classes(shared):
    for file in sorted((shared / "data/test").glob("*.parquet")):
        labels = pq.read_table(file, columns=["label"]).column("label").to_pylist()
        spec = DATASETS[file.stem]
        assert (spec.split, spec.labels) == ("test", len(set(labels) - {None})), file.stem


def test_pictures_of_different_sources_share_their_classes(tmp_path):
    write(tmp_path / "pets/dog/1.png", 1)
    write(tmp_path / "pets/cat/2.png", 2)
    row = {"image": [encoded(3), encoded(4)], "label": ["dog", None]}
    file = parquet(tmp_path / "t.parquet", row)
    loaded = pictures.load([str(file), str(tmp_path / "pets")], 8, cache=tmp_path / "cache")
    assert loaded.classes == ("cat", "dog")
    assert loaded.labels.tolist() == [1, -1, 0, 1]


def test_frames_of_a_clip_are_pictures_for_training(clip, tmp_path):
    loaded = pictures.load([f"video:{clip}"], 8, cache=tmp_path)
    assert loaded.pixels.shape == (6, 3, 8, 8)
    assert loaded.classes == ()
