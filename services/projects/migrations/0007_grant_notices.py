"""a grant's stop and resumption are public"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BEFORE = (
    "'consultation', 'call', 'amendment', 'award', 'award_void', 'ended', 'contract', 'contract_change', "
    "'acceptance', 'payment'"
)


def upgrade() -> None:
    op.drop_constraint(op.f("ck_notice_kind"), "notice")
    op.create_check_constraint(
        op.f("ck_notice_kind"), "notice", f"kind IN ({BEFORE}, 'grant_stopped', 'grant_resumed')"
    )


def downgrade() -> None:
    op.execute("DELETE FROM notice WHERE kind IN ('grant_stopped', 'grant_resumed')")
    op.drop_constraint(op.f("ck_notice_kind"), "notice")
    op.create_check_constraint(op.f("ck_notice_kind"), "notice", f"kind IN ({BEFORE})")
