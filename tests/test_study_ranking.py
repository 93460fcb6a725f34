"""The statistics of the study, against evalica, published procedures, and simulated raters."""

from __future__ import annotations

import evalica
import numpy as np
import pandas as pd
import pytest

from workbench.study import ranking
from workbench.study.raters import (
    flag_raters,
    krippendorff_alpha,
    outlying_fools,
    outlying_preferences,
    side_bias,
)

STRENGTHS = np.array([0.9, 0.4, 0.0, -0.4, -0.9])


def votes(rng, raters=30, trials=20, strength=STRENGTHS, spread=0.0, ties=0.1):
    """Arrays (rater, left, right, outcome) of simulated raters with known strengths."""
    k = len(strength)
    rater = np.repeat(np.arange(raters), trials)
    left = rng.integers(k, size=len(rater))
    right = (left + rng.integers(1, k, size=len(rater))) % k
    own = strength + spread * rng.standard_normal((raters, k))
    p = 1 / (1 + np.exp(own[rater, right] - own[rater, left]))
    outcome = (rng.random(len(rater)) < p).astype(float)
    outcome[rng.random(len(rater)) < ties] = 0.5
    return rater, left, right, outcome


def test_without_a_prior_the_strengths_are_those_of_evalica():
    _, left, right, outcome = votes(np.random.default_rng(1))
    winners = [
        evalica.Winner.X if o == 1 else evalica.Winner.Y if o == 0 else evalica.Winner.Draw
        for o in outcome
    ]
    theirs = evalica.bradley_terry(left, right, winners, tolerance=1e-12, limit=10_000).scores
    theirs = np.log(theirs.sort_index().to_numpy())
    wins = ranking.wins_by_rater(np.zeros(len(left)), left, right, outcome, 5).sum(0)
    assert ranking.bradley_terry(wins, prior=0) == pytest.approx(theirs - theirs.mean(), abs=1e-4)


def test_two_models_have_the_log_odds_of_their_wins():
    wins = np.array([[0.0, 30.0], [10.0, 0.0]])
    strength = ranking.bradley_terry(wins, prior=0)
    assert strength[0] - strength[1] == pytest.approx(np.log(3))


def test_a_model_that_never_lost_is_strong_but_finite():
    wins = np.array([[0.0, 50.0], [0.0, 0.0]])
    strength = ranking.bradley_terry(wins)
    assert 3 < strength[0] - strength[1] < 10


def test_a_tie_is_half_a_win_each():
    wins = ranking.wins_by_rater([0, 0], [0, 1], [1, 2], [0.5, 1.0], 3)[0]
    assert wins.tolist() == [[0, 0.5, 0], [0.5, 0, 1], [0, 0, 0]]


def test_swapping_the_sides_of_every_vote_changes_nothing():
    rater, left, right, outcome = votes(np.random.default_rng(2))
    one = ranking.rank(rater, left, right, outcome, 5)
    other = ranking.rank(rater, right, left, 1 - outcome, 5)
    assert one.strength == pytest.approx(other.strength)
    assert one.low == pytest.approx(other.low)


def test_an_order_of_models_is_all_its_pairs():
    assert ranking.pairs_of_ranking([2, 0, 1]) == [(2, 0), (2, 1), (0, 1)]


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_the_95_percent_interval_covers_the_truth_in_300_simulated_studies(spread):
    """30 raters, 20 trials; with and without raters whose own strengths differ."""
    rng = np.random.default_rng(3)
    covered = []
    for study in range(300):
        result = ranking.rank(*votes(rng, spread=spread, ties=0), 5, rounds=300, seed=study)
        # with unlike raters the strengths of the population are those of the averaged choices
        truth = STRENGTHS if spread == 0 else averaged_strengths(spread)
        covered.append((result.low <= truth) & (truth <= result.high))
    share = np.mean(covered)
    assert 0.92 <= share <= 0.98, share


def averaged_strengths(spread, cache={}):  # noqa: B006
    """Bradley-Terry strengths of the choice shares of a large population of unlike raters."""
    if spread not in cache:
        rng = np.random.default_rng(0)
        own = STRENGTHS + spread * rng.standard_normal((200_000, 5))
        wins = np.zeros((5, 5))
        for i in range(5):
            for j in range(5):
                if i != j:
                    wins[i, j] = (1 / (1 + np.exp(own[:, j] - own[:, i]))).mean()
        cache[spread] = ranking.bradley_terry(wins, prior=0)
    return cache[spread]


def test_one_rater_alone_gives_no_interval():
    result = ranking.rank([0, 0], [0, 1], [1, 2], [1.0, 0.0], 3, rounds=50)
    assert np.isinf(result.high).all()


def published_fool_rates(rater, model, fooled, models, rounds, rng):
    """AMT_Real_vs_Fake's two-level bootstrap as published: loops over rounds and raters."""
    raters = rater.max() + 1
    own = [np.flatnonzero(rater == r) for r in range(raters)]
    out = np.empty((rounds, models))
    for b in range(rounds):
        rows = np.concatenate(
            [rng.choice(own[r], len(own[r])) for r in rng.integers(raters, size=raters)]
        )
        for m in range(models):
            shown = model[rows] == m
            out[b, m] = 1 - (shown & (fooled[rows] == 0)).mean() / (shown.mean() + 1e-6)
    return out


def test_fool_rates_agree_with_the_published_procedure():
    rng = np.random.default_rng(4)
    rater = np.repeat(np.arange(25), 50)
    model = rng.integers(3, size=len(rater))
    skill = rng.normal(0, 0.1, 25)
    fooled = rng.random(len(rater)) < np.array([0.1, 0.3, 0.45])[model] + skill[rater]
    ours = ranking.fool_rate(rater, model, fooled, 3)
    theirs = published_fool_rates(rater, model, fooled, 3, 1500, rng)
    assert ours.rate == pytest.approx([fooled[model == m].mean() for m in range(3)])
    assert ours.draws.mean(0) == pytest.approx(theirs.mean(0), abs=0.003)
    assert ours.deviation == pytest.approx(theirs.std(0), rel=0.08)
    assert ours.low == pytest.approx(np.quantile(theirs, 0.025, axis=0), abs=0.006)


def test_the_second_level_of_the_bootstrap_widens_the_interval():
    """One trial pattern for all raters: the first level alone would see no variation."""
    rater = np.repeat(np.arange(20), 10)
    fooled = np.tile([1, 0, 0, 0, 0, 1, 0, 0, 0, 1], 20)
    result = ranking.fool_rate(rater, np.zeros(200), fooled, 1)
    assert result.deviation[0] == pytest.approx(np.sqrt(0.3 * 0.7 / 200), rel=0.05)


def test_raters_with_different_numbers_of_trials_are_counted_by_trial():
    result = ranking.fool_rate([0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 0], 2, rounds=100)
    assert result.rate[0] == 0.75
    assert np.isnan(result.rate[1])
    assert result.trials.tolist() == [4, 0]


def test_side_bias_is_the_binomial_test():
    assert side_bias(10, 10) == 1.0
    assert side_bias(20, 0) == pytest.approx(2 * 0.5**20)
    assert side_bias(0, 0) == 1.0


def test_alpha_of_krippendorffs_own_example():
    """Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", C: nominal 0.743."""
    nan = np.nan
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, nan, nan, nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, nan, 3],
        [nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, nan],
    ]
    long = pd.DataFrame(table).stack().reset_index()
    long.columns = ["rater", "unit", "value"]
    long = long.dropna()
    alpha = krippendorff_alpha(long["rater"], long["unit"], long["value"])
    assert alpha == pytest.approx(0.743, abs=5e-4)


def test_alpha_says_nothing_where_no_question_was_asked_twice():
    assert np.isnan(krippendorff_alpha([0, 1], [0, 1], [0, 1]))
    assert np.isnan(krippendorff_alpha([0, 1], [0, 0], [1, 1]))


def test_with_the_votes_it_asks_for_two_models_are_told_apart_four_times_in_five():
    rng = np.random.default_rng(5)
    strength = np.array([0.2, 0.0, -0.2])
    pilot = [ranking.rank(*votes(rng, 60, 20, strength), 3, rounds=200) for _ in range(200)]
    gap = np.mean([p.strength[0] - p.strength[1] for p in pilot])
    error = np.mean([(p.draws[:, 0] - p.draws[:, 1]).std() for p in pilot])
    needed = 1200 * (2.8016 * error / gap) ** 2
    told = []
    for _ in range(150):
        result = ranking.rank(*votes(rng, int(needed // 20), 20, strength), 3, rounds=200)
        draws = result.draws[:, 0] - result.draws[:, 1]
        told.append(abs(result.strength[0] - result.strength[1]) > 1.96 * draws.std())
    assert 0.7 < np.mean(told) < 0.9


def test_votes_to_separate_is_zero_for_what_is_apart_and_infinite_for_what_is_level():
    rng = np.random.default_rng(6)
    result = ranking.rank(*votes(rng, 60, 20, np.array([1.5, -1.5])), 2, rounds=200)
    assert ranking.votes_to_separate(result, 0, 1, 1200) == 0
    level = ranking.Ranking(
        np.zeros((2, 2)), np.zeros(2), np.zeros(2), np.zeros(2), rng.normal(size=(9, 2))
    )
    assert ranking.votes_to_separate(level, 0, 1, 10) == np.inf
    close = ranking.rank(*votes(rng, 20, 10, np.array([0.1, -0.1])), 2, rounds=400)
    gap = abs(close.strength[0] - close.strength[1])
    error = (close.draws[:, 0] - close.draws[:, 1]).std()
    expected = 200 * (2.8016 * error / gap) ** 2 - 200
    assert ranking.votes_to_separate(close, 0, 1, 200) == pytest.approx(max(0, expected), abs=1.5)


def test_a_rater_who_votes_against_everybody_is_an_outlier_and_an_honest_one_is_not():
    rng = np.random.default_rng(7)
    rater, left, right, outcome = votes(rng, 30, 30, STRENGTHS * 2, ties=0)
    outcome[rater == 4] = 1 - outcome[rater == 4]
    z = outlying_preferences(ranking.wins_by_rater(rater, left, right, outcome, 5))
    assert z[4] < -4
    assert np.abs(np.delete(z, 4)).max() < 4


def test_a_rater_who_is_always_fooled_is_an_outlier():
    rng = np.random.default_rng(8)
    rater = np.repeat(np.arange(20), 30)
    model = rng.integers(2, size=600)
    fooled = rng.random(600) < 0.2
    fooled[rater == 3] = True
    z = outlying_fools(rater, model, fooled, 2)
    assert z.argmax() == 3
    assert z[3] > 5


def test_each_flag_is_raised_by_what_it_names_and_by_nothing_else():
    n = 24
    rater = np.repeat(np.arange(5), n)
    dwell = np.full(5 * n, 2000.0)
    side = np.tile([-1, 1], 5 * n // 2)
    catch = np.tile([True, True, True, True] + [False] * (n - 4), 5)
    correct = np.ones(5 * n, dtype=bool)
    dwell[rater == 1] = 120
    correct[(rater == 2) & catch] = False
    side[rater == 3] = 1
    z = [0.0, 1.0, -1.0, 0.0, 6.0]
    assert flag_raters(rater, dwell, side, catch, correct, z) == [
        [], ["dwell"], ["catch"], ["side"], ["outlier"],
    ]  # fmt: skip


def test_wilson_agrees_with_scipy():
    from scipy import stats

    low, high = ranking.wilson([3, 0], [10, 0])
    ours = stats.binomtest(3, 10).proportion_ci(method="wilson")
    assert (low[0], high[0]) == pytest.approx((ours.low, ours.high))
    assert (low[1], high[1]) == (0, 1)
