"""The four tables of a study. migrations/ makes them; a test compares the two."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Table(DeclarativeBase):
    """The base of the four tables."""


class Study(Table):
    """A frozen plan and its state."""

    __tablename__ = "studies"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(64), unique=True)
    plan: Mapped[str] = mapped_column(sa.Text)  # JSON of plans.Plan
    models: Mapped[str] = mapped_column(sa.Text, default="[]")  # JSON: "name@revision", rendered
    pictures: Mapped[str] = mapped_column(sa.Text, default="[]")  # JSON: {picture, sha256}
    invites: Mapped[str] = mapped_column(sa.Text, default="[]")  # JSON: one-time codes
    state: Mapped[str] = mapped_column(sa.String(16), default="draft")  # draft, open, closed
    stage: Mapped[int] = mapped_column(default=0, server_default="0")  # of a class, see live.py
    secret: Mapped[str] = mapped_column(sa.String(64))  # signs the tokens of this study
    created_at: Mapped[float] = mapped_column(sa.Double)  # seconds since 1970, UTC
    opened_at: Mapped[float | None] = mapped_column(sa.Double)
    closed_at: Mapped[float | None] = mapped_column(sa.Double)


class Rater(Table):
    """A random code and what its owner agreed to; a name only as a platform gave it."""

    __tablename__ = "raters"
    __table_args__ = (
        sa.UniqueConstraint("study_id", "invite", name="one_rater_per_invite"),
        sa.Index("one_rater_per_person", "study_id", "person", unique=True),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(sa.ForeignKey("studies.id"), index=True)
    code: Mapped[str] = mapped_column(sa.String(32), unique=True)
    consent_version: Mapped[str] = mapped_column(sa.String(32))
    consent_at: Mapped[float] = mapped_column(sa.Double)
    colour_vision: Mapped[str] = mapped_column(sa.String(32))
    invite: Mapped[str | None] = mapped_column(sa.String(32))
    person: Mapped[str | None] = mapped_column(sa.String(128))  # by a platform's name for them
    recruited: Mapped[str] = mapped_column(sa.Text, server_default="")  # JSON, see recruiting.py
    finished_at: Mapped[float | None] = mapped_column(sa.Double)


class Trial(Table):
    """One question put to one rater."""

    __tablename__ = "trials"
    __table_args__ = (
        sa.UniqueConstraint("rater_id", "number", name="one_trial_per_number"),
        sa.Index("trials_by_question", "study_id", "picture", "shown"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(sa.ForeignKey("studies.id"))
    rater_id: Mapped[int] = mapped_column(sa.ForeignKey("raters.id"), index=True)
    number: Mapped[int]  # 0, 1, ... in the order in which the rater saw them
    kind: Mapped[str] = mapped_column(sa.String(16))  # practice, scored, catch
    picture: Mapped[str] = mapped_column(sa.String(255))
    picture_sha256: Mapped[str] = mapped_column(sa.String(64))
    shown: Mapped[str] = mapped_column(sa.String(512))  # "name@revision,..." left to right
    issued_at: Mapped[float] = mapped_column(sa.Double)
    measures: Mapped[str] = mapped_column(sa.Text, server_default="")  # JSON, see confounders.py


class Vote(Table):
    """One answer to one trial."""

    __tablename__ = "votes"
    __table_args__ = (sa.UniqueConstraint("trial_id", "rater_id", name="one_vote_per_trial"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    study_id: Mapped[int] = mapped_column(sa.ForeignKey("studies.id"), index=True)
    trial_id: Mapped[int] = mapped_column(sa.ForeignKey("trials.id"))
    rater_id: Mapped[int] = mapped_column(sa.ForeignKey("raters.id"), index=True)
    choice: Mapped[str] = mapped_column(sa.String(64))  # left, right, tie; rank: "2,0,1"
    correct: Mapped[bool | None]
    session: Mapped[str] = mapped_column(sa.String(32))
    app_version: Mapped[str] = mapped_column(sa.String(32))
    shown_at: Mapped[float] = mapped_column(sa.Double)  # ms since 1970, the browser's clock
    answered_at: Mapped[float] = mapped_column(sa.Double)
    dwell_ms: Mapped[float] = mapped_column(sa.Double)  # the browser's monotonic clock
    exposures_ms: Mapped[str] = mapped_column(sa.String(128))  # measured, comma-separated
    viewport: Mapped[str] = mapped_column(sa.String(32))  # width x height x pixel ratio
    shown_size: Mapped[str] = mapped_column(sa.String(32), server_default="")  # CSS pixels
    theme: Mapped[str] = mapped_column(sa.String(16), server_default="")  # light, dark
    received_at: Mapped[float] = mapped_column(sa.Double)  # seconds since 1970, the server's
