"""what happened in a grant"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "grant_step",
        sa.Column("step_id", sa.Uuid(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("milestone_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('handed_in', 'passed', 'failed', 'late', 'resumed', 'completed', 'terminated')",
            name=op.f("ck_grant_step_kind"),
        ),
        sa.ForeignKeyConstraint(["grant_id"], ["grant.grant_id"], name=op.f("fk_grant_step_grant_id_grant")),
        sa.ForeignKeyConstraint(
            ["milestone_id"], ["milestone.milestone_id"], name=op.f("fk_grant_step_milestone_id_milestone")
        ),
        sa.PrimaryKeyConstraint("step_id", name=op.f("pk_grant_step")),
    )
    op.create_index("ix_grant_step_grant_id", "grant_step", ["grant_id"], unique=False)
    op.execute(
        "CREATE TRIGGER grant_step_append_only BEFORE UPDATE OR DELETE ON grant_step"
        " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )


def downgrade() -> None:
    op.drop_index("ix_grant_step_grant_id", table_name="grant_step")
    op.drop_table("grant_step")
