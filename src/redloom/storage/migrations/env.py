"""Alembic runs this with a connection given by :mod:`redloom.storage.migrate`."""

from alembic import context

from redloom.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
