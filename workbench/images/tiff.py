"""TIFF files: which of the pages is the photograph, and its pixels where Pillow reads them wrongly.

A TIFF is a chain of directories (IFDs) that may be broken anywhere, hold previews before the
photograph, or be tens of thousands long. The chain is walked here, for a bounded number of pages;
readers are then handed the file with one page in it. Pixels of more than 8 bits, signed and
floating-point ones come from tifffile or FFmpeg; Pillow takes what is left.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from workbench.errors import Problem, guard_decoder
from workbench.images.depth import ffmpeg_pixels, flatten_alpha, scale_to_uint16, stretch_to_uint16

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MOST_PAGES = 500  # looked at; what comes after them is not
PREVIEW = 640  # pixels: a first page up to here may be a preview of a larger one
ORIENTATION, ICC, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 274, 34675, 282, 283, 296
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SIZES |= {16: 8, 17: 8, 18: 8}
_LETTERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_COMPRESSIONS = {1: "none", 2: "CCITT", 3: "fax", 4: "fax", 5: "LZW", 6: "old JPEG", 7: "JPEG"}
_COMPRESSIONS |= {8: "deflate", 32773: "PackBits", 32946: "deflate", 34712: "JPEG 2000"}
_COMPRESSIONS |= {34925: "LZMA", 50000: "Zstandard", 50001: "WebP", 52546: "JPEG XL"}
_RAW = {32803, 34892}  # photometric: a sensor's own values, as cameras and DNG keep them


@dataclass(frozen=True)
class Page:
    """One directory: where it stands, where the next one's place is written, and its tags."""

    offset: int
    link: int  # position in the file of the pointer to the next page
    tags: dict[int, tuple[int, ...]]  # whole numbers, the first of each tag
    blobs: dict[int, bytes]  # profile, resolution: as they are in the file

    def first_number(self, tag: int, default: int) -> int:
        return self.tags.get(tag, (default,))[0]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored, pixels."""
        return self.first_number(256, 0), self.first_number(257, 0)

    @property
    def bits(self) -> int:
        """Bits of one sample, the most where they differ."""
        return max(self.tags.get(258, (1,)))

    @property
    def samples(self) -> int:
        """Values of one pixel, transparency among them."""
        return self.first_number(277, 1)

    @property
    def photometric(self) -> int:
        """0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 Lab .."""
        return self.first_number(262, 1)

    @property
    def deep(self) -> bool:
        """Whether Pillow would read it wrongly: more than 8 bits, signed, or floating point."""
        return self.bits > 8 or self.first_number(339, 1) in (2, 3)

    @property
    def alpha(self) -> bool:
        """Whether the sample after the colours is transparency."""
        return self.first_number(338, 0) in (1, 2)

    def describe(self) -> str:
        """What kind of TIFF it is, for a sentence."""
        form = {2: "signed", 3: "floating-point", 5: "complex", 6: "complex"}
        colors = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab"}
        kinds = [f"{self.bits} bits", form.get(self.first_number(339, 1), "")]
        kinds.append(colors.get(self.photometric, f"colour space {self.photometric}"))
        kinds.append("in planes" if self.first_number(284, 1) == 2 and self.samples > 1 else "")
        compression = self.first_number(259, 1)
        if compression != 1:
            kinds.append(f"compressed by {_COMPRESSIONS.get(compression, compression)}")
        return ", ".join(kind for kind in kinds if kind)


class _Reader:
    """The directories of one file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.order = "<" if data[:1] == b"I" else ">"
        self.big = data[2:4] in (b"+\0", b"\0+")
        self.place = 8 if self.big else 4  # of the pointer to the first directory

    def number(self, position: int, letter: str) -> int:
        """One number; raises struct.error behind the end of the file."""
        if position > len(self.data):  # which may be more than struct counts
            raise struct.error("behind the end of the file")
        return struct.unpack_from(self.order + letter, self.data, position)[0]

    def pointer(self, position: int) -> int:
        return self.number(position, "Q" if self.big else "I")

    def page(self, offset: int) -> Page:
        """The directory at `offset`; raises struct.error where there is none."""
        count = self.number(offset, "Q" if self.big else "H")
        start, length = offset + (8 if self.big else 2), 20 if self.big else 12
        link = start + count * length
        if count > 4096 or link > len(self.data):
            raise struct.error("no directory")
        tags, blobs = {}, {}
        for entry in range(start, link, length):
            tag, kind = self.number(entry, "H"), self.number(entry + 2, "H")
            number = self.number(entry + 4, "Q" if self.big else "I")
            value = entry + (12 if self.big else 8)
            size = _SIZES.get(kind, 0) * number
            if size > (8 if self.big else 4):
                value = self.pointer(value)
            if not size or value + size > len(self.data):
                continue
            if tag in (ICC, X_RESOLUTION, Y_RESOLUTION):
                blobs[tag] = self.data[value : value + size]
            elif kind in _LETTERS:
                few = min(number, 16)
                tags[tag] = struct.unpack_from(
                    f"{self.order}{few}{_LETTERS[kind]}", self.data, value
                )
        return Page(offset, link, tags, blobs)

    def chain(self) -> tuple[list[Page], bool]:
        """The pages that can be read, in order, and whether there are more than MOST_PAGES."""
        found: list[Page] = []
        seen: set[int] = set()
        position = self.place
        while len(found) < MOST_PAGES:
            try:
                offset = self.pointer(position)
                if not offset or offset in seen:
                    return found, False
                seen.add(offset)
                found.append(self.page(offset))
            except struct.error:  # the chain leads nowhere: what came before it counts
                return found, False
            position = found[-1].link
        return found, True

    def below(self, page: Page) -> list[Page]:
        """The pages that hang below one (SubIFDs): there a DNG keeps its photograph."""
        found = []
        for offset in page.tags.get(330, ())[:8]:
            try:
                found.append(self.page(offset))
            except struct.error:
                continue
        return found


def find_photograph(data: bytes, name: str, notes: list[str]) -> tuple[Page, bytes]:
    """The page that is the photograph, and the file with that page alone. Raises Problem."""
    reader = _Reader(data)
    chain, more = reader.chain()
    every = [*chain, *(below for page in chain[:8] for below in reader.below(page))]
    every = [page for page in every if min(page.size) > 0]
    if not every:
        raise Problem(f"{name} is a damaged picture: no page of this TIFF can be read.")
    page = _largest_of_previews(every)
    if page.photometric in _RAW:
        raise Problem(
            f"{name} is a camera's raw file (DNG or alike): its photograph is the sensor's own "
            "values, which cannot be read here. Develop it and save it as JPEG or TIFF."
        )
    pages = [each for each in chain if not each.first_number(254, 0) & 5]
    if page is not every[0]:
        notes.append("The file begins with a small preview; the photograph behind it is used.")
    elif len(pages) > 1:
        number = f"more than {MOST_PAGES}" if more else str(len(pages))
        notes.append(f"The file holds {number} pages; the first one is used.")
    letter = reader.order + ("Q" if reader.big else "I")
    alone = bytearray(data)
    struct.pack_into(letter, alone, reader.place, page.offset)
    if page.link + struct.calcsize(letter) <= len(alone):
        struct.pack_into(letter, alone, page.link, 0)
    return page, bytes(alone)


def _largest_of_previews(pages: list[Page]) -> Page:
    """The first page that is no preview: not marked as one, nor a small copy of a later one."""
    whole = [page for page in pages if not page.first_number(254, 0) & 5] or pages
    first = whole[0]
    (width, height), wider = first.size, []
    if max(width, height) <= PREVIEW:
        wider = [
            page
            for page in whole[1:]
            if page.size[0] >= 2 * width
            and abs(page.size[0] * height - page.size[1] * width) <= 0.02 * page.size[0] * height
        ]
    return max(wider, key=lambda page: page.size, default=first)


def read_resolution(page: Page) -> tuple[float, float] | None:
    """Dots an inch across and down; None where the file does not say."""
    unit = {2: 1.0, 3: 2.54}.get(page.first_number(RESOLUTION_UNIT, 2))
    found = []
    for tag in (X_RESOLUTION, Y_RESOLUTION):
        data = page.blobs.get(tag, b"")
        if unit is None or len(data) != 8:
            return None
        found.append(data)
    return tuple(_fraction(data) * unit for data in found)


def _fraction(data: bytes) -> float:
    """A rational: the byte order whose numbers are the smaller ones is the file's."""
    pairs = [struct.unpack(order + "II", data) for order in "<>"]
    above, below = min(pairs, key=sum)
    return above / below if below else 0.0


def tiff_pixels(page: Page, data: bytes, name: str, notes: list[str]) -> np.ndarray | None:
    """uint16 (H, W, 1 | 3) of a page that is `deep`; None where Pillow's 8 bits have to do.

    `data` holds this page alone. CMYK comes as uint8 (H, W, 4). Raises Problem.
    """
    values = _by_tifffile(page, data, name)
    if (
        values is None
        and page.photometric in (1, 2)
        and page.first_number(339, 1) == 1
        and page.bits == 16
    ):
        values = _by_ffmpeg(data)
    if values is None:
        if page.first_number(284, 1) == 1 and page.photometric in (0, 1, 2, 5) and page.bits <= 16:
            return None
        raise _unsupported(page, name)
    if page.photometric == 5:
        return (scale_to_uint16(values[..., :4], page.bits) >> 8).astype(np.uint8)
    if page.photometric not in (0, 1, 2):
        raise _unsupported(page, name)
    colors = 3 if page.photometric == 2 else 1
    if values.shape[2] < colors:
        raise _unsupported(page, name)
    kept = colors + (page.alpha and values.shape[2] > colors)
    values = values[..., :kept]
    whole = values.dtype.kind == "u"
    pixels = scale_to_uint16(values, page.bits) if whole else stretch_to_uint16(values, notes)
    if page.photometric == 0:
        pixels[..., :1] = 65535 - pixels[..., :1]
    return flatten_alpha(pixels, notes)


def _unsupported(page: Page, name: str) -> Problem:
    return Problem(
        f"{name} is a TIFF of a kind that cannot be read here ({page.describe()}). "
        "Save it as a plain TIFF with 8 or 16 bits a channel, or as PNG."
    )


def _by_tifffile(page: Page, data: bytes, name: str) -> np.ndarray | None:
    """(H, W, samples) as stored; None where tifffile has no decoder for it."""
    import tifffile

    try:
        with tifffile.TiffFile(BytesIO(data)) as file:
            stored = file.pages[0]
            _check_segments(stored, data, name)
            values = stored.asarray(maxworkers=1)
            planes = stored.planarconfig == 2
    except Problem:
        raise
    except MemoryError:
        raise Problem(f"{name} is too large for this machine's memory.") from None
    except Exception:  # a compression that others know; or damaged, as they will say
        return None
    if values.ndim == 2:
        values = values[..., None]
    elif planes and values.ndim == 3 and page.samples > 1:
        values = values.transpose(1, 2, 0)
    if values.ndim != 3 or values.shape[:2] != page.size[::-1] or values.dtype.kind not in "uif":
        raise _unsupported(page, name)
    return values


def _check_segments(stored: object, data: bytes, name: str) -> None:
    """Problem where a strip or tile unpacks to far more than it should: tifffile has no limit."""
    compression = int(stored.compression)
    if compression not in (8, 32946, 34925):
        return
    rows = stored.tilelength if stored.is_tiled else stored.rowsperstrip
    width = stored.tilewidth if stored.is_tiled else stored.imagewidth
    size = int(stored.dtype.itemsize) if stored.dtype is not None else 8
    most = width * min(rows, max(stored.imagelength, stored.tilelength)) * size
    most = most * stored.samplesperpixel * 2 + 65536
    for start, count in zip(stored.dataoffsets, stored.databytecounts, strict=True):
        packed = data[start : start + count]
        if compression == 34925:
            unpacker = lzma.LZMADecompressor()
            unpacker.decompress(packed, most)
            whole = unpacker.eof or not unpacker.needs_input
            if not unpacker.eof and whole:
                raise Problem(f"{name} is damaged: its pixels unpack to more than it announces.")
            continue
        unpacker = zlib.decompressobj()
        unpacker.decompress(packed, most)
        if unpacker.unconsumed_tail:
            raise Problem(f"{name} is damaged: its pixels unpack to more than it announces.")


def _by_ffmpeg(data: bytes) -> np.ndarray | None:
    try:
        with guard_decoder("FFmpeg cannot read this TIFF: {error}."):
            return ffmpeg_pixels(data, "tiff_pipe")
    except Problem:
        return None
