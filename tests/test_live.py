"""A live class: everybody's question is the same, votes count while it is open, and only once."""

import pytest

from workbench.errors import Problem
from workbench.study import live, plans, trials
from workbench.study.export import write_methods
from workbench.study.results import load
from workbench.study.votes import Answer, Votes

PAINTERS = {f"{name}@1": lambda rgb: rgb // 2 + 60 for name in ("one", "two", "three")}
CHOICE = Answer("left", shown_at=1.0, answered_at=901.0, dwell_ms=900.0)


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += 2  # nobody is too fast
        return self.now


@pytest.fixture
def votes(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    made = Votes(f"sqlite:///{tmp_path / 'votes.sqlite3'}", clock=Clock(), durable=False)
    yield made
    made.close()


def begin(votes, design="pair", questions=3):
    study = live.make_class(votes, design, questions=questions, painters=PAINTERS)
    raters = [votes.add_rater(study, "consent", "unsaid") for _ in range(3)]
    return study, raters


def go_on(votes, study):
    live.advance(votes, study)
    return votes.study(study.name)


def test_everybody_gets_the_same_question_and_a_code_of_four_letters_leads_to_it(votes):
    study, raters = begin(votes)
    assert live.find_class(votes, f" {live.code_of(study).upper()} ").id == study.id
    assert [each.name for each in live.list_classes(votes)] == [study.name]
    with pytest.raises(Problem, match="no class of that code"):
        live.find_class(votes, "zzzzz")
    assert live.ask(votes, study, raters[0]) is None  # the class comes together
    study = go_on(votes, study)
    asked = [live.ask(votes, study, rater) for rater in raters]
    assert len({(each.picture, each.shown) for each in asked}) == 1
    assert len({each.token for each in asked}) == 3
    assert asked[0].shown == live.list_rounds(study)[0].shown
    assert asked[0].total == 3


def test_a_vote_counts_once_and_only_while_its_question_is_open(votes):
    study, (one, two, three) = begin(votes)
    study = go_on(votes, study)
    tokens = [live.ask(votes, study, rater).token for rater in (one, two, three)]
    live.take_vote(votes, study, one, tokens[0], CHOICE)
    assert live.ask(votes, study, one) is None
    with pytest.raises(trials.Refused, match="first answer"):
        live.take_vote(votes, study, one, tokens[0], CHOICE)
    with pytest.raises(trials.Refused, match="does not belong"):
        live.take_vote(votes, study, two, tokens[0], CHOICE)
    live.take_vote(votes, study, two, tokens[1], Answer("tie", dwell_ms=900.0))
    assert live.count_votes(votes, study) == (3, {"left": 1, "tie": 1, "right": 0})
    go_on(votes, study)
    with pytest.raises(trials.Refused, match="is over"):  # the phone has not heard of it yet
        live.take_vote(votes, study, three, tokens[2], CHOICE)
    assert [row["choice"] for row in votes.rows(study)] == ["left", "tie"]


def test_a_second_click_of_the_teacher_skips_nothing_and_the_end_is_the_end(votes):
    study, _ = begin(votes, questions=1)
    live.advance(votes, study)
    live.advance(votes, study)  # the same page, clicked twice
    study = votes.study(study.name)
    assert live.place_of(study) == (0, False)
    study = go_on(votes, study)
    assert live.place_of(study) == (0, True)
    assert live.place_of(go_on(votes, study)) == (0, True)
    votes.set_state(study.name, "closed")
    with pytest.raises(Problem, match="has ended"):
        live.advance(votes, votes.study(study.name))
    assert live.list_classes(votes) == []


def test_real_or_fake_tells_who_was_right_and_the_votes_are_results_like_any_study_s(votes):
    study, raters = begin(votes, "real_or_fake")
    for now in live.list_rounds(study):
        study = go_on(votes, study)
        fake = live.right_side(study, now)
        assert now.shown[("left", "right").index(fake)] != plans.TRUTH
        for rater in raters:
            token = live.ask(votes, study, rater).token
            given = Answer(fake if rater is raters[0] else "left", dwell_ms=900.0)
            assert live.take_vote(votes, study, rater, token, given) == (given.choice == fake)
        study = go_on(votes, study)
    found = load(votes, study)
    assert found.votes == 9
    assert "got the same question at the same moment" in write_methods(found)
    assert "after the other for" not in write_methods(found)


def test_pairs_are_balanced_over_models_and_pictures(votes):
    study, _ = begin(votes, questions=6)
    rounds = live.list_rounds(study)
    assert rounds == live.list_rounds(study)
    groups = [frozenset(each.shown) for each in rounds]
    assert all(groups.count(group) == 2 for group in groups)
    assert len({each.picture for each in rounds}) == 4  # every sample in colour


def test_a_class_is_a_study_of_its_own_kind(votes):
    study, raters = begin(votes)
    with pytest.raises(Problem, match="the teacher says"):
        trials.next_question(votes, study, raters[0])
    with pytest.raises(Problem, match="live-CODE"):
        plans.Plan("mine", live=True)
    with pytest.raises(Problem, match="live-CODE"):
        plans.Plan("live-abcd", design="rank", live=True)
    plan = trials.plan_of(study)
    assert (plan.practised, plan.caught, plan.total) == (0, 0, 3)
