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
        "area",
        sa.Column("area_id", sa.Uuid(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("area_id", name=op.f("pk_area")),
    )
    op.create_table(
        "award",
        sa.Column("award_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("grantor", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("award_id", name=op.f("pk_award")),
    )
    op.create_index(op.f("ix_award_person_id"), "award", ["person_id"], unique=False)
    op.create_table(
        "calendar_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("workday", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_calendar_day")),
    )
    op.create_table(
        "evaluation",
        sa.Column("evaluation_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("quality", sa.SmallInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("quality BETWEEN 1 AND 5", name=op.f("ck_evaluation_quality")),
        sa.PrimaryKeyConstraint("evaluation_id", name=op.f("pk_evaluation")),
    )
    op.create_index(op.f("ix_evaluation_person_id"), "evaluation", ["person_id"], unique=False)
    op.create_table(
        "record_entry",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("attendance_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.SmallInteger(), nullable=False),
        sa.Column("reversal", sa.Boolean(), nullable=False),
        sa.Column("capacity", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.Column("community_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("responsible_id", sa.Uuid(), nullable=False),
        sa.Column("confirmed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.CheckConstraint("capacity = 'volunteer'", name=op.f("ck_record_entry_capacity")),
        sa.CheckConstraint(
            "(reversal AND minutes <= 0) OR (NOT reversal AND minutes >= 0)",
            name=op.f("ck_record_entry_sign"),
        ),
        sa.CheckConstraint("revision > 0", name=op.f("ck_record_entry_revision")),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_record_entry")),
        sa.UniqueConstraint(
            "attendance_id",
            "revision",
            "reversal",
            name=op.f("uq_record_entry_attendance_id_revision_reversal"),
        ),
    )
    op.create_index("ix_record_entry_attendance_id", "record_entry", ["attendance_id"], unique=False)
    op.create_index(
        "ix_record_entry_person_id_day", "record_entry", ["person_id", "day", "entry_id"], unique=False
    )
    op.create_table(
        "team",
        sa.Column("team_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("community_id", sa.Uuid(), nullable=False),
        sa.Column("leader_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("team_id", name=op.f("pk_team")),
    )
    op.create_table(
        "training",
        sa.Column("training_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.Column("organiser", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.CheckConstraint("minutes > 0", name=op.f("ck_training_minutes")),
        sa.PrimaryKeyConstraint("training_id", name=op.f("pk_training")),
    )
    op.create_index(op.f("ix_training_person_id"), "training", ["person_id"], unique=False)
    op.create_table(
        "volunteer",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("community_id", sa.Uuid(), nullable=False),
        sa.Column("cell_id", sa.Uuid(), nullable=True),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("team_id", sa.Uuid(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("sex", sa.Text(), nullable=False),
        sa.Column("birth_year", sa.SmallInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("id_hash", sa.LargeBinary(), nullable=True),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("travel_mode", sa.Text(), nullable=False),
        sa.Column("dialects", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("limits", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("refused_kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("daily_minutes", sa.BigInteger(), nullable=False),
        sa.Column("weekly_minutes", sa.BigInteger(), nullable=False),
        sa.Column("insured_until", sa.Date(), nullable=True),
        sa.Column("lone_cleared_until", sa.Date(), nullable=True),
        sa.Column("stipended", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("registered_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("registered_by", sa.Uuid(), nullable=True),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("sex IN ('female', 'male')", name=op.f("ck_volunteer_sex")),
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'suspended', 'left')", name=op.f("ck_volunteer_status")
        ),
        sa.CheckConstraint(
            "travel_mode IN ('walk', 'bicycle', 'ebike', 'bus', 'car')", name=op.f("ck_volunteer_travel_mode")
        ),
        sa.CheckConstraint("(lon IS NULL) = (lat IS NULL)", name=op.f("ck_volunteer_placed")),
        sa.CheckConstraint("daily_minutes BETWEEN 0 AND 720", name=op.f("ck_volunteer_daily_minutes")),
        sa.CheckConstraint("weekly_minutes BETWEEN 0 AND 2640", name=op.f("ck_volunteer_weekly_minutes")),
        sa.ForeignKeyConstraint(["team_id"], ["team.team_id"], name=op.f("fk_volunteer_team_id_team")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_volunteer")),
    )
    op.create_index("ix_volunteer_centre_id_person_id", "volunteer", ["centre_id", "person_id"], unique=False)
    op.create_index(
        "ix_volunteer_community_id_person_id", "volunteer", ["community_id", "person_id"], unique=False
    )
    op.create_index("ix_volunteer_town_id_person_id", "volunteer", ["town_id", "person_id"], unique=False)
    op.create_index(
        "uq_volunteer_id_hash",
        "volunteer",
        ["id_hash"],
        unique=True,
        postgresql_where=sa.text("id_hash IS NOT NULL"),
    )
    op.create_table(
        "exception",
        sa.Column("exception_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column("to_day", sa.Date(), nullable=False),
        sa.Column("parts", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("available", sa.Boolean(), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("cardinality(parts) > 0", name=op.f("ck_exception_parts")),
        sa.CheckConstraint("from_day <= to_day", name=op.f("ck_exception_days")),
        sa.CheckConstraint("to_day - from_day <= 366", name=op.f("ck_exception_span")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["volunteer.person_id"], name=op.f("fk_exception_person_id_volunteer")
        ),
        sa.PrimaryKeyConstraint("exception_id", name=op.f("pk_exception")),
    )
    op.create_index("ix_exception_person_id_to_day", "exception", ["person_id", "to_day"], unique=False)
    op.create_table(
        "licence",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.CheckConstraint(
            "code IN ('care_worker', 'nurse', 'social_worker', 'rehabilitation')",
            name=op.f("ck_licence_code"),
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["volunteer.person_id"], name=op.f("fk_licence_person_id_volunteer")
        ),
        sa.PrimaryKeyConstraint("person_id", "code", name=op.f("pk_licence")),
    )
    op.create_table(
        "skill",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("skill", sa.Text(), nullable=False),
        sa.Column("verified_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("verified_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "skill IN ('companionship', 'meal', 'cleaning', 'bathing', 'care', 'nursing', 'medication', 'escort', 'rehabilitation', 'haircut', 'repair', 'digital', 'sign_language', 'counselling', 'social_work')",
            name=op.f("ck_skill_skill"),
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["volunteer.person_id"], name=op.f("fk_skill_person_id_volunteer")
        ),
        sa.PrimaryKeyConstraint("person_id", "skill", name=op.f("pk_skill")),
    )
    op.create_table(
        "weekly_part",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Text(), nullable=False),
        sa.CheckConstraint("part IN ('morning', 'afternoon', 'evening')", name=op.f("ck_weekly_part_part")),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_weekly_part_weekday")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["volunteer.person_id"], name=op.f("fk_weekly_part_person_id_volunteer")
        ),
        sa.PrimaryKeyConstraint("person_id", "weekday", "part", name=op.f("pk_weekly_part")),
    )
    op.execute(
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'record entries are never changed' USING ERRCODE = 'restrict_violation'; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER record_entry_append_only BEFORE UPDATE OR DELETE ON record_entry
        FOR EACH ROW EXECUTE FUNCTION refuse_change()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER record_entry_append_only ON record_entry")
    op.execute("DROP FUNCTION refuse_change()")
    op.drop_table("weekly_part")
    op.drop_table("skill")
    op.drop_table("licence")
    op.drop_index("ix_exception_person_id_to_day", table_name="exception")
    op.drop_table("exception")
    op.drop_index(
        "uq_volunteer_id_hash", table_name="volunteer", postgresql_where=sa.text("id_hash IS NOT NULL")
    )
    op.drop_index("ix_volunteer_town_id_person_id", table_name="volunteer")
    op.drop_index("ix_volunteer_community_id_person_id", table_name="volunteer")
    op.drop_index("ix_volunteer_centre_id_person_id", table_name="volunteer")
    op.drop_table("volunteer")
    op.drop_index(op.f("ix_training_person_id"), table_name="training")
    op.drop_table("training")
    op.drop_table("team")
    op.drop_index("ix_record_entry_person_id_day", table_name="record_entry")
    op.drop_index("ix_record_entry_attendance_id", table_name="record_entry")
    op.drop_table("record_entry")
    op.drop_index(op.f("ix_evaluation_person_id"), table_name="evaluation")
    op.drop_table("evaluation")
    op.drop_table("calendar_day")
    op.drop_index(op.f("ix_award_person_id"), table_name="award")
    op.drop_table("award")
    op.drop_table("area")
