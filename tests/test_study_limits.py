"""Who may do what how often; and what is remembered of an address (nothing)."""

from __future__ import annotations

import pytest

from workbench.errors import Problem
from workbench.study.limits import Limits

THREE = ("something", 3, 60.0)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_after_so_many_times_one_waits_until_the_window_has_passed():
    clock = Clock()
    limits = Limits(clock)
    for _ in range(3):
        limits.count(THREE, "a")
    with pytest.raises(Problem, match="Try again in 1 min"):
        limits.count(THREE, "a")
    limits.count(THREE, "b")  # somebody else
    clock.now += 61
    limits.count(THREE, "a")


def test_checking_counts_nothing():
    limits = Limits(Clock())
    for _ in range(10):
        limits.check(THREE, "a")


def test_neighbours_share_a_bucket_and_strangers_do_not():
    limits = Limits(Clock())
    assert limits.bucket("192.0.2.7") == limits.bucket("192.0.2.200")
    assert limits.bucket("192.0.2.7") != limits.bucket("192.0.3.7")
    assert limits.bucket("2001:db8:1::1") == limits.bucket("2001:db8:1:ffff::9")
    assert limits.bucket("2001:db8:1::1") != limits.bucket("2001:db8:2::1")
    assert limits.bucket("no address") == "unknown"


def test_a_bucket_says_nothing_about_the_address_and_changes_every_day():
    clock = Clock()
    limits, elsewhere = Limits(clock), Limits(clock)
    today = limits.bucket("192.0.2.7")
    assert "192" not in today
    assert today != elsewhere.bucket("192.0.2.7")  # the salt is this server's own
    clock.now += 86_400
    assert limits.bucket("192.0.2.7") != today
    assert "192.0.2" not in repr(vars(limits))


def test_a_rater_over_the_limit_is_told_and_the_question_stays(tmp_path, monkeypatch):
    from workbench.study import limits as kinds
    from workbench.study import plans, simulate, trials
    from workbench.study.votes import Votes
    from workbench.ui import state
    from workbench.ui.study import voting

    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)
    store, limits = Votes(), Limits(Clock())
    monkeypatch.setattr(state, "study_votes", lambda: store)
    monkeypatch.setattr(state, "study_limits", lambda: limits)
    study = simulate.study_to_try(store)
    rater = store.add_rater(study, plans.Plan(name="x").consent_version, "normal")
    question = trials.next_question(store, study, rater)
    said = {
        "token": question.token, "choice": "left", "shown_at": 1.0, "answered_at": 901.0,
        "dwell_ms": 900.0, "exposures_ms": [], "viewport": "400x600x1",
    }  # fmt: skip
    page = {"study_question": {"answer": said}}
    monkeypatch.setattr(voting.st, "session_state", page)
    _, times, seconds = kinds.VOTE
    for _ in range(times):
        limits.count(kinds.VOTE, rater.code)
    put = store.clock()
    store.clock = lambda: put + 1.0
    voting._keep_answer(study, rater, question)
    assert "Try again in 1 min" in page["study_refused"]
    assert store.rows(study) == []
    limits._clock.now += seconds + 1
    voting._keep_answer(study, rater, question)
    assert [row["choice"] for row in store.rows(study)] == ["left"]
    store.close()
