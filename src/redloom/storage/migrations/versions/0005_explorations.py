"""Explorations with their exchanges and marks, findings, and proposed changes"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
ID = sa.LargeBinary(length=16)


def _id(name: str = "id", *, null: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, ID, nullable=null)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def _study(table: str) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    key = sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f(f"fk_{table}_study_id_study"))
    return sa.Column("study_id", SERIAL, nullable=False), key


def _key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=op.f(f"pk_{table}"))


def _of(table: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([to], [f"{to}.id"], name=op.f(f"fk_{table}_{to}_{to}"))


def upgrade() -> None:
    op.create_table(
        "exploration",
        _id(),
        *_study("exploration"),
        _text("body"),
        _text("author"),
        _key("exploration", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_exploration_study_id"), "exploration", ["study_id"])
    op.create_table(
        "exchange",
        _id("exploration"),
        _id(),
        _id("move"),
        sa.Column("lane", sa.Integer(), nullable=False),
        _id("parent", null=True),
        _text("text", null=True),
        _text("state"),
        _text("partial", null=True),
        _text("error", null=True),
        _text("author"),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        _of("exchange", "exploration"),
        _key("exchange", "exploration", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mark",
        _id("exploration"),
        _id(),
        _id("exchange"),
        _text("body"),
        _text("author"),
        _id("supersedes", null=True),
        _of("mark", "exploration"),
        _key("mark", "exploration", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "finding",
        _id(),
        *_study("finding"),
        sa.Column("number", sa.Integer(), nullable=False),
        _text("author"),
        _key("finding", "id"),
        sa.UniqueConstraint("study_id", "number", name=op.f("uq_finding_study_id_number")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "finding_fact",
        _id("finding"),
        _id(),
        _text("kind"),
        _text("body"),
        _text("author"),
        _of("finding_fact", "finding"),
        _key("finding_fact", "finding", "id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "proposal",
        _id(),
        *_study("proposal"),
        _text("kind"),
        _text("slug"),
        sa.Column("base", sa.LargeBinary(length=32), nullable=True),
        _text("body"),
        _text("author"),
        _text("why"),
        _text("state"),
        _text("decision", null=True),
        _key("proposal", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_proposal_study_id"), "proposal", ["study_id"])
