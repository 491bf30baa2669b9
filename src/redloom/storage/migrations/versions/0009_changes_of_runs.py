"""How often a run was changed, so that what was worked out of it can be kept until then"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("run", sa.Column("changes", sa.Integer(), nullable=False, server_default="0"))
