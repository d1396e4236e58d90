"""start"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "acceptance",
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("by_role", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("visit_id", name=op.f("pk_acceptance")),
    )
    op.create_table(
        "area",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("area_id", name=op.f("pk_area")),
    )
    op.create_table(
        "delivery",
        sa.Column("attendance_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.SmallInteger(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("disputed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("units >= 0", name=op.f("ck_delivery_units")),
        sa.PrimaryKeyConstraint("attendance_id", name=op.f("pk_delivery")),
    )
    op.create_index("ix_delivery_line_id", "delivery", ["line_id"], unique=False)
    op.create_index("ix_delivery_visit_id_person_id", "delivery", ["visit_id", "person_id"], unique=False)
    op.create_table(
        "delivery_entry",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("attendance_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.SmallInteger(), nullable=False),
        sa.Column("reversal", sa.Boolean(), nullable=False),
        sa.Column("capacity", sa.Text(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("disputed", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("capacity = 'employed'", name=op.f("ck_delivery_entry_capacity")),
        sa.CheckConstraint(
            "(reversal AND units <= 0) OR (NOT reversal AND units >= 0)", name=op.f("ck_delivery_entry_sign")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_delivery_entry")),
        sa.UniqueConstraint(
            "attendance_id",
            "revision",
            "reversal",
            name=op.f("uq_delivery_entry_attendance_id_revision_reversal"),
        ),
    )
    op.create_index(
        "ix_delivery_entry_line_id_day", "delivery_entry", ["line_id", "day", "entry_id"], unique=False
    )
    op.create_table(
        "leave",
        sa.Column("leave_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("starts_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('leave', 'other_client')", name=op.f("ck_leave_kind")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_leave_times")),
        sa.PrimaryKeyConstraint("leave_id", name=op.f("pk_leave")),
    )
    op.create_index("ix_leave_person_id_ends_at", "leave", ["person_id", "ends_at"], unique=False)
    op.create_table(
        "organisation",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("credit_code", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("rating", sa.Text(), nullable=True),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "channel IN ('public_direct', 'public_purchased', 'market', 'volunteer')",
            name=op.f("ck_organisation_channel"),
        ),
        sa.CheckConstraint(
            "credit_code ~ '^[0-9A-HJ-NPQRTUWXY]{18}$'", name=op.f("ck_organisation_credit_code")
        ),
        sa.CheckConstraint(
            "kind IN ('social_organisation', 'centre', 'firm')", name=op.f("ck_organisation_kind")
        ),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_organisation")),
    )
    op.create_index("uq_organisation_credit_code", "organisation", ["credit_code"], unique=True)
    op.create_table(
        "reservation",
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("units >= 0", name=op.f("ck_reservation_units")),
        sa.PrimaryKeyConstraint("visit_id", "person_id", name=op.f("pk_reservation")),
    )
    op.create_index("ix_reservation_line_id", "reservation", ["line_id"], unique=False)
    op.create_table(
        "staff_licence",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "code IN ('care_worker', 'nurse', 'social_worker', 'rehabilitation')",
            name=op.f("ck_staff_licence_code"),
        ),
        sa.PrimaryKeyConstraint("person_id", "code", name=op.f("pk_staff_licence")),
    )
    op.create_table(
        "contract",
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("fund", sa.Text(), nullable=False),
        sa.Column("theme", sa.Text(), nullable=False),
        sa.Column("beneficiary", sa.Text(), nullable=False),
        sa.Column("signed", sa.Date(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("state IN ('active', 'suspended', 'ended')", name=op.f("ck_contract_state")),
        sa.CheckConstraint("signed <= valid_to", name=op.f("ck_contract_signed")),
        sa.CheckConstraint("valid_from <= valid_to", name=op.f("ck_contract_days")),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
            name=op.f("fk_contract_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_contract")),
    )
    op.create_index("ix_contract_organisation_id", "contract", ["organisation_id"], unique=False)
    op.create_index("uq_contract_number", "contract", ["number"], unique=True)
    op.create_table(
        "staff",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("community_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("sex", sa.Text(), nullable=False),
        sa.Column("birth_year", sa.SmallInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("skills", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("dialects", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("limits", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("travel_mode", sa.Text(), nullable=False),
        sa.Column("weekly", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("insured_until", sa.Date(), nullable=True),
        sa.Column("lone_cleared_until", sa.Date(), nullable=True),
        sa.Column("daily_minutes", sa.BigInteger(), nullable=False),
        sa.Column("weekly_minutes", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("sex IN ('female', 'male')", name=op.f("ck_staff_sex")),
        sa.CheckConstraint(
            "travel_mode IN ('walk', 'bicycle', 'ebike', 'bus', 'car')", name=op.f("ck_staff_travel_mode")
        ),
        sa.CheckConstraint("daily_minutes BETWEEN 0 AND 720", name=op.f("ck_staff_daily_minutes")),
        sa.CheckConstraint("weekly_minutes BETWEEN 0 AND 3600", name=op.f("ck_staff_weekly_minutes")),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
            name=op.f("fk_staff_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("person_id", "organisation_id", name=op.f("pk_staff")),
    )
    op.create_index("ix_staff_organisation_id", "staff", ["organisation_id"], unique=False)
    op.create_table(
        "contract_line",
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("community_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("rounding_minutes", sa.BigInteger(), nullable=False),
        sa.Column("ceiling", sa.BigInteger(), nullable=False),
        sa.Column("unit_price_fen", sa.BigInteger(), nullable=False),
        sa.Column("wasted_trip", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("unit IN ('visit', 'hour', 'person_time')", name=op.f("ck_contract_line_unit")),
        sa.CheckConstraint("cardinality(kinds) > 0", name=op.f("ck_contract_line_kinds")),
        sa.CheckConstraint("ceiling >= 0", name=op.f("ck_contract_line_ceiling")),
        sa.CheckConstraint("rounding_minutes BETWEEN 1 AND 60", name=op.f("ck_contract_line_rounding")),
        sa.CheckConstraint("unit_price_fen >= 0", name=op.f("ck_contract_line_price")),
        sa.CheckConstraint("valid_from <= valid_to", name=op.f("ck_contract_line_days")),
        sa.CheckConstraint("wasted_trip BETWEEN 0 AND 100", name=op.f("ck_contract_line_wasted_trip")),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contract.contract_id"], name=op.f("fk_contract_line_contract_id_contract")
        ),
        sa.PrimaryKeyConstraint("line_id", name=op.f("pk_contract_line")),
    )
    op.create_index("ix_contract_line_contract_id", "contract_line", ["contract_id"], unique=False)
    op.create_table(
        "line_balance",
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("ceiling", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("free", sa.BigInteger(), nullable=False),
        sa.Column("over", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "ceiling + over = reserved + delivered + accepted + free", name=op.f("ck_line_balance_equation")
        ),
        sa.CheckConstraint("over = 0 OR free = 0", name=op.f("ck_line_balance_over_or_free")),
        sa.CheckConstraint(
            "reserved >= 0 AND delivered >= 0 AND accepted >= 0 AND free >= 0 AND over >= 0",
            name=op.f("ck_line_balance_signs"),
        ),
        sa.ForeignKeyConstraint(
            ["line_id"], ["contract_line.line_id"], name=op.f("fk_line_balance_line_id_contract_line")
        ),
        sa.PrimaryKeyConstraint("line_id", name=op.f("pk_line_balance")),
    )
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'ledger entries are never changed' USING ERRCODE = 'restrict_violation'; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER delivery_entry_append_only BEFORE UPDATE OR DELETE ON delivery_entry
        FOR EACH ROW EXECUTE FUNCTION refuse_change()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER delivery_entry_append_only ON delivery_entry")
    op.execute("DROP FUNCTION refuse_change()")
    op.drop_table("line_balance")
    op.drop_index("ix_contract_line_contract_id", table_name="contract_line")
    op.drop_table("contract_line")
    op.drop_index("ix_staff_organisation_id", table_name="staff")
    op.drop_table("staff")
    op.drop_index("uq_contract_number", table_name="contract")
    op.drop_index("ix_contract_organisation_id", table_name="contract")
    op.drop_table("contract")
    op.drop_table("staff_licence")
    op.drop_index("ix_reservation_line_id", table_name="reservation")
    op.drop_table("reservation")
    op.drop_index("uq_organisation_credit_code", table_name="organisation")
    op.drop_table("organisation")
    op.drop_index("ix_leave_person_id_ends_at", table_name="leave")
    op.drop_table("leave")
    op.drop_index("ix_delivery_entry_line_id_day", table_name="delivery_entry")
    op.drop_table("delivery_entry")
    op.drop_index("ix_delivery_visit_id_person_id", table_name="delivery")
    op.drop_index("ix_delivery_line_id", table_name="delivery")
    op.drop_table("delivery")
    op.drop_table("area")
    op.drop_table("acceptance")
