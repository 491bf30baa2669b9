"""First schema"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def serial() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "instrument",
        sa.Column("id", serial(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_instrument")),
        sa.UniqueConstraint("digest", name=op.f("uq_instrument_digest")),
    )
    op.create_table(
        "study",
        sa.Column("id", serial(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_study")),
        sa.UniqueConstraint("slug", name=op.f("uq_study_slug")),
    )
    op.create_table(
        "turn",
        sa.Column("interaction", sa.LargeBinary(length=16), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("parent", sa.LargeBinary(length=16), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("finish_reason", sa.Text(), nullable=True),
        sa.Column("tokens_in", sa.Integer(), nullable=True),
        sa.Column("tokens_out", sa.Integer(), nullable=True),
        sa.Column("latency_ms", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("interaction", "id", name=op.f("pk_turn")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "definition",
        sa.Column("id", serial(), nullable=False),
        sa.Column("study_id", serial(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("head_id", serial(), nullable=True),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_definition_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_definition")),
        sa.UniqueConstraint("study_id", "kind", "slug", name=op.f("uq_definition_study_id_kind_slug")),
    )
    op.create_table(
        "history",
        sa.Column("study_id", serial(), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_history_study_id_study")),
        sa.PrimaryKeyConstraint("study_id", "id", name=op.f("pk_history")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "judgement",
        sa.Column("interaction", sa.LargeBinary(length=16), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("instrument_id", serial(), nullable=False),
        sa.Column("turn", sa.LargeBinary(length=16), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("severity", sa.Integer(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("supersedes", sa.LargeBinary(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["instrument_id"], ["instrument.id"], name=op.f("fk_judgement_instrument_id_instrument")
        ),
        sa.PrimaryKeyConstraint("interaction", "id", name=op.f("pk_judgement")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "release",
        sa.Column("id", serial(), nullable=False),
        sa.Column("study_id", serial(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_release_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_release")),
        sa.UniqueConstraint("study_id", "version", name=op.f("uq_release_study_id_version")),
    )
    op.create_table(
        "definition_version",
        sa.Column("id", serial(), nullable=False),
        sa.Column("definition_id", serial(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["definition_id"], ["definition.id"], name=op.f("fk_definition_version_definition_id_definition")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_definition_version")),
        sa.UniqueConstraint(
            "definition_id", "number", name=op.f("uq_definition_version_definition_id_number")
        ),
    )
    op.create_index(
        "ix_definition_version_definition_id_digest",
        "definition_version",
        ["definition_id", "digest"],
        unique=False,
    )
    op.create_table(
        "fact",
        sa.Column("definition_id", serial(), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.LargeBinary(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("supersedes", sa.LargeBinary(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["definition_id"], ["definition.id"], name=op.f("fk_fact_definition_id_definition")
        ),
        sa.PrimaryKeyConstraint("definition_id", "id", name=op.f("pk_fact")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "release_fact",
        sa.Column("release_id", serial(), nullable=False),
        sa.Column("definition_id", serial(), nullable=False),
        sa.Column("fact_id", sa.LargeBinary(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name=op.f("fk_release_fact_release_id_release")
        ),
        sa.PrimaryKeyConstraint("release_id", "definition_id", "fact_id", name=op.f("pk_release_fact")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "run",
        sa.Column("id", serial(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("study_id", serial(), nullable=False),
        sa.Column("release_id", serial(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["release_id"], ["release.id"], name=op.f("fk_run_release_id_release")),
        sa.ForeignKeyConstraint(["study_id"], ["study.id"], name=op.f("fk_run_study_id_study")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
        sa.UniqueConstraint("name", name=op.f("uq_run_name")),
    )
    op.create_index("ix_run_study_id", "run", ["study_id"], unique=False)
    op.create_table(
        "attempt",
        sa.Column("run_id", serial(), nullable=False),
        sa.Column("stimulus", sa.LargeBinary(length=32), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("tokens_in", sa.Integer(), nullable=False),
        sa.Column("tokens_out", sa.Integer(), nullable=False),
        sa.Column("interaction", sa.LargeBinary(length=16), nullable=True),
        sa.Column("cost", sa.Float(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_attempt_run_id_run")),
        sa.PrimaryKeyConstraint("run_id", "stimulus", "arm", "index", name=op.f("pk_attempt")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "interaction",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("run_id", serial(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_interaction_run_id_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interaction")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "release_case",
        sa.Column("release_id", serial(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("version_id", serial(), nullable=False),
        sa.Column("closure", sa.LargeBinary(length=32), nullable=False),
        sa.Column("stimulus", sa.LargeBinary(length=32), nullable=False),
        sa.Column("first", sa.Boolean(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name=op.f("fk_release_case_release_id_release")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["definition_version.id"],
            name=op.f("fk_release_case_version_id_definition_version"),
        ),
        sa.PrimaryKeyConstraint("release_id", "ordinal", name=op.f("pk_release_case")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_release_case_release_id_stimulus", "release_case", ["release_id", "stimulus"], unique=False
    )
    op.create_table(
        "release_definition",
        sa.Column("release_id", serial(), nullable=False),
        sa.Column("version_id", serial(), nullable=False),
        sa.ForeignKeyConstraint(
            ["release_id"], ["release.id"], name=op.f("fk_release_definition_release_id_release")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["definition_version.id"],
            name=op.f("fk_release_definition_version_id_definition_version"),
        ),
        sa.PrimaryKeyConstraint("release_id", "version_id", name=op.f("pk_release_definition")),
        sqlite_with_rowid=False,
    )
