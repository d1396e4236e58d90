"""a plan at work: the step, the day of each figure, being stopped, and how often its worker died"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATES = "'queued','running','ready','held','published','superseded','failed'"
CHECK = "ck_plan_status"


def upgrade() -> None:
    op.add_column(
        "plan",
        sa.Column("step", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    )
    op.add_column("plan", sa.Column("stop_asked_at", postgresql.TIMESTAMP(timezone=True), nullable=True))
    op.add_column("plan", sa.Column("deaths", sa.BigInteger(), nullable=False, server_default="0"))
    op.alter_column("plan", "deaths", server_default=None)
    op.drop_constraint(op.f(CHECK), "plan")
    op.create_check_constraint(op.f(CHECK), "plan", f"status IN ({STATES},'cancelled')")
    op.execute(
        """
        UPDATE plan SET progress = coalesce((
            SELECT jsonb_agg(jsonb_build_object('seconds', p->0, 'best', p->1, 'bound', p->2, 'day', 0) ORDER BY n)
            FROM jsonb_array_elements(progress) WITH ORDINALITY AS told(p, n)
        ), '[]')
        """
    )


def downgrade() -> None:
    op.execute("UPDATE plan SET status = 'failed' WHERE status = 'cancelled'")
    op.drop_constraint(op.f(CHECK), "plan")
    op.create_check_constraint(op.f(CHECK), "plan", f"status IN ({STATES})")
    op.execute(
        """
        UPDATE plan SET progress = coalesce((
            SELECT jsonb_agg(jsonb_build_array(p->'seconds', p->'best', p->'bound') ORDER BY n)
            FROM jsonb_array_elements(progress) WITH ORDINALITY AS told(p, n)
        ), '[]')
        """
    )
    op.drop_column("plan", "deaths")
    op.drop_column("plan", "stop_asked_at")
    op.drop_column("plan", "step")
