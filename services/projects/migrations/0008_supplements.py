"""a contract's changes are signed by both sides"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SAID = "contract_id, kind, lines, until, reason, one_sided, text, sha256, proposed_by, proposed_at, answer_by"
FROZEN = f"""
    CREATE FUNCTION refuse_supplement_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' OR OLD.state <> 'proposed'
            OR ({", ".join(f"NEW.{name.strip()}" for name in SAID.split(","))})
                IS DISTINCT FROM ({", ".join(f"OLD.{name.strip()}" for name in SAID.split(","))})
        THEN
            RAISE EXCEPTION 'a supplement is not changed' USING
                ERRCODE = 'check_violation', CONSTRAINT = 'supplement_frozen';
        END IF;
        RETURN NEW;
    END $$
"""


def upgrade() -> None:
    op.create_table(
        "supplement",
        sa.Column("supplement_id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lines", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("one_sided", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=True),
        sa.Column("proposed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("answer_by", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("change_id", sa.Uuid(), nullable=True),
        sa.Column("ended_by", sa.Uuid(), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('addition', 'reduction', 'extension', 'suspension', 'resumption', 'termination')",
            name=op.f("ck_supplement_kind"),
        ),
        sa.CheckConstraint(
            "state IN ('proposed', 'in_force', 'declined', 'withdrawn', 'lapsed')",
            name=op.f("ck_supplement_state"),
        ),
        sa.CheckConstraint("(state = 'proposed') = (ended_at IS NULL)", name=op.f("ck_supplement_ended")),
        sa.CheckConstraint(
            "(state = 'in_force') = (change_id IS NOT NULL)", name=op.f("ck_supplement_change")
        ),
        sa.CheckConstraint(
            "state NOT IN ('declined', 'withdrawn') OR ended_reason IS NOT NULL",
            name=op.f("ck_supplement_reason"),
        ),
        sa.CheckConstraint(
            "NOT one_sided OR (kind IN ('suspension', 'termination') AND state = 'in_force')",
            name=op.f("ck_supplement_one_sided"),
        ),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contract.contract_id"], name=op.f("fk_supplement_contract_id_contract")
        ),
        sa.ForeignKeyConstraint(
            ["change_id"], ["contract_change.change_id"], name=op.f("fk_supplement_change_id_contract_change")
        ),
        sa.PrimaryKeyConstraint("supplement_id", name=op.f("pk_supplement")),
    )
    op.create_index(
        "uq_supplement_open",
        "supplement",
        ["contract_id"],
        unique=True,
        postgresql_where=sa.text("state = 'proposed'"),
    )
    op.create_index("ix_supplement_contract_id", "supplement", ["contract_id", "supplement_id"], unique=False)
    op.execute(FROZEN)
    op.execute(
        "CREATE TRIGGER supplement_frozen BEFORE UPDATE OR DELETE ON supplement"
        " FOR EACH ROW EXECUTE FUNCTION refuse_supplement_change()"
    )


def downgrade() -> None:
    op.drop_table("supplement")
    op.execute("DROP FUNCTION refuse_supplement_change()")
