"""The four tables: studies, raters, trials, votes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "studies",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("models", sa.Text, nullable=False),
        sa.Column("pictures", sa.Text, nullable=False),
        sa.Column("invites", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("secret", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("opened_at", sa.Double),
        sa.Column("closed_at", sa.Double),
    )
    op.create_table(
        "raters",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id"), nullable=False, index=True),
        sa.Column("code", sa.String(32), nullable=False, unique=True),
        sa.Column("consent_version", sa.String(32), nullable=False),
        sa.Column("consent_at", sa.Double, nullable=False),
        sa.Column("colour_vision", sa.String(32), nullable=False),
        sa.Column("invite", sa.String(32)),
        sa.Column("finished_at", sa.Double),
        sa.UniqueConstraint("study_id", "invite", name="one_rater_per_invite"),
    )
    op.create_table(
        "trials",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id"), nullable=False),
        sa.Column("rater_id", sa.Integer, sa.ForeignKey("raters.id"), nullable=False, index=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("picture", sa.String(255), nullable=False),
        sa.Column("picture_sha256", sa.String(64), nullable=False),
        sa.Column("shown", sa.String(512), nullable=False),
        sa.Column("issued_at", sa.Double, nullable=False),
        sa.UniqueConstraint("rater_id", "number", name="one_trial_per_number"),
    )
    op.create_index("trials_by_question", "trials", ["study_id", "picture", "shown"])
    op.create_table(
        "votes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("studies.id"), nullable=False, index=True),
        sa.Column("trial_id", sa.Integer, sa.ForeignKey("trials.id"), nullable=False),
        sa.Column("rater_id", sa.Integer, sa.ForeignKey("raters.id"), nullable=False, index=True),
        sa.Column("choice", sa.String(64), nullable=False),
        sa.Column("correct", sa.Boolean),
        sa.Column("session", sa.String(32), nullable=False),
        sa.Column("app_version", sa.String(32), nullable=False),
        sa.Column("shown_at", sa.Double, nullable=False),
        sa.Column("answered_at", sa.Double, nullable=False),
        sa.Column("dwell_ms", sa.Double, nullable=False),
        sa.Column("exposures_ms", sa.String(128), nullable=False),
        sa.Column("viewport", sa.String(32), nullable=False),
        sa.Column("received_at", sa.Double, nullable=False),
        sa.UniqueConstraint("trial_id", "rater_id", name="one_vote_per_trial"),
    )


def downgrade() -> None:
    for table in ("votes", "trials", "raters", "studies"):
        op.drop_table(table)
