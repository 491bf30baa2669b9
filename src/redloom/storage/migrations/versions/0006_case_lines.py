"""A short row for each test conversation, and the words of every definition"""

import sqlalchemy as sa
from alembic import op

from redloom.storage import case_lines, words

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INDEXES = (
    ("study_id", "slug"),
    ("study_id", "status", "at", "definition_id"),
    ("study_id", "scenario"),
    ("study_id", "at", "definition_id"),
)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def upgrade() -> None:
    op.create_table(
        "case_line",
        sa.Column("definition_id", SERIAL, autoincrement=False, nullable=False),
        sa.Column("study_id", SERIAL, nullable=False),
        _text("slug"),
        _text("status"),
        _text("scenario", null=True),
        _text("harm", null=True),
        _text("language", null=True),
        _text("origin"),
        sa.Column("turns", sa.Integer(), nullable=False),
        _text("said"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["definition_id"], ["definition.id"], name=op.f("fk_case_line_definition_id_definition")
        ),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_case_line_study_id_study")),
        sa.PrimaryKeyConstraint("definition_id", name=op.f("pk_case_line")),
    )
    for columns in INDEXES:
        op.create_index(op.f(f"ix_case_line_{'_'.join(columns)}"), "case_line", list(columns))
    words.make(op.get_bind())
    case_lines.rebuild(op.get_bind())
