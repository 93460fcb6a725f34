"""Picture files and their pixels: what a file can be, colour profiles, depth of 8 or 16 bits."""

from workbench.images.files import (
    FORMATS,
    MAX_PIXELS,
    SUFFIXES,
    XMP,
    Picture,
    draw_mark,
    encode,
    encode_for_screen,
    encode_result,
    open_image,
    open_pixels,
    size_of,
    stamp_corner,
    to_eight_bits,
)

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "SUFFIXES",
    "XMP",
    "Picture",
    "draw_mark",
    "encode",
    "encode_for_screen",
    "encode_result",
    "open_image",
    "open_pixels",
    "size_of",
    "stamp_corner",
    "to_eight_bits",
]
