"""The arena on the demo's screen: the page's own study and limits, names only after the vote."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from browser import watched_page
from test_demo import running

from workbench import places
from workbench.errors import Problem
from workbench.samples import SAMPLES
from workbench.serving import demo_arena
from workbench.study import arena, figures, limits
from workbench.study.votes import Votes

REQUEST = SimpleNamespace(client=SimpleNamespace(host="127.0.0.1"), headers={})
CHELSEA = str(SAMPLES["chelsea"].path)


@pytest.fixture
def here(small_checkpoints, tmp_path, monkeypatch) -> demo_arena.Arena:
    monkeypatch.setattr(places, "CHECKPOINTS", small_checkpoints)
    monkeypatch.setattr(places, "RUNS", tmp_path / "runs")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)
    made = demo_arena.Arena()
    yield made
    made.votes.close()


def test_a_vote_goes_into_the_standing_study_once_and_names_come_after_it(here) -> None:
    made, code, first, second, line, *_ = here.start(CHELSEA, "", REQUEST)
    titles = [figures.title_of(shown) for shown in made.battle.shown]
    said = f"{first.label} {second.label} {line} {first.value} {second.value}"
    assert not [title for title in titles if title in said]
    assert not [shown for shown in made.battle.shown if shown.partition("@")[0] in said]
    time.sleep(0.3)  # nobody answers sooner than they can look
    _, left, right, line, *_ = here.vote("bad", made, code, REQUEST)
    assert (left.label, right.label) == (f"A: {titles[0]}", f"B: {titles[1]}")
    [row] = here.votes.rows(here.votes.study(arena.ARENA))
    assert (row["choice"], row["picture"], row["rater"]) == ("bad", "chelsea", code)
    with pytest.raises(Problem, match="first answer"):
        here.vote("left", made, code, REQUEST)
    with pytest.raises(Problem, match="no pair"):
        here.vote("left", None, code, REQUEST)
    again = here.start(CHELSEA, code, REQUEST)
    assert again[1] == code  # the same visitor
    assert again[0].battle.token != made.battle.token


def test_who_begins_too_often_from_one_place_waits(here) -> None:
    kind, times, seconds = limits.BEGIN
    for _ in range(times):
        here.limits.count(limits.BEGIN, here.limits.bucket("127.0.0.1"))
    with pytest.raises(Problem, match="Too many"):
        here.start(CHELSEA, "", REQUEST)
    assert (kind, seconds) == ("begin", 3600)


def test_an_address_is_the_connection_s_unless_our_proxies_say_another(monkeypatch) -> None:
    monkeypatch.delenv("WORKBENCH_PROXIES", raising=False)
    assert limits.true_address("10.0.0.1", "6.6.6.6") == "10.0.0.1"
    monkeypatch.setenv("WORKBENCH_PROXIES", "1")
    assert limits.true_address("10.0.0.1", "6.6.6.6, 7.7.7.7") == "7.7.7.7"
    assert limits.true_address("10.0.0.1", None) == "10.0.0.1"


@pytest.mark.browser
def test_a_visitor_of_the_demo_votes_on_a_phone(
    small_checkpoints, chromium, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)
    with (
        running("demo", "/gradio_api/info", small_checkpoints, tmp_path) as (address, _),
        watched_page(chromium, viewport={"width": 390, "height": 844}) as page,
    ):
        page.goto(address)
        page.get_by_role("button", name="Arena: two networks without names").click()
        page.get_by_role("button", name="Two networks on this photograph").click()
        vote = page.get_by_role("button", name="A is better")
        page.get_by_text("Your code:").wait_for()
        page.wait_for_timeout(500)
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
        vote.click()
        page.get_by_text("You said: a is better.").wait_for()
        page.wait_for_timeout(800)
        assert vote.is_disabled()
    votes = Votes()
    assert [row["choice"] for row in votes.rows(votes.study(arena.ARENA))] == ["left"]
    votes.close()
