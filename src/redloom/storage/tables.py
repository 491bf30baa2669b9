"""Every table and index. Facts are only ever inserted; of the rest, a few columns say so where they change."""

from __future__ import annotations

import sqlalchemy as sa

from redloom.storage.types import Digest, Json, Moment

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A number given by the database."""
TimeOrdered = sa.LargeBinary(16)
"""An id of our own that sorts by time."""


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _reference(name: str, to: str, *, key: bool = False, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, Serial, sa.ForeignKey(to), primary_key=key, nullable=null)


study = sa.Table(
    "study",
    metadata,
    sa.Column("id", Serial, primary_key=True),
    sa.Column("slug", sa.Text, nullable=False, unique=True),
    sa.Column("created_at", Moment, nullable=False),
)

definition = sa.Table(
    "definition",
    metadata,
    sa.Column("id", Serial, primary_key=True),
    _reference("study_id", "study.id"),
    _text("kind"),
    _text("slug"),
    sa.Column("head_id", Serial, nullable=True),  # moves to each new version
    sa.Column("retired", sa.Boolean, nullable=False, default=False),  # set by prune
    sa.UniqueConstraint("study_id", "kind", "slug"),
)

definition_version = sa.Table(
    "definition_version",
    metadata,
    sa.Column("id", Serial, primary_key=True),
    _reference("definition_id", "definition.id"),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("digest", Digest, nullable=False),
    sa.Column("body", Json, nullable=False),
    _text("author"),
    _text("origin"),
    _text("why"),
    sa.Column("created_at", Moment, nullable=False),
    sa.UniqueConstraint("definition_id", "number"),
)

case_line = sa.Table(  # derived; see redloom.storage.case_lines
    "case_line",
    metadata,
    _reference("definition_id", "definition.id", key=True),
    _reference("study_id", "study.id"),
    _text("slug"),
    _text("status"),
    _text("scenario", null=True),
    _text("harm", null=True),
    _text("language", null=True),
    _text("origin"),
    sa.Column("turns", sa.Integer, nullable=False),
    _text("said"),
    sa.Column("at", Moment, nullable=False),
)

fact = sa.Table(
    "fact",
    metadata,
    _reference("definition_id", "definition.id", key=True),
    sa.Column("id", TimeOrdered, primary_key=True),
    _text("kind"),
    sa.Column("about", Digest, nullable=False),
    sa.Column("body", Json, nullable=False),
    _text("author"),
    _text("why"),
    sa.Column("supersedes", TimeOrdered, nullable=True),
    sqlite_with_rowid=False,
)

history = sa.Table(
    "history",
    metadata,
    _reference("study_id", "study.id", key=True),
    sa.Column("id", TimeOrdered, primary_key=True),
    _text("who"),
    _text("what"),
    _text("why"),
    sa.Column("detail", Json, nullable=True),
    sqlite_with_rowid=False,
)

release = sa.Table(
    "release",
    metadata,
    sa.Column("id", Serial, primary_key=True),
    _reference("study_id", "study.id"),
    _text("version"),
    sa.Column("digest", Digest, nullable=False),
    sa.Column("manifest", Json, nullable=False),
    sa.Column("salt", sa.LargeBinary(32), nullable=False),
    _text("author"),
    _text("why"),
    sa.Column("created_at", Moment, nullable=False),
    sa.UniqueConstraint("study_id", "version"),
)

release_case = sa.Table(
    "release_case",
    metadata,
    _reference("release_id", "release.id", key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),
    _reference("version_id", "definition_version.id"),
    sa.Column("closure", Digest, nullable=False),
    sa.Column("stimulus", Digest, nullable=False),
    sa.Column("first", sa.Boolean, nullable=False),  # no case before it has this stimulus
    _text("cluster"),
    _text("split"),
    _text("status"),
    sqlite_with_rowid=False,
)

release_definition = sa.Table(
    "release_definition",
    metadata,
    _reference("release_id", "release.id", key=True),
    _reference("version_id", "definition_version.id", key=True),
    sqlite_with_rowid=False,
)

release_fact = sa.Table(
    "release_fact",
    metadata,
    _reference("release_id", "release.id", key=True),
    sa.Column("definition_id", Serial, primary_key=True),
    sa.Column("fact_id", TimeOrdered, primary_key=True),
    sqlite_with_rowid=False,
)

run = sa.Table(
    "run",
    metadata,
    sa.Column("id", Serial, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    _reference("study_id", "study.id"),
    _reference("release_id", "release.id"),
    sa.Column("spec", Json, nullable=False),
    _text("state"),  # moves
    _text("message", null=True),  # why it stopped
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("finished_at", Moment, nullable=True),
    sa.Column(
        "changes", sa.Integer, nullable=False, server_default="0"
    ),  # counts what was done to it from outside
)

attempt = sa.Table(
    "attempt",
    metadata,
    _reference("run_id", "run.id", key=True),
    sa.Column("stimulus", Digest, primary_key=True),
    sa.Column("arm", sa.Text, primary_key=True),
    sa.Column("index", sa.Integer, primary_key=True),
    _text("state"),  # moves to a final state
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Column("tokens_in", sa.Integer, nullable=False),
    sa.Column("tokens_out", sa.Integer, nullable=False),
    sa.Column("interaction", TimeOrdered, nullable=True),
    sa.Column("cost", sa.Float, nullable=True),
    _text("error", null=True),
    sqlite_with_rowid=False,
)

interaction = sa.Table(
    "interaction",
    metadata,
    sa.Column("id", TimeOrdered, primary_key=True),
    _reference("run_id", "run.id", null=True),
    _text("ended_by", null=True),  # set at the end
    sqlite_with_rowid=False,
)

turn = sa.Table(
    "turn",
    metadata,
    sa.Column("interaction", TimeOrdered, primary_key=True),
    sa.Column("id", TimeOrdered, primary_key=True),
    sa.Column("parent", TimeOrdered, nullable=True),
    _text("text", null=True),
    _text("reply"),
    _text("finish_reason", null=True),
    sa.Column("tokens_in", sa.Integer, nullable=True),
    sa.Column("tokens_out", sa.Integer, nullable=True),
    sa.Column("latency_ms", sa.Integer, nullable=True),
    sqlite_with_rowid=False,
)

imported = sa.Table(
    "imported",
    metadata,
    _reference("run_id", "run.id", key=True),
    sa.Column("ordinal", sa.Integer, primary_key=True),  # of the case that has its user's side
    sa.Column("interaction", TimeOrdered, nullable=False),
    sa.Column("line", sa.Integer, nullable=False),  # of the file
    _text("system", null=True),  # the system prompt in force
    sqlite_with_rowid=False,
)

decision = sa.Table(
    "decision",
    metadata,
    _reference("run_id", "run.id", key=True),
    sa.Column("id", TimeOrdered, primary_key=True),
    sa.Column("body", Json, nullable=False),
    sqlite_with_rowid=False,
)

instrument = sa.Table(
    "instrument",
    metadata,
    sa.Column("id", Serial, primary_key=True),
    sa.Column("digest", Digest, nullable=False, unique=True),
    sa.Column("body", Json, nullable=False),
)

probe = sa.Table(
    "probe",
    metadata,
    _reference("instrument_id", "instrument.id", key=True),
    sa.Column("id", TimeOrdered, primary_key=True),
    sa.Column("body", Json, nullable=False),
    sqlite_with_rowid=False,
)

judgement = sa.Table(
    "judgement",
    metadata,
    sa.Column("interaction", TimeOrdered, primary_key=True),
    sa.Column("id", TimeOrdered, primary_key=True),
    _reference("instrument_id", "instrument.id"),
    sa.Column("turn", TimeOrdered, nullable=True),
    _text("state"),
    _text("verdict", null=True),
    sa.Column("severity", sa.Integer, nullable=True),
    _text("refusal", null=True),
    sa.Column("details", Json, nullable=True),
    sa.Column("supersedes", TimeOrdered, nullable=True),
    sqlite_with_rowid=False,
)

judging = sa.Table(
    "judging",
    metadata,
    _reference("run_id", "run.id", key=True),
    sa.Column("id", TimeOrdered, primary_key=True),
    sa.Column("body", Json, nullable=False),
    sqlite_with_rowid=False,
)

participant = sa.Table(
    "participant",
    metadata,
    sa.Column("id", Serial, primary_key=True),
    _reference("study_id", "study.id", null=True),  # none for all studies
    _text("name"),
    _text("role"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("ended_at", Moment, nullable=True),  # set once
    sa.UniqueConstraint("study_id", "name"),
)

invitation = sa.Table(
    "invitation",
    metadata,
    sa.Column("token", Digest, primary_key=True),  # of the secret, which is stored nowhere
    _reference("participant_id", "participant.id"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("used_at", Moment, nullable=True),  # set once
    sqlite_with_rowid=False,
)

session = sa.Table(
    "session",
    metadata,
    sa.Column("token", Digest, primary_key=True),
    _reference("participant_id", "participant.id"),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("ended_at", Moment, nullable=True),  # set once
    sqlite_with_rowid=False,
)

exploration = sa.Table(
    "exploration",
    metadata,
    sa.Column("id", TimeOrdered, primary_key=True),
    _reference("study_id", "study.id"),
    sa.Column("body", Json, nullable=False),
    _text("author"),
    sqlite_with_rowid=False,
)

exchange = sa.Table(
    "exchange",
    metadata,
    sa.Column("exploration", TimeOrdered, sa.ForeignKey("exploration.id"), primary_key=True),
    sa.Column("id", TimeOrdered, primary_key=True),  # of the turn, too
    sa.Column("move", TimeOrdered, nullable=False),  # one message, to several systems at once
    sa.Column("lane", sa.Integer, nullable=False),
    sa.Column("parent", TimeOrdered, nullable=True),
    _text("text", null=True),  # as somebody typed it; none where the system opens
    _text("state"),  # moves to a final state
    _text("partial", null=True),  # what has come of the reply so far; moves into a turn
    _text("error", null=True),
    _text("author"),
    sa.Column("seen_at", Moment, nullable=False),  # moves while somebody waits for the reply
    sqlite_with_rowid=False,
)

mark = sa.Table(
    "mark",
    metadata,
    sa.Column("exploration", TimeOrdered, sa.ForeignKey("exploration.id"), primary_key=True),
    sa.Column("id", TimeOrdered, primary_key=True),
    sa.Column("exchange", TimeOrdered, nullable=False),
    sa.Column("body", Json, nullable=False),
    _text("author"),
    sa.Column("supersedes", TimeOrdered, nullable=True),
    sqlite_with_rowid=False,
)

finding = sa.Table(
    "finding",
    metadata,
    sa.Column("id", TimeOrdered, primary_key=True),
    _reference("study_id", "study.id"),
    sa.Column("number", sa.Integer, nullable=False),
    _text("author"),
    sa.UniqueConstraint("study_id", "number"),
    sqlite_with_rowid=False,
)

finding_fact = sa.Table(
    "finding_fact",
    metadata,
    sa.Column("finding", TimeOrdered, sa.ForeignKey("finding.id"), primary_key=True),
    sa.Column("id", TimeOrdered, primary_key=True),
    _text("kind"),
    sa.Column("body", Json, nullable=False),
    _text("author"),
    sqlite_with_rowid=False,
)

proposal = sa.Table(
    "proposal",
    metadata,
    sa.Column("id", TimeOrdered, primary_key=True),
    _reference("study_id", "study.id"),
    _text("kind"),
    _text("slug"),
    sa.Column("base", Digest, nullable=True),  # the version it was made from; none for a new definition
    sa.Column("body", Json, nullable=False),
    _text("author"),
    _text("why"),
    _text("state"),  # moves once
    sa.Column("decision", Json, nullable=True),  # set once: by whom, why, what came of it
    sqlite_with_rowid=False,
)

order_taken = sa.Table(
    "order_taken",
    metadata,
    _reference("study_id", "study.id", key=True),
    sa.Column("key", sa.Text, primary_key=True),
    _text("who"),
    sa.Column("at", Moment, nullable=False),
    sqlite_with_rowid=False,
)

reading = sa.Table(
    "reading",
    metadata,
    _reference("study_id", "study.id", key=True),
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("body", Json, nullable=False),  # what was chosen last
    sqlite_with_rowid=False,
)

sa.Index(
    "ix_definition_version_definition_id_digest",
    definition_version.c.definition_id,
    definition_version.c.digest,
)
for _columns in (
    ("study_id", "slug"),
    ("study_id", "status", "at", "definition_id"),
    ("study_id", "scenario"),
    ("study_id", "at", "definition_id"),
):
    sa.Index(f"ix_case_line_{'_'.join(_columns)}", *(case_line.c[name] for name in _columns))
sa.Index("ix_release_case_release_id_stimulus", release_case.c.release_id, release_case.c.stimulus)
sa.Index("ix_run_study_id", run.c.study_id)
sa.Index("ix_exploration_study_id", exploration.c.study_id)
sa.Index("ix_proposal_study_id", proposal.c.study_id)
