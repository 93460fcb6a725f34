"""A round of the arena: two networks chosen by the server colour one photograph, unnamed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from workbench.coloring.colorize import Settings
from workbench.errors import Problem
from workbench.samples import SAMPLES
from workbench.serving.studio import shared_studio
from workbench.study import arena

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.checkpoints import Checkpoint
    from workbench.images import Picture
    from workbench.study.tables import Rater, Study
    from workbench.study.votes import Votes


@dataclass(frozen=True)
class Round:
    """What is on the screen: a battle on a photograph, and both results uint8 RGB (3, H, W)."""

    battle: arena.Battle
    sha256: str
    painted: tuple[Tensor, Tensor]


def start_round(
    votes: Votes, study: Study, rater: Rater, picture: Picture, networks: Sequence[Checkpoint]
) -> Round:
    """Choose two of the networks, let them colour the photograph, and note what is shown.

    Raises Problem with fewer than two, and where one of them cannot colour it.
    """
    here = {f"{each.name}@{each.revision}": each for each in networks}
    random = Random(SystemRandom().random())
    shown = arena.choose_pair(votes, study, rater, list(here), random)
    found = shared_studio().colorize_by_all([here[each] for each in shown], picture, Settings())
    painted = []
    for each in shown:
        made = found[here[each].name]
        if isinstance(made, Problem):
            raise made
        painted.append(made[0])
    name = _samples().get(picture.sha256, arena.UPLOAD)
    pair = (painted[0], painted[1])
    battle = arena.start_battle(votes, study, rater, name, picture.sha256, shown, pair)
    return Round(battle, picture.sha256, pair)


@cache
def _samples() -> dict[str, str]:
    """sha256 of each sample's file -> its name."""
    return {
        hashlib.sha256(sample.path.read_bytes()).hexdigest(): name
        for name, sample in SAMPLES.items()
    }
