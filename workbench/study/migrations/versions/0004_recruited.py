"""Whom a recruiting platform sent: its parameters, and the person once in a study."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("raters", sa.Column("person", sa.String(128), nullable=True))
    op.add_column("raters", sa.Column("recruited", sa.Text, nullable=False, server_default=""))
    op.create_index("one_rater_per_person", "raters", ["study_id", "person"], unique=True)


def downgrade() -> None:
    op.drop_index("one_rater_per_person", "raters")
    for name in ("recruited", "person"):
        op.drop_column("raters", name)
