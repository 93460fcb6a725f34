"""Which files are clips, and how steadily they are held: known without PyAV."""

SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ogv", ".ts", ".gif")
SUFFIXES += (".wmv", ".asf", ".flv", ".3gp", ".3g2", ".vob", ".m2ts", ".mts", ".dv")
STRENGTH = 0.5  # of the smoothing, unless somebody sets another: seconds, 0 to 1
