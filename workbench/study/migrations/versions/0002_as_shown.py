"""How a question was shown: size on the screen and theme, with every vote."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for name, length in (("shown_size", 32), ("theme", 16)):
        column = sa.Column(name, sa.String(length), nullable=False, server_default="")
        op.add_column("votes", column)


def downgrade() -> None:
    for name in ("theme", "shown_size"):
        op.drop_column("votes", name)
