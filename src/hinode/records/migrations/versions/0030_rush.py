"""rush: jobs that are paid for to go first

They are of the class of previews, which servers of the version before know, too.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("rush", sa.Boolean(), nullable=False, server_default=sa.false()))
