"""How far a live class has come."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    column = sa.Column("stage", sa.Integer, nullable=False, server_default="0")
    op.add_column("studies", column)


def downgrade() -> None:
    op.drop_column("studies", "stage")
