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
        "delivery",
        sa.Column("attendance_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("attendance_id", name=op.f("pk_delivery")),
    )
    op.create_table(
        "fence",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_fence")),
    )
    op.create_table(
        "line",
        sa.Column("line_id", sa.Uuid(), nullable=False),
        sa.Column("line_version", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("ceiling", sa.BigInteger(), nullable=False),
        sa.Column("committed", sa.BigInteger(), nullable=False),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("overdraft", sa.BigInteger(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("data", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint("committed + delivered <= ceiling + overdraft", name=op.f("ck_line_ceiling")),
        sa.CheckConstraint("committed >= 0", name=op.f("ck_line_committed")),
        sa.CheckConstraint("delivered >= 0", name=op.f("ck_line_delivered")),
        sa.CheckConstraint("overdraft >= 0", name=op.f("ck_line_overdraft")),
        sa.PrimaryKeyConstraint("line_id", name=op.f("pk_line")),
    )
    op.create_index(op.f("ix_line_organisation_id"), "line", ["organisation_id"], unique=False)
    op.create_table(
        "offer",
        sa.Column("offer_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("carer_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("need_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("until", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("metres", sa.BigInteger(), nullable=True),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("answered_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("answer_why", sa.Text(), nullable=True),
        sa.Column("taken_by", sa.Uuid(), nullable=True),
        sa.Column("taken_from", sa.Text(), nullable=True),
        sa.Column("not_reached", sa.BigInteger(), nullable=False),
        sa.Column("tried_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("seen_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('open','accepted','declined','lapsed','taken','cancelled')",
            name=op.f("ck_offer_state"),
        ),
        sa.PrimaryKeyConstraint("offer_id", name=op.f("pk_offer")),
    )
    op.create_index(
        "ix_offer_centre_open",
        "offer",
        ["centre_id", "until"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_offer_open_until", "offer", ["until"], unique=False, postgresql_where=sa.text("state = 'open'")
    )
    op.create_index("ix_offer_person_state", "offer", ["person_id", "state"], unique=False)
    op.create_table(
        "person",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("person_no", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_person")),
        sa.UniqueConstraint("person_no", name=op.f("uq_person_person_no")),
    )
    op.create_table(
        "plan",
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("days", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Uuid(), nullable=True),
        sa.Column("asked_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("lease_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("lease_epoch", sa.BigInteger(), nullable=False),
        sa.Column("ready_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("published_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("published_by", sa.Uuid(), nullable=True),
        sa.Column("held_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("progress", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("summary", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "status IN ('queued','running','ready','held','published','superseded','failed')",
            name=op.f("ck_plan_status"),
        ),
        sa.CheckConstraint("days BETWEEN 1 AND 7", name=op.f("ck_plan_days")),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_plan")),
    )
    op.create_index("ix_plan_first_day", "plan", ["first_day"], unique=False)
    op.create_index("ix_plan_status", "plan", ["status"], unique=False)
    op.create_table(
        "published_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("published_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", "town_id", name=op.f("pk_published_day")),
    )
    op.create_table(
        "refusal",
        sa.Column("refusal_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("resident_id", sa.Uuid(), nullable=True),
        sa.Column("by_planner", sa.Boolean(), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("num_nonnulls(visit_id, kind, resident_id) = 1", name=op.f("ck_refusal_one")),
        sa.PrimaryKeyConstraint("refusal_id", name=op.f("pk_refusal")),
    )
    op.create_index("ix_refusal_person", "refusal", ["person_id"], unique=False)
    op.create_index(op.f("ix_refusal_visit_id"), "refusal", ["visit_id"], unique=False)
    op.create_table(
        "visit",
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("visit_version", sa.BigInteger(), nullable=False),
        sa.Column("need_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("earliest_start", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("latest_start", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("carers", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("vital", sa.Boolean(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("community_id", sa.Uuid(), nullable=False),
        sa.Column("data", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("staffing_version", sa.BigInteger(), nullable=False),
        sa.Column("unmet", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("waiting_since", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("visit_id", name=op.f("pk_visit")),
    )
    op.create_index("ix_visit_centre_day", "visit", ["centre_id", "day"], unique=False)
    op.create_index("ix_visit_day_status", "visit", ["day", "status"], unique=False)
    op.create_index(
        "ix_visit_waiting",
        "visit",
        ["waiting_since"],
        unique=False,
        postgresql_where=sa.text("waiting_since IS NOT NULL"),
    )
    op.create_table(
        "work_done",
        sa.Column("attendance_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("resident_ids", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("attendance_id", name=op.f("pk_work_done")),
    )
    op.create_index("ix_work_done_person_day", "work_done", ["person_id", "day"], unique=False)
    op.create_table(
        "assignment",
        sa.Column("assignment_id", sa.Uuid(), nullable=False),
        sa.Column("offer_id", sa.Uuid(), nullable=True),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("carer_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("person_no", sa.BigInteger(), nullable=False),
        sa.Column("capacity", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("line_id", sa.Uuid(), nullable=True),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("committed", sa.Boolean(), nullable=False),
        sa.Column("starts_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("confirmed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_why", sa.Text(), nullable=True),
        sa.Column("ended_seen_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("plan_id", sa.Uuid(), nullable=True),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        postgresql.ExcludeConstraint(
            (sa.text("int8range(person_no, person_no, '[]')"), "&&"),
            (sa.text("tstzrange(starts_at, ends_at)"), "&&"),
            where=sa.text("state IN ('accepted', 'rostered')"),
            using="gist",
            name="ex_assignment_person_busy",
        ),
        sa.CheckConstraint(
            "(capacity = 'employed') = (organisation_id IS NOT NULL)", name=op.f("ck_assignment_capacity")
        ),
        sa.CheckConstraint(
            "state IN ('offered','accepted','rostered','declined','lapsed','withdrawn','released')",
            name=op.f("ck_assignment_state"),
        ),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_assignment_times")),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.offer_id"], name=op.f("fk_assignment_offer_id_offer")),
        sa.ForeignKeyConstraint(["visit_id"], ["visit.visit_id"], name=op.f("fk_assignment_visit_id_visit")),
        sa.PrimaryKeyConstraint("assignment_id", name=op.f("pk_assignment")),
    )
    op.create_index(op.f("ix_assignment_offer_id"), "assignment", ["offer_id"], unique=False)
    op.create_index(
        "ix_assignment_organisation_time", "assignment", ["organisation_id", "starts_at"], unique=False
    )
    op.create_index("ix_assignment_person_time", "assignment", ["person_id", "starts_at"], unique=False)
    op.create_index("ix_assignment_visit", "assignment", ["visit_id"], unique=False)
    op.create_index(
        "uq_assignment_place",
        "assignment",
        ["visit_id", "slot"],
        unique=True,
        postgresql_where=sa.text("state IN ('accepted', 'rostered')"),
    )
    op.create_index(
        "uq_assignment_visit_person",
        "assignment",
        ["visit_id", "person_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('accepted', 'rostered')"),
    )
    op.create_table(
        "carer",
        sa.Column("carer_id", sa.Uuid(), nullable=False),
        sa.Column("carer_version", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("capacity", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("data", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.person_id"], name=op.f("fk_carer_person_id_person")),
        sa.PrimaryKeyConstraint("carer_id", name=op.f("pk_carer")),
    )
    op.create_index(op.f("ix_carer_centre_id"), "carer", ["centre_id"], unique=False)
    op.create_index(op.f("ix_carer_organisation_id"), "carer", ["organisation_id"], unique=False)
    op.create_index(op.f("ix_carer_person_id"), "carer", ["person_id"], unique=False)
    op.create_table(
        "plan_assignment",
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("carer_id", sa.Uuid(), nullable=False),
        sa.Column("carer_version", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("capacity", sa.Text(), nullable=False),
        sa.Column("line_id", sa.Uuid(), nullable=True),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("fixed", sa.Boolean(), nullable=False),
        sa.Column("travel_seconds", sa.BigInteger(), nullable=False),
        sa.Column("points", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plan.plan_id"], name=op.f("fk_plan_assignment_plan_id_plan"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("plan_id", "visit_id", "slot", name=op.f("pk_plan_assignment")),
    )
    op.create_index("ix_plan_assignment_carer", "plan_assignment", ["plan_id", "carer_id"], unique=False)
    op.create_table(
        "plan_visit",
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("visit_version", sa.BigInteger(), nullable=False),
        sa.Column("staffing_version", sa.BigInteger(), nullable=False),
        sa.Column("unmet", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("applied", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["plan.plan_id"], name=op.f("fk_plan_visit_plan_id_plan"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("plan_id", "visit_id", name=op.f("pk_plan_visit")),
    )
    op.create_index("ix_plan_visit_day", "plan_visit", ["plan_id", "day"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_plan_visit_day", table_name="plan_visit")
    op.drop_table("plan_visit")
    op.drop_index("ix_plan_assignment_carer", table_name="plan_assignment")
    op.drop_table("plan_assignment")
    op.drop_index(op.f("ix_carer_person_id"), table_name="carer")
    op.drop_index(op.f("ix_carer_organisation_id"), table_name="carer")
    op.drop_index(op.f("ix_carer_centre_id"), table_name="carer")
    op.drop_table("carer")
    op.drop_index(
        "uq_assignment_visit_person",
        table_name="assignment",
        postgresql_where=sa.text("state IN ('accepted', 'rostered')"),
    )
    op.drop_index(
        "uq_assignment_place",
        table_name="assignment",
        postgresql_where=sa.text("state IN ('accepted', 'rostered')"),
    )
    op.drop_index("ix_assignment_visit", table_name="assignment")
    op.drop_index("ix_assignment_person_time", table_name="assignment")
    op.drop_index("ix_assignment_organisation_time", table_name="assignment")
    op.drop_index(op.f("ix_assignment_offer_id"), table_name="assignment")
    op.drop_table("assignment")
    op.drop_index("ix_work_done_person_day", table_name="work_done")
    op.drop_table("work_done")
    op.drop_index(
        "ix_visit_waiting", table_name="visit", postgresql_where=sa.text("waiting_since IS NOT NULL")
    )
    op.drop_index("ix_visit_day_status", table_name="visit")
    op.drop_index("ix_visit_centre_day", table_name="visit")
    op.drop_table("visit")
    op.drop_index(op.f("ix_refusal_visit_id"), table_name="refusal")
    op.drop_index("ix_refusal_person", table_name="refusal")
    op.drop_table("refusal")
    op.drop_table("published_day")
    op.drop_index("ix_plan_status", table_name="plan")
    op.drop_index("ix_plan_first_day", table_name="plan")
    op.drop_table("plan")
    op.drop_table("person")
    op.drop_index("ix_offer_person_state", table_name="offer")
    op.drop_index("ix_offer_open_until", table_name="offer", postgresql_where=sa.text("state = 'open'"))
    op.drop_index("ix_offer_centre_open", table_name="offer", postgresql_where=sa.text("state = 'open'"))
    op.drop_table("offer")
    op.drop_index(op.f("ix_line_organisation_id"), table_name="line")
    op.drop_table("line")
    op.drop_table("fence")
    op.drop_table("delivery")
