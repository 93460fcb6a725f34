"""A data set's own facts: labels counted, colours averaged, thumbnails only where terms allow."""

from __future__ import annotations

import pytest
import torch
from small_pictures import encoded

from workbench.data import DATASETS
from workbench.data.sources import Item
from workbench.errors import Problem
from workbench.evaluation import scores, set_facts


def test_labels_are_counted_and_the_plane_is_the_mean_of_all_colours() -> None:
    items = [Item(f"{seed}.png", encoded(seed), "ab"[seed % 2]) for seed in range(5)]
    look = set_facts.look_at([*items, Item("broken.png", b"no picture")])
    assert (look.pictures, look.looked_at, look.labels) == (6, 5, {"a": 3, "b": 2})
    alone = [set_facts.look_at([each]).plane for each in items]
    assert torch.allclose(look.plane, torch.stack(alone).mean(0), atol=1e-4)
    assert set_facts.paint_plane(look.plane).shape == (3, set_facts.SIDE, set_facts.SIDE)
    with pytest.raises(Problem, match="can be read"):
        set_facts.look_at([])


def test_pictures_are_shown_only_under_terms_that_are_free() -> None:
    free = {name for name, spec in DATASETS.items() if set_facts.may_show(spec)}
    assert {"intel-scenes", "kodak24"} <= free
    assert not free & {"imagenette", "coco", "bsds500", "people", "train-128", "caltech101"}


def test_grey_has_a_line_of_its_own_and_the_truths_colourfulness_is_said(small_scores) -> None:
    rows = scores.read_all([small_scores])
    found = set_facts.score_of_grey(rows, "tiny")
    assert {line.size for line in found} == {32, 16}
    assert {line.model for line in found} == {"grey"}
    low, middle, high = set_facts.colorfulness_of(rows, "tiny")
    assert low <= middle <= high
    assert set_facts.colorfulness_of(rows, "none") is None
