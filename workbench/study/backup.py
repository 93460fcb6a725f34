"""Votes kept on the Hub: a journal while a study is open, a data set when it is closed.

Set `WORKBENCH_STUDY_BACKUP=user/name` and every server process writes what it committed to a file
of its own, a JSON object per line, which goes to that private data set every five minutes.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from workbench import places
from workbench.errors import Problem
from workbench.study.export import VOTE_COLUMNS, export, write_methods
from workbench.study.results import load
from workbench.study.tables import Study
from workbench.study.trials import plan_of
from workbench.study.votes import Votes, new_code

LICENCE = "cc-by-4.0"


def start(votes: Votes, repo: str | None = None, minutes: float = 5) -> Any:
    """Let a database keep its journal on the Hub; the scheduler, or None where none is wanted."""
    repo = repo or places.study_backup()
    if not repo:
        return None
    from workbench import hub

    folder = places.studies() / "journal"
    folder.mkdir(parents=True, exist_ok=True)
    scheduler = hub.back_up(folder, repo, minutes)
    file = folder / f"{new_code()}.jsonl"  # one per process

    def write(entry: dict[str, Any]) -> None:
        with scheduler.lock, file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(entry, ensure_ascii=False) + "\n")

    votes.journal = write
    return scheduler


def read(folder: Path) -> list[dict[str, Any]]:
    """The votes of a journal's files, without those of raters who withdrew."""
    entries = [
        json.loads(line)
        for file in sorted(folder.glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    gone = {entry["rater"] for entry in entries if entry["kind"] == "withdrawn"}
    votes = [entry["vote"] for entry in entries if entry["kind"] == "vote"]
    return sorted(
        (vote for vote in votes if vote["rater"] not in gone), key=lambda vote: vote["received_at"]
    )


def publish(
    votes: Votes, study: Study, repo: str, private: bool = False, licence: str = LICENCE
) -> Any:
    """Send a closed study's export with a card to the Hub as a data set; hub.PublishResult."""
    if study.state != "closed":
        raise Problem(f"Study {study.name!r} is {study.state}: close it before publishing it.")
    from workbench import hub

    with tempfile.TemporaryDirectory() as temporary:
        files = {path.name: path for path in export(votes, study, Path(temporary))}
        card = Path(temporary) / "README.md"
        card.write_text(_card(votes, study, licence), encoding="utf-8")
        files["README.md"] = card
        return hub.publish_dataset(files, repo, private, f"Publish study {study.name}")


def _card(votes: Votes, study: Study, licence: str) -> str:
    plan = plan_of(study)
    found = load(votes, study)
    columns = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in VOTE_COLUMNS.items())
    return f"""---
license: {licence}
pretty_name: {json.dumps(plan.title or study.name, ensure_ascii=False)}
tags:
- image-colorization
- user-study
- human-preference
configs:
- config_name: votes
  data_files: votes.parquet
---
# {plan.title or study.name}

{write_methods(found)}

Every figure is computed from the raw votes in `votes.parquet` (the same as `votes.csv`);
`codebook.md` has every column, rule and choice. The pictures are not part of this data set: their
own terms apply. `picture_sha256` says which file each was.

| column | meaning |
|---|---|
{columns}
"""
