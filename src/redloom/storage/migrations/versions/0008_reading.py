"""How each person wants replies shown"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "reading",
        sa.Column("study_id", SERIAL, nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_reading_study_id_study")),
        sa.PrimaryKeyConstraint("study_id", "person", name=op.f("pk_reading")),
        sqlite_with_rowid=False,
    )
