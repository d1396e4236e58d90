"""a file that was handed in may be taken back"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("file", sa.Column("withdrawn_by", sa.Uuid(), nullable=True))
    op.add_column("file", sa.Column("withdrawn_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.create_check_constraint(
        op.f("ck_file_withdrawn"), "file", "(withdrawn_at IS NULL) = (withdrawn_by IS NULL)"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_file_withdrawn"), "file")
    op.drop_column("file", "withdrawn_at")
    op.drop_column("file", "withdrawn_by")
