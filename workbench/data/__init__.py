"""Photographs: where they come from (sources), and how they are kept for training (pictures).

`DATASETS` names every set that the papers use, the training set of the bundled checkpoints, and
the sixteen test sets of the leaderboard.
"""

from workbench.data.datasets_table import DATASETS

__all__ = ["DATASETS"]
