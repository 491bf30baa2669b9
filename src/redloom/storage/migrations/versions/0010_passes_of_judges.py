"""What each judge was given of a run, each time"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "judging",
        sa.Column("run_id", SERIAL, nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_judging_run_id_run")),
        sa.PrimaryKeyConstraint("run_id", "id", name=op.f("pk_judging")),
        sqlite_with_rowid=False,
    )
