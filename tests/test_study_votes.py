"""A vote acknowledged is a vote kept; and the server, not the browser, says what it is about."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from databases import database, postgres_server  # noqa: F401

from workbench.errors import Problem
from workbench.study import trials
from workbench.study.plans import CATCH, TRUTH, Plan
from workbench.study.tables import Rater, Study, Table
from workbench.study.votes import Answer, Votes

MODELS = ["one@aaa", "two@bbb", "three@ccc"]
PICTURES = [{"picture": f"p{i}", "sha256": f"{i:064d}"} for i in range(6)]
ANSWER = Answer("left", shown_at=1e12, answered_at=1e12 + 900, dwell_ms=900)


def opened(store: Votes, **fields) -> Study:
    """A study that takes votes."""
    fields = {"name": "colours", "minimum_dwell_ms": 0, "practice": 0, "catch": 0} | fields
    store.create_study(Plan(**fields).to_dict())
    store.freeze(fields["name"], MODELS, PICTURES)
    store.set_state(fields["name"], "open")
    return store.study(fields["name"])


def joined(store: Votes, study: Study, **fields) -> Rater:
    return store.add_rater(study, "consent", "normal", **fields)


def vote_all(store: Votes, study: Study, rater: Rater, choice="left") -> int:
    """Answer every question; how many there were."""
    given = 0
    while question := trials.next_question(store, study, rater):
        trials.answer(store, study, rater, question.token, Answer(choice, dwell_ms=900))
        given += 1
    return given


def rater_process(url: str, raters: int) -> None:
    store = Votes(url)
    study = store.study("colours")
    for _ in range(raters):
        vote_all(store, study, joined(store, study))


def test_the_schema_that_the_migrations_make_is_the_one_that_the_code_expects(database):  # noqa: F811
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    store = Votes(database)
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Table.metadata) == []
    store.close()
    Votes(database).close()  # opening an up-to-date database changes nothing


def test_four_processes_that_write_lose_no_vote(database):  # noqa: F811
    store = Votes(database)
    study = opened(store, trials=10)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=rater_process, args=(database, 5)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert store.counts(study) == {
        "raters": 20, "finished": 20, "votes": 200, "catch": 0, "practice": 0,
    }  # fmt: skip
    pairs = Counter(frozenset(row["shown"].split(",")) for row in store.rows(study))
    assert len(pairs) == 3
    assert max(pairs.values()) - min(pairs.values()) <= 4  # 200 votes over three pairs
    store.close()


VOTING_SERVER = """
import sys, threading
from workbench.study import trials
from workbench.study.tables import Rater, Study, Table
from workbench.study.votes import Answer, Votes

store = Votes(sys.argv[1])
study = store.study("colours")
speak = threading.Lock()

def rater():
    me = store.add_rater(study, "consent", "normal")
    while question := trials.next_question(store, study, me):
        trials.answer(store, study, me, question.token, Answer("left", dwell_ms=900))
        with speak:  # only now is the vote acknowledged
            sys.stdout.write(f"{me.code} {question.number}\\n")
            sys.stdout.flush()

for _ in range(20):
    threading.Thread(target=rater).start()
"""


def test_killing_the_server_under_20_raters_loses_no_acknowledged_vote(database):  # noqa: F811
    store = Votes(database)
    study = opened(store, trials=500)
    server = subprocess.Popen(
        [sys.executable, "-c", VOTING_SERVER, database], stdout=subprocess.PIPE, text=True
    )
    acknowledged = []
    for line in server.stdout:
        acknowledged.append(tuple(line.split()))
        if len(acknowledged) == 150:
            os.kill(server.pid, signal.SIGKILL)
    server.wait()
    server.stdout.close()
    assert len(acknowledged) >= 150
    assert len({code for code, _ in acknowledged}) > 5  # they did vote side by side
    kept = {(row["rater"], str(row["number"])) for row in store.rows(study)}
    assert set(acknowledged) <= kept
    # and everybody goes on where they were
    rater = store.rater(study, acknowledged[0][0])
    question = trials.next_question(store, study, rater)
    answered = sum(code == rater.code for code, _ in kept)
    assert question.number == answered
    store.close()


def test_a_trial_answered_twice_at_the_same_moment_counts_once(database):  # noqa: F811
    store = Votes(database)
    study = opened(store, trials=5)
    rater = joined(store, study)
    for _ in range(5):
        question = trials.next_question(store, study, rater)
        together = threading.Barrier(8)
        said = []

        def answer(question=question, together=together, said=said):
            together.wait()
            try:
                trials.answer(store, study, rater, question.token, ANSWER)
                said.append("counted")
            except trials.Refused:
                said.append("refused")

        threads = [threading.Thread(target=answer) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(said) == {"counted": 1, "refused": 7}
    assert store.counts(study)["votes"] == 5
    store.close()


def test_two_windows_of_one_rater_get_the_same_question(database):  # noqa: F811
    store = Votes(database)
    study = opened(store)
    rater = joined(store, study)
    together = threading.Barrier(4)
    got = []

    def ask():
        together.wait()
        got.append(trials.next_question(store, study, rater))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4
    assert len(set(got)) == 1
    store.close()


def test_a_rater_is_deleted_by_code_with_every_vote_and_nobody_else(database):  # noqa: F811
    store = Votes(database)
    study = opened(store, trials=4)
    one, two = joined(store, study), joined(store, study)
    vote_all(store, study, one)
    vote_all(store, study, two)
    assert store.delete_rater(one.code) == 4
    assert {row["rater"] for row in store.rows(study)} == {two.code}
    assert store.rater(study, one.code) is None
    with pytest.raises(Problem, match="No answers are stored"):
        store.delete_rater(one.code)
    with pytest.raises(Problem, match="deleted as you asked"):
        trials.next_question(store, study, one)
    store.close()


@pytest.fixture
def store(tmp_path):
    store = Votes(f"sqlite:///{tmp_path / 'votes.sqlite3'}")
    yield store
    store.close()


def test_a_token_of_another_rater_study_or_maker_is_refused(store):
    study = opened(store)
    other = opened(store, name="other")
    one, two = joined(store, study), joined(store, study)
    stranger = joined(store, other)
    token = trials.next_question(store, study, one).token
    trials.next_question(store, other, stranger)
    number, _, signature = token.partition(".")
    for who, where, forged in [
        (two, study, token),
        (stranger, other, token),
        (one, study, f"{number}.{'0' * 64}"),
        (one, study, f"{number}.{signature[:-1]}"),
        (one, study, "x"),
        (one, study, ""),
        (one, study, "999999." + signature),
        (one, study, "é.ü"),
    ]:
        with pytest.raises(trials.Refused):
            trials.answer(store, where, who, forged, ANSWER)
    assert store.counts(study)["votes"] == 0
    assert trials.answer(store, study, one, token, ANSWER) is None


@pytest.mark.parametrize(
    "wrong",
    [
        Answer("centre", dwell_ms=900),
        Answer("1,0", dwell_ms=900),
        Answer("left", dwell_ms=float("nan")),
        Answer("left", shown_at=float("inf"), dwell_ms=900),
        Answer("left", dwell_ms="900"),
    ],
)
def test_an_answer_that_was_not_on_offer_is_refused(store, wrong):
    study = opened(store)
    rater = joined(store, study)
    question = trials.next_question(store, study, rater)
    with pytest.raises(trials.Refused):
        trials.answer(store, study, rater, question.token, wrong)
    assert store.counts(study)["votes"] == 0


def test_an_answer_faster_than_the_minimum_is_refused_by_either_clock(store):
    study = opened(store, minimum_dwell_ms=400)
    rater = joined(store, study)
    question = trials.next_question(store, study, rater)
    asked_at = time.time()
    for dwell, later in [(399, 10), (5000, 0.1)]:
        store.clock = lambda later=later: asked_at + later
        with pytest.raises(trials.Refused, match="faster"):
            trials.answer(store, study, rater, question.token, Answer("left", dwell_ms=dwell))
    store.clock = lambda: asked_at + 1
    trials.answer(store, study, rater, question.token, Answer("left", dwell_ms=401))
    assert store.counts(study)["votes"] == 1


def test_an_unanswered_question_comes_again_after_a_reload(store):
    study = opened(store)
    rater = joined(store, study)
    assert trials.next_question(store, study, rater) == trials.next_question(store, study, rater)


def test_pairs_pictures_and_sides_are_balanced(store):
    study = opened(store, trials=18)
    for place in range(10):
        vote_all(store, study, joined(store, study, code=f"rater{place}"))
    rows = store.rows(study)
    sides = Counter(row["shown"] for row in rows)
    assert len(sides) == 6  # three pairs, both ways round
    assert set(sides.values()) == {30}
    cells = Counter((row["picture"], frozenset(row["shown"].split(","))) for row in rows)
    assert len(cells) == 18
    assert max(cells.values()) - min(cells.values()) <= 2  # of 10
    for code in {row["rater"] for row in rows}:
        mine = Counter(row["picture"] for row in rows if row["rater"] == code)
        assert set(mine.values()) == {3}


def test_a_real_or_fake_rater_has_ten_practice_trials_fifty_scored_and_hidden_checks(store):
    study = opened(store, design="real_or_fake", practice=-1, catch=-1)
    rater = joined(store, study)
    kinds, right = [], []
    while question := trials.next_question(store, study, rater):
        kinds.append(question.kind)
        assert TRUTH in question.shown
        fake = "right" if question.shown[0] == TRUTH else "left"
        said = "left"
        correct = trials.answer(store, study, rater, question.token, ANSWER)
        assert correct is (said == fake)
        right.append(correct)
        if question.kind == "catch":
            assert set(question.shown) == {TRUTH, CATCH}
    assert kinds[:10] == ["practice"] * 10
    assert Counter(kinds[10:]) == {"scored": 50, "catch": 5}
    assert kinds[10:15] != ["catch"] * 5  # not all at the start
    scored = [row for row in store.rows(study) if row["kind"] == "scored"]
    fakes = Counter(
        row["shown"].replace(f"{TRUTH},", "").replace(f",{TRUTH}", "") for row in scored
    )
    assert max(fakes.values()) - min(fakes.values()) <= 1
    assert store.rater(study, rater.code).finished_at is not None


def test_ranking_takes_an_order_of_every_model_and_nothing_else(store):
    study = opened(store, design="rank", trials=3)
    rater = joined(store, study)
    question = trials.next_question(store, study, rater)
    assert sorted(question.shown) == sorted(MODELS)
    for wrong in ("0,1", "0,1,1", "0,1,3", "left", "0,1,2,2"):
        with pytest.raises(trials.Refused):
            trials.answer(store, study, rater, question.token, Answer(wrong, dwell_ms=900))
    trials.answer(store, study, rater, question.token, Answer("2,0,1", dwell_ms=900))


def test_an_invitation_works_once_and_a_made_up_one_never(store):
    import json

    study = opened(store, invites=2)
    code, _ = json.loads(study.invites)
    joined(store, study, invite=code)
    for wrong in (code, "nonsense", None, ""):
        with pytest.raises(Problem, match="invitation"):
            joined(store, study, invite=wrong)


def test_a_study_that_is_full_closed_or_not_yet_open_takes_nobody(store):
    study = opened(store, raters=1)
    rater = joined(store, study, bound=1)
    with pytest.raises(Problem, match="all the raters"):
        joined(store, study, bound=1)
    question = trials.next_question(store, study, rater)
    store.set_state("colours", "closed")
    study = store.study("colours")
    with pytest.raises(Problem, match="has ended"):
        trials.next_question(store, study, rater)
    with pytest.raises(Problem, match="has ended"):
        trials.answer(store, study, rater, question.token, ANSWER)


def test_an_opened_study_is_frozen(store):
    opened(store)
    with pytest.raises(Problem, match="cannot change"):
        store.freeze("colours", ["other@1"], PICTURES)
    with pytest.raises(Problem, match="already"):
        store.create_study(Plan(name="colours").to_dict())


def test_the_same_seed_and_codes_give_the_same_questions(tmp_path):
    asked = []
    for run in range(2):
        store = Votes(f"sqlite:///{tmp_path / f'{run}.sqlite3'}")
        study = opened(store, trials=9)
        rater = joined(store, study, code="abc")
        vote_all(store, study, rater)
        asked.append([(row["picture"], row["shown"]) for row in store.rows(study)])
        store.close()
    assert asked[0] == asked[1]


def test_a_database_from_the_first_version_opens_with_its_votes(tmp_path):
    import sqlalchemy as sa

    url = f"sqlite:///{tmp_path / 'votes.sqlite3'}"
    store = Votes(url)
    study = opened(store)
    vote_all(store, study, joined(store, study))
    before = store.rows(study)
    with store.engine.begin() as connection:  # as the first version had left it
        connection.execute(sa.text("DROP INDEX one_rater_per_person"))
        later = {"votes": ("shown_size", "theme"), "trials": ("measures",)}
        later |= {"raters": ("person", "recruited"), "studies": ("stage",)}
        for table, column in [(each, name) for each in later for name in later[each]]:
            connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    store.close()
    again = Votes(url)
    after = again.rows(again.study(study.name))
    assert [row | {"shown_size": "", "theme": ""} for row in before] == after
    again.close()


def test_a_database_of_a_newer_workbench_is_left_alone_with_a_sentence(tmp_path):
    import sqlalchemy as sa

    url = f"sqlite:///{tmp_path / 'votes.sqlite3'}"
    store = Votes(url)
    with store.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    store.close()
    with pytest.raises(Problem, match="newer version"):
        Votes(url)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "is not the address"),
        ("postgresql+psycopg://u:hidden@127.0.0.1:9/x", r"127.0.0.1:9/x cannot be reached"),
    ],
)
def test_a_wrong_database_address_is_one_sentence_without_the_password(url, sentence):
    with pytest.raises(Problem, match=sentence) as problem:
        Votes(url)
    assert "hidden" not in str(problem.value)


def test_a_commit_waits_for_the_disk_unless_the_votes_are_simulated(tmp_path):
    for durable, synchronous in ((True, 2), (False, 0)):
        store = Votes(f"sqlite:///{tmp_path / 'votes.sqlite3'}", durable=durable)
        with store.engine.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        store.close()


def test_the_database_keeps_no_address_of_anybody(store):
    names = {c.name for table in Table.metadata.tables.values() for c in table.columns}
    assert not {name for name in names if "ip" in name.split("_") or "address" in name}
