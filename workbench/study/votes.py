"""Where studies, raters, trials and votes are kept: SQLite in WAL mode, or PostgreSQL.

The address is `WORKBENCH_DATABASE_URL` (`postgresql+psycopg://user:password@host/name`), else a
file below the working folder. A call that returns has committed: what was acknowledged survives a
`kill -9` of the server. The schema is versioned with Alembic and brought up to date on opening.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from workbench import places
from workbench.errors import Problem, reason_of
from workbench.study.tables import Rater, Study, Trial, Vote

MIGRATIONS = Path(__file__).parent / "migrations"
CODE_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"  # none that are read for another


def database_url() -> str:
    """The address of the database, from the environment."""
    given = places.database_url()
    if given.startswith("postgres://"):
        given = given.replace("postgres://", "postgresql://", 1)
    if given.startswith("postgresql://"):
        given = given.replace("postgresql://", "postgresql+psycopg://", 1)
    return given or f"sqlite:///{places.studies() / 'votes.sqlite3'}"


def new_code(length: int = 12) -> str:
    """A random code that can be read aloud: 59 bits at the default length."""
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(length))


@dataclass(frozen=True)
class Answer:
    """What a browser says about one answer; checked in trials.answer before it comes here."""

    choice: str
    shown_at: float = 0.0
    answered_at: float = 0.0
    dwell_ms: float = 0.0
    exposures_ms: tuple[float, ...] = ()
    viewport: str = ""
    shown_size: str = ""  # "177x177": a picture on the screen, CSS pixels
    theme: str = ""  # of the page around: light or dark
    session: str = ""


class Votes:
    """The database. Objects that it returns are detached copies: reading them costs nothing."""

    def __init__(
        self,
        url: str | None = None,
        clock: Callable[[], float] = time.time,
        durable: bool = True,
    ) -> None:
        self.url = url or database_url()
        self.clock = clock  # seconds since 1970; simulations bring their own
        self.journal: Callable[[dict[str, Any]], None] | None = None  # told of what has committed
        # what can be simulated again need not wait for the disk
        self.engine = _engine(self.url, "FULL" if durable else "OFF")
        self._upgrade()

    def _upgrade(self) -> None:
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        try:
            with self._connection(write=True) as connection:  # one process at a time
                if self.engine.dialect.name == "postgresql":
                    connection.execute(sa.text("SELECT pg_advisory_xact_lock(7230401)"))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except CommandError as error:
            raise Problem(
                f"The study database was written by a newer version of the workbench ({error}). "
                "Update the workbench, or name another database in WORKBENCH_DATABASE_URL."
            ) from None

    @contextmanager
    def _connection(self, write: bool = False) -> Iterator[sa.Connection]:
        try:
            connected = self.engine.connect().execution_options(write=write)
            with connected as connection, connection.begin():
                yield connection
        except IntegrityError:  # a name, a code or an answer that is there already: callers know
            raise
        except (SQLAlchemyError, sqlite3.Error) as error:
            where = self.engine.url.render_as_string(hide_password=True)
            reason = reason_of(getattr(error, "orig", None) or error)
            raise Problem(
                f"The study database {where} cannot be reached, or is damaged: {reason}. "
                "Restore it from a copy, or name another in WORKBENCH_DATABASE_URL."
            ) from error

    @contextmanager
    def _session(self, write: bool = False) -> Iterator[Session]:
        with (
            self._connection(write) as connection,
            Session(connection, expire_on_commit=False) as session,
        ):
            yield session
            session.flush()

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    # studies ---------------------------------------------------------------------------------

    def create_study(self, plan: Mapping[str, Any]) -> Study:
        """A draft; Problem if the name is taken."""
        study = Study(
            name=plan["name"],
            plan=json.dumps(plan, ensure_ascii=False),
            invites=json.dumps([new_code(8) for _ in range(plan.get("invites", 0))]),
            secret=secrets.token_hex(32),
            created_at=self.clock(),
        )
        try:
            with self._session(write=True) as session:
                session.add(study)
        except IntegrityError:
            raise Problem(
                f"There is a study called {plan['name']!r} already. Choose another name."
            ) from None
        return study

    def studies(self) -> list[Study]:
        """Every study, newest first."""
        with self._session() as session:
            return list(session.scalars(sa.select(Study).order_by(Study.id.desc())))

    def study(self, name: str) -> Study:
        """One study by its name; Problem if there is none."""
        with self._session() as session:
            found = session.scalar(sa.select(Study).where(Study.name == name))
        if found is None:
            called = f" called {name!r}" if re.fullmatch(r"[\w.-]{1,64}", name) else " of that name"
            raise Problem(f"There is no study{called}. `study list` shows what there is.")
        return found

    def freeze(self, name: str, models: Sequence[str], pictures: Sequence[dict[str, str]]) -> None:
        """Record what was rendered: "name@revision" of models, {picture, sha256} of pictures."""
        with self._session(write=True) as session:
            changed = _count_changed(
                session,
                sa.update(Study)
                .where(Study.name == name, Study.state == "draft")
                .values(models=json.dumps(list(models)), pictures=json.dumps(list(pictures))),
            )
        if changed != 1:
            raise Problem(f"Study {name!r} has been opened: its pictures cannot change any more.")

    def set_state(self, name: str, state: str) -> None:
        """draft -> open -> closed -> open; never back to a draft."""
        column = {"open": "opened_at", "closed": "closed_at"}[state]
        with self._session(write=True) as session:
            session.execute(
                sa.update(Study)
                .where(Study.name == name)
                .values({"state": state, column: self.clock()})
            )

    def set_stage(self, name: str, seen: int, stage: int) -> bool:
        """Move a class from one stage to another; False where somebody else has moved it."""
        with self._session(write=True) as session:
            moved = sa.update(Study).where(Study.name == name, Study.stage == seen)
            return _count_changed(session, moved.values(stage=stage)) == 1

    def delete_study(self, study: Study) -> None:
        """Delete a study with every rater, trial and vote."""
        with self._session(write=True) as session:
            for table in (Vote, Trial, Rater):
                session.execute(sa.delete(table).where(table.study_id == study.id))
            session.execute(sa.delete(Study).where(Study.id == study.id))

    # raters ----------------------------------------------------------------------------------

    def add_rater(
        self, study: Study, consent_version: str, colour_vision: str,
        invite: str | None = None, code: str | None = None, bound: int = 0,
        person: str | None = None, recruited: Mapping[str, str] | None = None,
    ) -> Rater:  # fmt: skip
        """A new rater; Problem where the invitation is unknown or used, or the study is full.

        person, recruited: who a platform says they are, and all that its link told.
        """
        if (codes := json.loads(study.invites)) and invite not in codes:
            raise Problem("This study is by invitation: that code is not one of its invitations.")
        rater = Rater(
            study_id=study.id,
            code=code or new_code(),
            consent_version=consent_version,
            consent_at=self.clock(),
            colour_vision=colour_vision,
            invite=invite if codes else None,
            person=person,
            recruited=json.dumps(dict(recruited)) if recruited else "",
        )
        try:
            with self._session(write=True) as session:
                here = sa.select(sa.func.count()).where(Rater.study_id == study.id)
                if bound:
                    session.execute(_lock_row(sa.select(Study.id).where(Study.id == study.id)))
                    if (session.scalar(here) or 0) >= bound:
                        raise Problem("This study has all the raters it asked for. Thank you!")
                session.add(rater)
        except IntegrityError:
            raise Problem(
                "You have begun this study already. Go on by your own link, or with your code."
                if person
                else "That invitation has been used already."
            ) from None
        return rater

    def free_invites(self, study: Study) -> list[str]:
        """The invitations of a study that nobody has used."""
        used = {rater.invite for rater in self.raters(study)}
        return [code for code in json.loads(study.invites) if code not in used]

    def rater(self, study: Study, code: str) -> Rater | None:
        """A rater of this study by their code."""
        with self._session() as session:
            return session.scalar(
                sa.select(Rater).where(Rater.study_id == study.id, Rater.code == code.strip())
            )

    def finish(self, rater: Rater) -> None:
        """Note when a rater came to the end."""
        with self._session(write=True) as session:
            session.execute(
                sa.update(Rater)
                .where(Rater.id == rater.id, Rater.finished_at.is_(None))
                .values(finished_at=self.clock())
            )

    def delete_rater(self, code: str, study: Study | None = None) -> int:
        """Delete a rater with all trials and votes; the number of votes. Problem if unknown."""
        with self._session(write=True) as session:
            mine = sa.select(Rater.id).where(Rater.code == code.strip())
            if study is not None:
                mine = mine.where(Rater.study_id == study.id)
            rater = session.scalar(_lock_row(mine))
            if rater is None:
                raise Problem("No answers are stored under that code. Check it for mistakes.")
            gone = _count_changed(session, sa.delete(Vote).where(Vote.rater_id == rater))
            session.execute(sa.delete(Trial).where(Trial.rater_id == rater))
            session.execute(sa.delete(Rater).where(Rater.id == rater))
        if self.journal:
            self.journal({"kind": "withdrawn", "rater": code.strip()})
        return gone

    # trials and votes ------------------------------------------------------------------------

    @contextmanager
    def lock_rater(self, study: Study, rater: Rater) -> Iterator[RaterLock]:
        """The rater, locked: read what was asked, add a trial. Used by trials.next_question."""
        with self._session(write=True) as session:
            alive = session.scalar(_lock_row(sa.select(Rater.id).where(Rater.id == rater.id)))
            if alive is None:
                raise Problem("Your answers were deleted as you asked. There is nothing to go on.")
            yield RaterLock(session, study, rater, self.clock)

    def trial(self, rater: Rater, trial_id: int) -> Trial | None:
        """One of the rater's trials."""
        with self._session() as session:
            return session.scalar(
                sa.select(Trial).where(Trial.id == trial_id, Trial.rater_id == rater.id)
            )

    def add_vote(self, trial: Trial, answer: Answer, correct: bool | None) -> bool:
        """Keep an answer; False where the trial has one already (the first one stands)."""
        from workbench import __version__

        vote = Vote(
            study_id=trial.study_id,
            trial_id=trial.id,
            rater_id=trial.rater_id,
            choice=answer.choice,
            correct=correct,
            session=answer.session,
            app_version=__version__,
            shown_at=answer.shown_at,
            answered_at=answer.answered_at,
            dwell_ms=answer.dwell_ms,
            exposures_ms=",".join(f"{ms:.1f}" for ms in answer.exposures_ms),
            viewport=answer.viewport,
            shown_size=answer.shown_size,
            theme=answer.theme,
            received_at=self.clock(),
        )
        try:
            with self._session(write=True) as session:
                session.add(vote)
                rater = session.scalars(
                    sa.select(Rater.code).where(Rater.id == trial.rater_id)
                ).one()
                named = sa.select(Study.name).where(Study.id == trial.study_id)
                study = session.scalars(named).one()
        except IntegrityError:
            return False
        if self.journal:
            self.journal({"kind": "vote", "vote": _row(vote, trial, rater, study)})
        return True

    def counts(self, study: Study) -> dict[str, int]:
        """Raters begun and finished, and votes by kind of trial."""
        with self._session() as session:
            begun, finished = session.execute(
                sa.select(sa.func.count(), sa.func.count(Rater.finished_at)).where(
                    Rater.study_id == study.id
                )
            ).one()
            kinds = session.execute(
                sa.select(Trial.kind, sa.func.count())
                .join(Vote, Vote.trial_id == Trial.id)
                .where(Vote.study_id == study.id)
                .group_by(Trial.kind)
            )
            votes: dict[str, int] = {row.kind: row[1] for row in kinds}
        return {
            "raters": begun, "finished": finished, "votes": votes.get("scored", 0),
            "catch": votes.get("catch", 0), "practice": votes.get("practice", 0),
        }  # fmt: skip

    def tally(self, study: Study, number: int) -> tuple[int, dict[str, int]]:
        """(raters of the study, answers to everybody's question of that number by choice)."""
        raters = sa.select(sa.func.count()).where(Rater.study_id == study.id)
        given = (
            sa.select(Vote.choice, sa.func.count())
            .join(Trial, Vote.trial_id == Trial.id)
            .where(Trial.study_id == study.id, Trial.number == number)
            .group_by(Vote.choice)
        )
        with self._session() as session:
            counts: dict[str, int] = {row.choice: row[1] for row in session.execute(given)}
            return session.scalar(raters) or 0, counts

    def stamp(self, study: Study) -> tuple[int, int]:
        """(number of votes, newest id): changes whenever a vote comes or goes."""
        query = sa.select(sa.func.count(), sa.func.max(Vote.id)).where(Vote.study_id == study.id)
        with self._session() as session:
            number, newest = session.execute(query).one()
        return number, newest or 0

    def rows(self, study: Study, rater: Rater | None = None) -> list[dict[str, Any]]:
        """Every vote (of `rater`, if given) with its trial and rater, in the order of arrival."""
        query = (
            sa.select(Vote, Trial, Rater.code)
            .join(Trial, Vote.trial_id == Trial.id)
            .join(Rater, Vote.rater_id == Rater.id)
            .where(Vote.study_id == study.id)
            .order_by(Vote.id)
        )
        if rater is not None:
            query = query.where(Vote.rater_id == rater.id)
        with self._session() as session:
            return [
                _row(vote, trial, code, study.name) for vote, trial, code in session.execute(query)
            ]

    def raters(self, study: Study) -> list[Rater]:
        """Every rater of a study, in the order in which they came."""
        with self._session() as session:
            return list(
                session.scalars(
                    sa.select(Rater).where(Rater.study_id == study.id).order_by(Rater.id)
                )
            )


def _row(vote: Vote, trial: Trial, rater: str, study: str) -> dict[str, Any]:
    """One vote with its trial, as plain values."""
    of_trial = (
        "number", "kind", "picture", "picture_sha256", "shown", "issued_at", "measures",
    )  # fmt: skip
    of_vote = (
        "choice", "correct", "session", "app_version", "shown_at", "answered_at", "dwell_ms",
        "exposures_ms", "viewport", "shown_size", "theme", "received_at",
    )  # fmt: skip
    return {
        "study": study,
        "rater": rater,
        **{name: getattr(trial, name) for name in of_trial},
        **{name: getattr(vote, name) for name in of_vote},
    }


class RaterLock:
    """One rater, whom a transaction locks: no second trial is added at the same time."""

    def __init__(
        self, session: Session, study: Study, rater: Rater, clock: Callable[[], float]
    ) -> None:
        self._session, self.study, self.rater, self._clock = session, study, rater, clock

    def list_trials(self) -> list[tuple[Trial, bool]]:
        """The rater's trials in order, each with whether it has been answered."""
        query = (
            sa.select(Trial, Vote.id)
            .outerjoin(Vote, Vote.trial_id == Trial.id)
            .where(Trial.rater_id == self.rater.id)
            .order_by(Trial.number)
        )
        return [(trial, vote is not None) for trial, vote in self._session.execute(query)]

    def count_shown(self, since: float) -> list[tuple[str, str, int]]:
        """(picture, shown, count) of scored trials that are answered or issued after `since`."""
        query = (
            sa.select(Trial.picture, Trial.shown, sa.func.count())
            .outerjoin(Vote, Vote.trial_id == Trial.id)
            .where(Trial.study_id == self.study.id, Trial.kind == "scored")
            .where(sa.or_(Vote.id.is_not(None), Trial.issued_at > since))
            .group_by(Trial.picture, Trial.shown)
        )
        return [(picture, shown, n) for picture, shown, n in self._session.execute(query)]

    def add(self, **fields: Any) -> Trial:
        """A new trial for this rater."""
        trial = Trial(
            study_id=self.study.id, rater_id=self.rater.id, issued_at=self._clock(), **fields
        )
        self._session.add(trial)
        self._session.flush()
        return trial

    def mark_shown(self, trial: Trial) -> None:
        """Note that the rater sees this trial now: nobody answers sooner than they can look."""
        trial.issued_at = self._clock()


def _count_changed(session: Session, change: sa.UpdateBase) -> int:
    """Execute a change; how many rows it met."""
    return cast(sa.CursorResult[Any], session.execute(change)).rowcount


def _lock_row(query: sa.Select) -> sa.Select:
    """Hold the row until the transaction ends (SQLite's write transactions do so anyway)."""
    return query.with_for_update()


def _engine(url: str, synchronous: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise Problem(
            "WORKBENCH_DATABASE_URL is not the address of a database. It looks like "
            "postgresql+psycopg://user:password@host/name or sqlite:////folder/votes.sqlite3."
        ) from None
    if parsed.get_backend_name() != "sqlite":
        return sa.create_engine(parsed, pool_pre_ping=True)
    if parsed.database:
        try:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Problem(
                f"The folder of the study database {parsed.database} cannot be made: "
                f"{reason_of(error)}. Name another in WORKBENCH_STUDIES."
            ) from error
    engine = sa.create_engine(parsed, connect_args={"timeout": 60, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def _(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # BEGIN is ours: see below
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")  # FULL: committed is on the disk
        connection.execute("PRAGMA foreign_keys=ON")

    @sa.event.listens_for(engine, "begin")
    def _(connection: sa.Connection) -> None:
        # A transaction that will write takes the write lock at once: it can wait for it then,
        # but could not later, after it has read.
        write = connection.get_execution_options().get("write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
