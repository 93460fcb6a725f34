"""Clips in colour, without flicker: `colorize_video` is the one call.

What needs PyAV is imported when it is asked for: pictures are coloured without it, too.
"""

from typing import TYPE_CHECKING, Any

from workbench.video.suffixes import SUFFIXES

if TYPE_CHECKING:
    from workbench.video.clips import Clip, probe
    from workbench.video.pipeline import Progress, VideoReport, colorize_video

__all__ = ["SUFFIXES", "Clip", "Progress", "VideoReport", "colorize_video", "probe"]


def __getattr__(name: str) -> Any:
    """A name of `__all__` that is asked for the first time."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from workbench.video import clips, pipeline

    return getattr(clips if hasattr(clips, name) else pipeline, name)
