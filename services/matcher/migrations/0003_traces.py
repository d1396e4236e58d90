"""the trace of what left a place free, and of who asked for a plan"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("visit", sa.Column("trace", sa.Text(), nullable=True))
    op.add_column("plan", sa.Column("trace", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("plan", "trace")
    op.drop_column("visit", "trace")
