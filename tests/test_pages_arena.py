"""The page Arena without a browser: vote before names, own ranking, table of everybody."""

from __future__ import annotations

import time

import pytest
from streamlit.testing.v1 import AppTest

from workbench.study import arena
from workbench.ui import arena as pieces
from workbench.ui import state


@pytest.fixture
def arena_page(workbench: AppTest, tmp_path, monkeypatch) -> AppTest:
    """The page, on a database of its own."""
    monkeypatch.setenv("WORKBENCH_DATABASE_URL", f"sqlite:///{tmp_path / 'votes.sqlite3'}")
    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    state.study_votes.clear()
    pieces._standing.clear()
    workbench.switch_page("pages/arena.py")
    yield workbench
    state.study_votes.clear()


def vote(arena_page: AppTest, choice: str) -> AppTest:
    time.sleep(0.3)  # nobody answers sooner than they can look
    return arena_page.button(key=f"arena_{choice}").click().run()


def rows():
    votes = state.study_votes()
    return votes.rows(votes.study(arena.ARENA))


def test_names_are_told_after_the_vote_and_the_next_pair_is_another_question(arena_page) -> None:
    arena_page.run()
    assert not arena_page.exception
    here = arena_page.session_state["arena_round"]
    vote(arena_page, "left")
    assert not arena_page.exception
    assert [row["choice"] for row in rows()] == ["left"]
    assert rows()[0]["shown"] == ",".join(here.battle.shown)
    assert not any(key.startswith("arena_left") for key in [b.key or "" for b in arena_page.button])
    following = next(button for button in arena_page.button if button.label == "Next pair")
    following.click().run()
    assert arena_page.session_state["arena_round"].battle.token != here.battle.token
    assert "9 more votes" in " ".join(caption.value for caption in arena_page.caption)


def test_after_ten_votes_a_visitor_sees_a_ranking_beside_everybodys(arena_page) -> None:
    arena_page.run()
    for _ in range(arena.OWN_FROM):
        vote(arena_page, "right")
        next(button for button in arena_page.button if button.label == "Next pair").click().run()
    assert not arena_page.exception
    assert "Your ranking beside everybody's" in [each.value for each in arena_page.subheader]
    own, everybody = (frame.value for frame in arena_page.dataframe[:2])
    assert {"yours", "everybody's"} <= set(own.columns)
    assert set(everybody["votes"]) != {0}
    assert len(rows()) == arena.OWN_FROM


def test_the_leaderboard_has_the_visitors_table_apart_and_studies_do_not_list_the_arena(arena_page):
    arena_page.run()
    vote(arena_page, "tie")
    arena_page.switch_page("pages/leaderboard.py").run()
    arena_page.button_group(key="judged_by").set_value("Visitors").run()
    assert not arena_page.exception
    assert "Votes: 1, visitors: 1" in " ".join(caption.value for caption in arena_page.caption)
    arena_page.switch_page("pages/study.py").run()
    assert not arena_page.exception
    assert not [button for button in arena_page.button if button.label == "Take part"]
