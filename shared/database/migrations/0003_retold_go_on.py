"""retold, go on"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "outbox", sa.Column("retold", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("reading", sa.Column("go_on_at", postgresql.TIMESTAMP(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("reading", "go_on_at")
    op.drop_column("outbox", "retold")
