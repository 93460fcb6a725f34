"""Votes on the Hub: a journal that grows, and a closed study as a data set; on a loopback Hub."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import TOKEN, loopback_hub  # noqa: F401

from workbench.errors import Problem
from workbench.study import backup, simulate
from workbench.study.votes import Votes

ROOT = Path(__file__).resolve().parent.parent

JOURNAL = """
from workbench.study import backup, simulate, votes

class Journalled(votes.Votes):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.scheduler = backup.start(self, minutes=60)

simulate.Votes = Journalled
store, study = simulate.simulate(raters=2, trials=3)
store.delete_rater(store.raters(study)[0].code)
store.scheduler.trigger().result()
store.scheduler.stop()
"""


@pytest.fixture
def environment(loopback_hub, tmp_path) -> dict[str, str]:  # noqa: F811
    """What a process needs to find the loopback Hub and a study folder of its own."""
    env = loopback_hub.environment(tmp_path / "home")
    env.pop("WORKBENCH_DATABASE_URL", None)
    return {**env, "WORKBENCH_STUDIES": str(tmp_path / "studies")}


def run(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )


def test_every_vote_is_in_the_journal_and_a_withdrawal_too(
    loopback_hub,  # noqa: F811
    environment,
    tmp_path,
):
    done = run({**environment, "WORKBENCH_STUDY_BACKUP": "ada/journal"}, "-c", JOURNAL)
    assert done.returncode == 0, done.stderr
    repo = loopback_hub.repo("ada/journal", "datasets")
    assert repo.private
    [name] = [path for path in repo.files if path.endswith(".jsonl")]
    (tmp_path / "read").mkdir()
    (tmp_path / "read" / name).write_bytes(repo.files[name])
    entries = [json.loads(line) for line in repo.files[name].decode().splitlines()]
    assert [entry["kind"] for entry in entries] == ["vote"] * 10 + ["withdrawn"]
    kept = backup.read(tmp_path / "read")
    store = Votes(f"sqlite:///{tmp_path / 'studies' / 'votes.sqlite3'}")
    assert kept == store.rows(store.study("demo"))
    assert len(kept) == 5
    store.close()


def test_a_closed_study_is_published_with_its_card(
    loopback_hub,  # noqa: F811
    environment,
):
    command = ("-m", "workbench", "study")
    assert run(environment, *command, "simulate", "--raters", "2", "--trials", "3").returncode == 0
    done = run(environment, *command, "publish", "demo", "--repo", "ada/preferences")
    assert done.returncode == 0, done.stderr
    files = loopback_hub.repo("ada/preferences", "datasets").files
    assert {"README.md", "votes.parquet", "votes.csv", "raters.csv", "codebook.md"} <= set(files)
    card = files["README.md"].decode()
    assert "license: cc-by-4.0" in card
    assert "2 raters gave 6 scored answers" in card
    assert TOKEN not in done.stdout + done.stderr


def test_an_open_study_is_not_published(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)
    votes, _ = simulate.simulate(raters=1, trials=1)
    votes.set_state("demo", "open")
    with pytest.raises(Problem, match="close it before"):
        backup.publish(votes, votes.study("demo"), "ada/preferences")
    votes.close()


def test_without_a_repository_there_is_no_journal(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_STUDY_BACKUP", raising=False)
    votes = Votes()
    assert backup.start(votes) is None
    assert votes.journal is None
    votes.close()
