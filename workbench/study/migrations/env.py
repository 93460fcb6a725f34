"""Alembic's entry: runs on the connection that votes.Votes hands over, in its transaction."""

from alembic import context

from workbench.study.tables import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    transactional_ddl=False,  # the transaction is the caller's
)
context.run_migrations()
