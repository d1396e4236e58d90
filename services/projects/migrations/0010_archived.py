"""changes from before agreements were kept are known as such; an archived call stays as it is"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KEPT = """
    CREATE FUNCTION refuse_unkept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'a change has its agreement' USING
            ERRCODE = 'check_violation', CONSTRAINT = 'contract_change_agreement_kept';
    END $$
"""
ARCHIVED = """
    CREATE FUNCTION refuse_archived() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'archived' USING ERRCODE = 'check_violation', CONSTRAINT = 'call_archived';
    END $$
"""


def upgrade() -> None:
    op.add_column("contract_change", sa.Column("agreement_kept", sa.Boolean(), nullable=True))
    op.execute("ALTER TABLE contract_change DISABLE TRIGGER USER")
    op.execute(
        "UPDATE contract_change SET agreement_kept = EXISTS"
        " (SELECT FROM supplement WHERE supplement.change_id = contract_change.change_id)"
    )
    op.execute("ALTER TABLE contract_change ENABLE TRIGGER USER")
    op.alter_column("contract_change", "agreement_kept", nullable=False)
    op.execute(KEPT)
    op.execute(
        "CREATE TRIGGER agreement_kept BEFORE INSERT ON contract_change"
        " FOR EACH ROW WHEN (NOT NEW.agreement_kept) EXECUTE FUNCTION refuse_unkept()"
    )
    op.execute(ARCHIVED)
    op.execute(
        "CREATE TRIGGER call_archived BEFORE UPDATE OR DELETE ON call"
        " FOR EACH ROW WHEN (OLD.state = 'archived') EXECUTE FUNCTION refuse_archived()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER call_archived ON call")
    op.execute("DROP FUNCTION refuse_archived()")
    op.execute("DROP TRIGGER agreement_kept ON contract_change")
    op.execute("DROP FUNCTION refuse_unkept()")
    op.drop_column("contract_change", "agreement_kept")
