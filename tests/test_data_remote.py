"""Data sets that others keep: real loading code, on small data where a download would put it."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
from small_pictures import colors, encoded, listed, write

from workbench.data.sources import open_source
from workbench.errors import Problem

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
            return colors(0), 1

    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Kept)
    good, bad = open_source("torchvision:CIFAR10:test").items()
    assert np.array_equal(good.data, np.asarray(colors(0)))
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
