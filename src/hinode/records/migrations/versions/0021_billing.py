"""billing: whether the clips of a project are paid for from its credit"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "projects", sa.Column("billing", sa.Boolean(), nullable=False, server_default=sa.text("false"))
    )
