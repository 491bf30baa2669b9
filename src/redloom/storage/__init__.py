"""The only place that knows SQLAlchemy and Alembic: tables, repositories, unit of work, ledger."""
