"""Data sets that others keep: the Hugging Face hub, torchvision, Kaggle.

Each is fetched by its own library into that library's cache (torchvision: into ours), so the second
time needs no network. Whatever goes wrong on the way is one sentence.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from workbench import places
from workbench.data.files import (
    Folder,
    Item,
    Source,
    class_name,
    digest,
    read_bytes,
)
from workbench.data.local import open_files
from workbench.errors import Problem


class HubSource(Source):
    """`OWNER/NAME[/CONFIG][:SPLIT]`: a data set of the Hugging Face hub, by `datasets`."""

    def __init__(self, text: str) -> None:
        name, _, split = text.partition(":")
        owner, _, rest = name.partition("/")
        name, _, config = rest.partition("/")
        if not owner or not name:
            raise Problem(f"hub:{text} is not a data set: write hub:OWNER/NAME[/CONFIG][:SPLIT].")
        self.title = f"hub:{text}"
        rows = self._load(f"{owner}/{name}", config or None, split or "train")
        self.image, self.label, self.classes = self._columns(rows)
        self.rows = self._leave_undecoded(rows)
        self.key = "hub-" + digest(owner, name, config, split, rows._fingerprint, len(rows))

    def _load(self, name: str, config: str | None, split: str) -> Any:
        if importlib.util.find_spec("datasets") is None:
            raise Problem(f"{self.title} needs the datasets package: pip install datasets.")
        import datasets

        try:
            return datasets.load_dataset(name, config, split=split)
        except Exception as reason:  # network, login, name, split, config: the library says which
            raise Problem(
                f"{self.title} could not be loaded from the hub: {_sentence(reason)} "
                "Check the name and the split, and log in where the data set is gated."
            ) from reason

    def _columns(self, rows: Any) -> tuple[str, str | None, list[str] | None]:
        import datasets

        kinds = rows.features
        pictures = [name for name, kind in kinds.items() if isinstance(kind, datasets.Image)]
        if not pictures:
            raise Problem(f"{self.title} has no column of pictures, only {', '.join(kinds)}.")
        classes = [name for name, kind in kinds.items() if isinstance(kind, datasets.ClassLabel)]
        label = "label" if "label" in kinds else next(iter(classes), None)
        return pictures[0], label, kinds[label].names if label in classes else None

    def _leave_undecoded(self, rows: Any) -> Any:
        import datasets

        columns = [self.image] + [self.label] * (self.label is not None)
        rows = rows.select_columns(columns)
        return rows.cast_column(self.image, datasets.Image(decode=False))

    def count(self) -> int:
        return len(self.rows)

    def items(self) -> Iterator[Item]:
        for number, row in enumerate(self.rows):
            picture = row[self.image] or {}
            path = picture.get("path") or ""
            data = picture.get("bytes") or (read_bytes(path) if path else b"")
            label = class_name(row[self.label], self.classes) if self.label else None
            yield Item(f"{self.title}[{number}] {Path(path).name}".rstrip(), data, label)


# Short names: the class of torchvision, and the options that go with the name.
TORCHVISION = {
    "VOC2012": ("VOCDetection", {"year": "2012"}),
    "Places365": ("Places365", {"small": True}),
}


class TorchvisionSource(Source):
    """`NAME[:SPLIT]`: any data set of torchvision that gives pictures, downloaded where it can be.

    VOC2012 without a split is all 17,125 pictures of the archive, as Ranjan & Agrawal used it;
    Places365 is taken at 256 pixels. Sets that may not be downloaded (ImageNet) say where to put
    the archive.
    """

    def __init__(self, text: str) -> None:
        import torchvision.datasets

        name, _, self.split = text.partition(":")
        self.title = f"torchvision:{text}"
        kind, options = TORCHVISION.get(name, (name, {}))
        if kind not in torchvision.datasets.__all__:
            raise Problem(
                f"torchvision has no data set {name!r}: try VOC2012, Places365, ImageNet, "
                "Flowers102 or another name of torchvision.datasets."
            )
        self.folder = places.cache() / "torchvision" / name
        self.dataset = self._open(getattr(torchvision.datasets, kind), options)
        self.whole = None
        if name == "VOC2012" and not self.split:
            self.whole = Folder(Path(self.dataset.images[0]).parent, self.title)
        classes = getattr(self.dataset, "classes", None)
        self.classes = [c[0] if isinstance(c, tuple) else c for c in classes or ()]
        self.key = "torchvision-" + digest(text, self.count(), self.classes)

    def _open(self, build: Any, options: dict[str, Any]) -> Any:
        takes = inspect.signature(build).parameters
        options = dict(options)
        if self.split:
            option = next((name for name in ("image_set", "split") if name in takes), None)
            if option is None and "train" in takes and self.split in ("train", "test"):
                options["train"] = self.split == "train"
            elif option is None:
                raise Problem(f"{self.title}: this data set has no split {self.split!r}.")
            else:
                options[option] = self.split
        if "loader" in takes or build.__name__ == "ImageNet":
            options["loader"] = _Unread  # the file itself: it is decoded later, in many threads
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            try:
                dataset = build(self.folder, **options)
                if "loader" in options and not dataset[0][0].path.is_file():
                    raise RuntimeError("The lists are there, but not the pictures.")
                return dataset
            except RuntimeError:  # not there yet
                if "download" not in takes:
                    raise
                return build(self.folder, **options, download=True)
        except Exception as reason:  # network, no such split, a broken or missing archive
            raise Problem(
                f"{self.title} could not be loaded: {_sentence(reason)} "
                f"Its files belong in {self.folder}."
            ) from reason

    def count(self) -> int:
        return self.whole.count() if self.whole else len(self.dataset)

    def items(self) -> Iterator[Item]:
        if self.whole:
            yield from self.whole.items()
            return
        paths = getattr(self.dataset, "images", None)  # VOC: read without its annotations
        for number in range(len(self.dataset)):
            if paths is not None:
                yield Item(Path(paths[number]).name, read_bytes(paths[number]))
                continue
            name = f"{self.title}[{number}]"
            try:
                picture, target = self.dataset[number][:2]
            except (OSError, SyntaxError):  # a damaged file of a set that decodes by itself
                yield Item(name, b"")
                continue
            label = class_name(target, self.classes) if isinstance(target, int | str) else None
            if isinstance(picture, _Unread):
                yield Item(picture.path.name, read_bytes(picture.path), label)
            else:
                yield Item(name, np.asarray(picture.convert("RGB")), label)


class _Unread:
    """Stands in for a picture where torchvision would have decoded it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)


def open_kaggle(text: str) -> Source:
    """`OWNER/NAME[/FOLDER]`: a data set of Kaggle, downloaded by `kagglehub` (an extra)."""
    parts = text.split("/")
    slug, title = "/".join(parts[:2]), f"kaggle:{text}"
    if len(parts) < 2 or not all(parts[:2]):
        raise Problem(f"{title} is not a data set: write kaggle:OWNER/NAME[/FOLDER].")
    by_hand = f"Or download https://www.kaggle.com/datasets/{slug} by hand and give its folder."
    try:
        import kagglehub
    except ImportError:
        raise Problem(
            f"{title} needs the kagglehub package, an extra: pip install kagglehub. {by_hand}"
        ) from None
    try:
        folder = kagglehub.dataset_download(slug)
    except Exception as reason:  # network, login, name
        raise Problem(
            f"{title} could not be downloaded: {_sentence(reason)} Kaggle may want a login "
            f"(KAGGLE_USERNAME and KAGGLE_KEY). {by_hand}"
        ) from reason
    return open_files(str(Path(folder, *parts[2:])), title)


def _sentence(reason: Exception) -> str:
    """The first line of what a library says, with a full stop."""
    text = (str(reason).strip() or type(reason).__name__).splitlines()[0].strip()
    return text if text.endswith((".", "!", "?")) else text + "."
