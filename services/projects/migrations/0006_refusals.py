"""refused deliveries"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "refusal",
        sa.Column("refusal_id", sa.Uuid(), nullable=False),
        sa.Column("attendance_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("by_role", sa.Text(), nullable=False),
        sa.Column("refused_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("by_role IN ('resident', 'family', 'centre')", name=op.f("ck_refusal_by_role")),
        sa.CheckConstraint(
            "outcome IN ('payable', 'not_payable', 'accepted')", name=op.f("ck_refusal_outcome")
        ),
        sa.CheckConstraint("(outcome IS NULL) = (ended_at IS NULL)", name=op.f("ck_refusal_ended")),
        sa.CheckConstraint(
            "(outcome IN ('payable', 'not_payable')) = (reason IS NOT NULL)", name=op.f("ck_refusal_reason")
        ),
        sa.ForeignKeyConstraint(
            ["attendance_id"], ["delivery.attendance_id"], name=op.f("fk_refusal_attendance_id_delivery")
        ),
        sa.PrimaryKeyConstraint("refusal_id", name=op.f("pk_refusal")),
    )
    op.create_index(
        "uq_refusal_open",
        "refusal",
        ["attendance_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_refusal_due_on", "refusal", ["due_on", "refusal_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_refusal_due_on", table_name="refusal")
    op.drop_index("uq_refusal_open", table_name="refusal", postgresql_where=sa.text("ended_at IS NULL"))
    op.drop_table("refusal")
