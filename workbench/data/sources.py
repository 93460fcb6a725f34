"""The grammar of `--data`: a text names a source, and a source yields pictures.

FOLDER                      pictures in it and below; the label is the name of a picture's folder
FILE.parquet                column `image` (bytes, or a struct of bytes and path), maybe `label`
FOLDER with parquet files   its train-*.parquet, or all of them where none is called so
"FOLDER/train-*.parquet"    a pattern of parquet files, or of pictures (without labels)
FILE.csv, .tsv, .parquet    a table of paths: column `path` (file_name, image), maybe `label`
"shards-{000..009}.tar"     tar files as WebDataset lays them out; a pattern or one file, too
hub:OWNER/NAME[/CONFIG][:SPLIT]    a data set of the Hugging Face hub
torchvision:NAME[:SPLIT]    VOC2012, Places365, ImageNet, Flowers102 and others of torchvision
kaggle:OWNER/NAME[/FOLDER]  a data set of Kaggle
video:FILE[@FPS][#FROM-TO]  frames of a clip or of a part of it, 2 a second
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workbench.data.files import Item, Source
from workbench.data.frames import VideoSource
from workbench.data.local import open_files
from workbench.data.remote import HubSource, TorchvisionSource, open_kaggle
from workbench.errors import Problem

__all__ = ["GRAMMAR", "KINDS", "Item", "Source", "open_source"]

KINDS: dict[str, Callable[[str], Source]] = {
    "hub": HubSource,
    "torchvision": TorchvisionSource,
    "kaggle": open_kaggle,
    "video": VideoSource,
}
GRAMMAR = (
    "FOLDER, FILE.parquet, FILE.csv, FILE.tar, a pattern in quotes, hub:OWNER/NAME[:SPLIT], "
    "torchvision:NAME[:SPLIT], kaggle:OWNER/NAME, video:FILE[@FPS][#FROM-TO]"
)


def open_source(text: str) -> Source:
    """Open what `--data` names; downloads it where that is needed. Raises Problem."""
    text = str(text).strip()
    kind, colon, rest = text.partition(":")
    if not text:
        raise Problem(f"The source of pictures is empty. It is one of: {GRAMMAR}.")
    if not colon or len(kind) == 1 or Path(text).exists():  # C:\pictures is no kind
        return open_files(text)
    if kind not in KINDS:
        raise Problem(f"{text!r} is not a source of pictures. It is one of: {GRAMMAR}.")
    if not rest:
        raise Problem(f"{text!r} names nothing after the colon. It is one of: {GRAMMAR}.")
    return KINDS[kind](rest)
