"""who meets whom"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acquaintance",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("with_id", sa.Uuid(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "with_id", name=op.f("pk_acquaintance")),
    )


def downgrade() -> None:
    op.drop_table("acquaintance")
