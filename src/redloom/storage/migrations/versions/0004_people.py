"""People with roles, their invitations, and where they are signed in"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "participant",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("study_id", SERIAL, nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_participant_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participant")),
        sa.UniqueConstraint("study_id", "name", name=op.f("uq_participant_study_id_name")),
    )
    for name, more in (
        (
            "invitation",
            [
                sa.Column("expires_at", sa.BigInteger(), nullable=False),
                sa.Column("used_at", sa.BigInteger(), nullable=True),
            ],
        ),
        ("session", [sa.Column("ended_at", sa.BigInteger(), nullable=True)]),
    ):
        op.create_table(
            name,
            sa.Column("token", sa.LargeBinary(length=32), nullable=False),
            sa.Column("participant_id", SERIAL, nullable=False),
            sa.Column("created_at", sa.BigInteger(), nullable=False),
            *more,
            sa.ForeignKeyConstraint(
                ["participant_id"], ["participant.id"], name=op.f(f"fk_{name}_participant_id_participant")
            ),
            sa.PrimaryKeyConstraint("token", name=op.f(f"pk_{name}")),
            sqlite_with_rowid=False,
        )
