"""Clips in colour, without flicker: `colorize_video` is the one call."""

from workbench.video.clips import SUFFIXES, Clip, probe
from workbench.video.pipeline import Progress, VideoReport, colorize_video

__all__ = ["SUFFIXES", "Clip", "Progress", "VideoReport", "colorize_video", "probe"]
