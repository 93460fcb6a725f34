"""The arena: balanced pairs, votes in a study of its own, and what colourfulness explains."""

import json
from random import Random

import numpy as np
import pytest
import torch

from workbench.errors import Problem
from workbench.study import arena, confounders, plans, ranking, trials
from workbench.study.votes import Votes

SHA256 = "0" * 64
MODELS = ["one@1", "two@1", "three@1"]


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def votes(tmp_path):
    made = Votes(f"sqlite:///{tmp_path / 'votes.sqlite3'}", clock=Clock(), durable=False)
    yield made
    made.close()


def fight(votes, study, rater, choose, random, painted=None) -> arena.Battle:
    grey = torch.full((3, 8, 8), 120, dtype=torch.uint8)
    shown = arena.choose_pair(votes, study, rater, MODELS, random)
    pictures = tuple(grey if painted is None else painted[each] for each in shown)
    battle = arena.start_battle(votes, study, rater, "chelsea", SHA256, shown, pictures)
    votes.clock.now += 2
    arena.take_vote(votes, study, rater, battle, choose(shown))
    return battle


def test_pairs_and_sides_are_balanced_and_the_photograph_leaves_only_a_keyed_hash(votes):
    study = arena.open_arena(votes)
    rater = arena.add_visitor(votes, study)
    for seed in range(24):
        fight(votes, study, rater, lambda shown: "tie", Random(seed))
    rows = votes.rows(study)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["shown"]] = counts.get(row["shown"], 0) + 1
    assert len(counts) == 6  # three pairs, both ways round
    assert set(counts.values()) == {4}
    assert rows[0]["picture_sha256"] != SHA256
    assert not any(plans.ARENA in str(file) for file in votes_folder(votes).rglob("photographs"))


def votes_folder(votes):
    from pathlib import Path

    return Path(votes.url.removeprefix("sqlite:///")).parent


def test_the_name_is_reserved_and_a_token_counts_once(votes):
    with pytest.raises(Problem, match="belongs to the page Arena"):
        plans.Plan(plans.ARENA)
    with pytest.raises(Problem, match="belongs to the page Arena"):
        plans.Plan("mine", design=plans.ARENA)
    study = arena.open_arena(votes)
    assert arena.open_arena(votes).id == study.id
    rater = arena.add_visitor(votes, study)
    battle = fight(votes, study, rater, lambda shown: "bad", Random(1))
    with pytest.raises(trials.Refused, match="first answer"):
        arena.take_vote(votes, study, rater, battle, "left")
    other = arena.add_visitor(votes, study)
    with pytest.raises(trials.Refused, match="does not belong"):
        arena.take_vote(votes, study, other, battle, "left")
    assert [row["choice"] for row in votes.rows(study)] == ["bad"]
    with pytest.raises(Problem, match="two networks"):
        arena.choose_pair(votes, study, rater, MODELS[:1], Random(0))


def test_a_closed_arena_says_so(votes):
    arena.open_arena(votes)
    votes.set_state(plans.ARENA, "closed")
    with pytest.raises(Problem, match="has ended"):
        arena.open_arena(votes)


def test_the_table_ranks_and_a_visitor_stands_beside_everybody(votes):
    study = arena.open_arena(votes)
    random = Random(3)
    order = {name: place for place, name in enumerate(MODELS)}

    def best(shown):
        return "left" if order[shown[0]] < order[shown[1]] else "right"

    def worst(shown):
        return "right" if best(shown) == "left" else "left"

    visitors = [arena.add_visitor(votes, study) for _ in range(5)]
    for visitor in visitors[:4]:
        for _ in range(9):
            fight(votes, study, visitor, best, random)
    for _ in range(9):
        fight(votes, study, visitors[4], worst, random)
    everybody = arena.load_standing(votes, study)
    assert [row["model"] for row in everybody.table()] == ["one", "two", "three"]
    assert sum(row["votes"] for row in everybody.table()) == 2 * 45
    own = arena.load_standing(votes, study, visitors[4].code)
    compared = {row["model"]: row for row in arena.compare_orders(own, everybody)}
    assert (compared["three"]["yours"], compared["three"]["everybody's"]) == (1, 3)


def test_what_only_colourfulness_won_is_explained_by_it():
    rng = np.random.default_rng(0)
    n = 3000
    left, right = rng.integers(0, 3, n), rng.integers(0, 3, n)
    keep = left != right
    left, right = left[keep], right[keep]
    vivid = np.array([0.0, 0.0, 2.0])  # the third is more colourful, and no better
    x = vivid[left] - vivid[right] + rng.normal(0, 1, len(left))
    good = np.array([0.8, 0.0, 0.0])  # the first is better, and no more colourful
    p = 1 / (1 + np.exp(-(good[left] - good[right] + 0.7 * x)))
    outcome = (rng.random(len(left)) < p).astype(float)
    rater = rng.integers(0, 40, len(left))
    found = ranking.rank_adjusted(rater, left, right, outcome, x[:, None], 3, rounds=60)
    plain = ranking.rank(rater, left, right, outcome, 3, rounds=60).strength
    assert plain.argmax() == 2  # by votes alone the vivid one wins
    assert found.strength.argmax() == 0
    true = good - good.mean()
    assert np.abs(found.strength - true).max() < 0.2
    assert found.effect_low[0] < 0.7 * x.std() < found.effect_high[0]
    assert np.allclose(found.explained, plain - found.strength, atol=1e-6)


def test_without_differences_nothing_is_explained():
    rng = np.random.default_rng(1)
    left = rng.integers(0, 3, 200)
    right = (left + rng.integers(1, 3, 200)) % 3
    outcome = rng.choice([0, 0.5, 1], 200)
    rater = rng.integers(0, 8, 200)
    found = ranking.rank_adjusted(rater, left, right, outcome, np.zeros((200, 3)), 3, rounds=20)
    plain = ranking.rank(rater, left, right, outcome, 3, rounds=20).strength
    assert found.strength == pytest.approx(plain, abs=1e-6)
    assert np.abs(found.effect).max() == 0


def test_measures_are_kept_with_a_battle_and_say_what_is_colourful(votes):
    grey = torch.full((3, 8, 8), 120, dtype=torch.uint8)
    red = grey.clone()
    red[0] = 220
    red[:, :4] = 90
    measured = confounders.measure_confounders(red)
    still = confounders.measure_confounders(grey)
    assert measured["colorfulness"] > still["colorfulness"] == 0
    assert measured["chroma"] > still["chroma"] == pytest.approx(0, abs=0.1)
    assert measured["psnr_grey"] < still["psnr_grey"] == 60
    study = arena.open_arena(votes)
    rater = arena.add_visitor(votes, study)
    painted = {"one@1": red, "two@1": grey, "three@1": grey}
    fight(votes, study, rater, lambda shown: "left", Random(0), painted)
    row = votes.rows(study)[0]
    kept = json.loads(row["measures"])
    assert kept == [measured if each == "one@1" else still for each in row["shown"].split(",")]
    found = confounders.differences([kept])
    assert found.shape == (1, 3)


def test_a_photograph_is_kept_only_when_asked_and_bytes_are_the_same(votes, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    study = arena.open_arena(votes)
    path = arena.keep_photograph(study, SHA256, b"picture")
    assert path.read_bytes() == b"picture"
    assert SHA256 not in path.name
    assert len(path.stem) == 64
