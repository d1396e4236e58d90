"""who checks does not pay"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TWO = """
    CREATE FUNCTION refuse_own_check() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM claim WHERE claim_id = NEW.claim_id AND checked_by = NEW."by")
            OR EXISTS (SELECT FROM milestone WHERE milestone_id = NEW.milestone_id AND reviewed_by = NEW."by")
        THEN
            RAISE EXCEPTION 'checked by its payer' USING
                ERRCODE = 'check_violation', CONSTRAINT = 'payment_two_people';
        END IF;
        RETURN NEW;
    END $$
"""


def upgrade() -> None:
    op.execute(TWO)
    op.execute(
        "CREATE TRIGGER payment_two_people BEFORE INSERT ON payment"
        " FOR EACH ROW EXECUTE FUNCTION refuse_own_check()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER payment_two_people ON payment")
    op.execute("DROP FUNCTION refuse_own_check()")
