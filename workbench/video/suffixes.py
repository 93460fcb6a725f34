"""Which files are clips. A module of its own: a small installation has no PyAV."""

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".ts", ".gif")
SUFFIXES += (".wmv", ".asf", ".flv", ".3gp", ".3g2", ".vob", ".m2ts", ".mts", ".dv")
