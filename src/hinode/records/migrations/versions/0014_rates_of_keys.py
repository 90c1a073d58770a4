"""rates of keys: the token bucket of each key, which the API servers of one database share"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("rate_tokens", "rate_at"):
        op.add_column("api_keys", sa.Column(name, sa.Float(53), nullable=True))
