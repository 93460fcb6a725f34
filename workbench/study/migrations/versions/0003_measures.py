"""What was measured of the pictures of a question: colourfulness and its like, as JSON."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    column = sa.Column("measures", sa.Text, nullable=False, server_default="")
    op.add_column("trials", column)


def downgrade() -> None:
    op.drop_column("trials", "measures")
