"""disputes of the earlier record"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dispute",
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("attendance_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("settled_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("settled_by", sa.Uuid(), nullable=True),
        sa.Column("settled_how", sa.Text(), nullable=True),
        sa.CheckConstraint("settled_how IN ('corrected', 'kept')", name=op.f("ck_dispute_settled_how")),
        sa.CheckConstraint("(settled_at IS NULL) = (settled_how IS NULL)", name=op.f("ck_dispute_settled")),
        sa.PrimaryKeyConstraint("dispute_id", name=op.f("pk_dispute")),
    )
    op.create_index("ix_dispute_person_id", "dispute", ["person_id"])
    op.create_index(
        "uq_dispute_open",
        "dispute",
        ["attendance_id"],
        unique=True,
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.add_column("record_entry", sa.Column("earlier", sa.Boolean(), nullable=True))
    # what a visit gave has the visit's id; what was opened with the record has only its own
    op.execute("ALTER TABLE record_entry DISABLE TRIGGER USER")
    op.execute("UPDATE record_entry SET earlier = (visit_id = attendance_id)")
    op.execute("ALTER TABLE record_entry ENABLE TRIGGER USER")
    op.alter_column("record_entry", "earlier", nullable=False)


def downgrade() -> None:
    op.drop_column("record_entry", "earlier")
    op.drop_table("dispute")
