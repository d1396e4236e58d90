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
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("area_id", name=op.f("pk_area")),
    )
    op.create_index(op.f("ix_area_parent_id"), "area", ["parent_id"], unique=False)
    op.create_table(
        "calendar_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("workday", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_calendar_day")),
    )
    op.create_table(
        "centre",
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("community_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("places", sa.BigInteger(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("opens", sa.Time(), nullable=False),
        sa.Column("closes", sa.Time(), nullable=False),
        sa.Column("open_weekdays", postgresql.ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("serves", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("in_charge_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("opens < closes", name=op.f("ck_centre_hours")),
        sa.CheckConstraint("places BETWEEN 1 AND 500", name=op.f("ck_centre_places")),
        sa.PrimaryKeyConstraint("centre_id", name=op.f("pk_centre")),
    )
    op.create_index(op.f("ix_centre_town_id"), "centre", ["town_id"], unique=False)
    op.create_table(
        "staffing",
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("staffing_version", sa.BigInteger(), nullable=False),
        sa.Column("slots", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("unmet", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("held_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("organisation_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.PrimaryKeyConstraint("visit_id", name=op.f("pk_staffing")),
    )
    op.create_index("ix_staffing_held_ids", "staffing", ["held_ids"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_staffing_organisation_ids", "staffing", ["organisation_ids"], unique=False, postgresql_using="gin"
    )
    op.create_table(
        "need",
        sa.Column("need_id", sa.Uuid(), nullable=False),
        sa.Column("series_id", sa.Uuid(), nullable=False),
        sa.Column("origin_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("resident_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("community_id", sa.Uuid(), nullable=False),
        sa.Column("cell_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("rrule", sa.Text(), nullable=True),
        sa.Column("anchor", sa.Time(), nullable=False),
        sa.Column("earliest", sa.Time(), nullable=False),
        sa.Column("latest", sa.Time(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.Column("carers", sa.BigInteger(), nullable=False),
        sa.Column("skills", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("channels", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("dialect_wish", sa.Text(), nullable=True),
        sa.Column("dialect_wish_hard", sa.Boolean(), nullable=False),
        sa.Column("sex_wish", sa.Text(), nullable=True),
        sa.Column("sex_wish_hard", sa.Boolean(), nullable=False),
        sa.Column("lone_risk", sa.Boolean(), nullable=False),
        sa.Column("remote", sa.Boolean(), nullable=False),
        sa.Column("on_holidays", sa.Boolean(), nullable=False),
        sa.Column("urgency", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("place_lon", sa.Double(), nullable=True),
        sa.Column("place_lat", sa.Double(), nullable=True),
        sa.Column("end_lon", sa.Double(), nullable=True),
        sa.Column("end_lat", sa.Double(), nullable=True),
        sa.Column("social_worker_id", sa.Uuid(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_until", sa.Date(), nullable=True),
        sa.Column("posted_by", sa.Uuid(), nullable=True),
        sa.Column("posted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("place <> 'centre' OR centre_id IS NOT NULL", name=op.f("ck_need_centre_place")),
        sa.CheckConstraint("place <> 'other' OR place_lon IS NOT NULL", name=op.f("ck_need_other_place")),
        sa.CheckConstraint("place IN ('home', 'centre', 'other')", name=op.f("ck_need_place")),
        sa.CheckConstraint(
            "source IN ('form', 'copy', 'import', 'paper', 'sample')", name=op.f("ck_need_source")
        ),
        sa.CheckConstraint("state IN ('active', 'ended', 'cancelled')", name=op.f("ck_need_state")),
        sa.CheckConstraint("cardinality(channels) > 0", name=op.f("ck_need_channels")),
        sa.CheckConstraint("cardinality(resident_ids) BETWEEN 1 AND 50", name=op.f("ck_need_residents")),
        sa.CheckConstraint("carers IN (1, 2)", name=op.f("ck_need_carers")),
        sa.CheckConstraint("earliest <= latest", name=op.f("ck_need_window")),
        sa.CheckConstraint("last_day IS NULL OR last_day >= first_day", name=op.f("ck_need_days")),
        sa.CheckConstraint("minutes BETWEEN 5 AND 720", name=op.f("ck_need_minutes")),
        sa.ForeignKeyConstraint(["centre_id"], ["centre.centre_id"], name=op.f("fk_need_centre_id_centre")),
        sa.PrimaryKeyConstraint("need_id", name=op.f("pk_need")),
    )
    op.create_index("ix_need_centre_id_need_id", "need", ["centre_id", "need_id"], unique=False)
    op.create_index("ix_need_community_id_need_id", "need", ["community_id", "need_id"], unique=False)
    op.create_index("ix_need_resident_ids", "need", ["resident_ids"], unique=False, postgresql_using="gin")
    op.create_index("ix_need_series_id", "need", ["series_id"], unique=False)
    op.create_index(
        "ix_need_to_make",
        "need",
        ["made_until"],
        unique=False,
        postgresql_where=sa.text("state = 'active' AND rrule IS NOT NULL"),
    )
    op.create_table(
        "resident",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("community_id", sa.Uuid(), nullable=False),
        sa.Column("cell_id", sa.Uuid(), nullable=True),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("building_id", sa.Uuid(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("id_hash", sa.LargeBinary(), nullable=True),
        sa.Column("name_hash", sa.LargeBinary(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=True),
        sa.Column("lat", sa.Double(), nullable=True),
        sa.Column("lives_alone", sa.Boolean(), nullable=False),
        sa.Column("lone_risk", sa.Boolean(), nullable=False),
        sa.Column("stairs", sa.Boolean(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("sex_wish", sa.Text(), nullable=True),
        sa.Column("sex_wish_hard", sa.Boolean(), nullable=False),
        sa.Column("dialect_wish", sa.Text(), nullable=True),
        sa.Column("dialect_wish_hard", sa.Boolean(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("registered_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("registered_by", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "dialect IN ('mandarin', 'jianghuai', 'wu', 'cantonese')", name=op.f("ck_resident_dialect")
        ),
        sa.CheckConstraint(
            "dialect_wish IN ('mandarin', 'jianghuai', 'wu', 'cantonese')",
            name=op.f("ck_resident_dialect_wish"),
        ),
        sa.CheckConstraint(
            "grade IN ('intact', 'mild', 'moderate', 'severe', 'total', 'unknown')",
            name=op.f("ck_resident_grade"),
        ),
        sa.CheckConstraint("sex_wish IN ('female', 'male')", name=op.f("ck_resident_sex_wish")),
        sa.CheckConstraint("(lon IS NULL) = (lat IS NULL)", name=op.f("ck_resident_placed")),
        sa.ForeignKeyConstraint(
            ["centre_id"], ["centre.centre_id"], name=op.f("fk_resident_centre_id_centre")
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_resident")),
    )
    op.create_index("ix_resident_cell_id_person_id", "resident", ["cell_id", "person_id"], unique=False)
    op.create_index("ix_resident_centre_id_person_id", "resident", ["centre_id", "person_id"], unique=False)
    op.create_index(
        "ix_resident_community_id_person_id", "resident", ["community_id", "person_id"], unique=False
    )
    op.create_index("ix_resident_name_hash", "resident", ["name_hash"], unique=False)
    op.create_index("ix_resident_town_id_person_id", "resident", ["town_id", "person_id"], unique=False)
    op.create_index(
        "uq_resident_id_hash",
        "resident",
        ["id_hash"],
        unique=True,
        postgresql_where=sa.text("id_hash IS NOT NULL"),
    )
    op.create_table(
        "absence",
        sa.Column("absence_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('hospital', 'with_family', 'moved', 'deceased')", name=op.f("ck_absence_kind")
        ),
        sa.CheckConstraint("last_day IS NULL OR last_day >= first_day", name=op.f("ck_absence_days")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["resident.person_id"], name=op.f("fk_absence_person_id_resident")
        ),
        sa.PrimaryKeyConstraint("absence_id", name=op.f("pk_absence")),
    )
    op.create_index("ix_absence_person_id_first_day", "absence", ["person_id", "first_day"], unique=False)
    op.create_table(
        "assessment",
        sa.Column("assessment_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("standard", sa.Text(), nullable=False),
        sa.Column("grade", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("consent_as", sa.Text(), nullable=False),
        sa.Column("consent_how", sa.Text(), nullable=False),
        sa.Column("consent_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("withdrawn_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("recorded_by", sa.Uuid(), nullable=True),
        sa.Column("recorded_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "consent_as IN ('self', 'family', 'guardian')", name=op.f("ck_assessment_consent_as")
        ),
        sa.CheckConstraint(
            "consent_how IN ('paper', 'spoken', 'online')", name=op.f("ck_assessment_consent_how")
        ),
        sa.CheckConstraint(
            "grade IN ('intact', 'mild', 'moderate', 'severe', 'total', 'unknown')",
            name=op.f("ck_assessment_grade"),
        ),
        sa.CheckConstraint(
            "withdrawn_at IS NULL OR withdrawn_at >= consent_at", name=op.f("ck_assessment_withdrawn")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["resident.person_id"], name=op.f("fk_assessment_person_id_resident")
        ),
        sa.PrimaryKeyConstraint("assessment_id", name=op.f("pk_assessment")),
    )
    op.create_index("ix_assessment_person_id_day", "assessment", ["person_id", "day"], unique=False)
    op.create_table(
        "block",
        sa.Column("block_id", sa.Uuid(), nullable=False),
        sa.Column("resident_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Uuid(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("lifted_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("author IN ('resident', 'family', 'centre')", name=op.f("ck_block_author")),
        sa.ForeignKeyConstraint(
            ["resident_id"], ["resident.person_id"], name=op.f("fk_block_resident_id_resident")
        ),
        sa.PrimaryKeyConstraint("block_id", name=op.f("pk_block")),
    )
    op.create_index(
        "uq_block_resident_id_person_id",
        "block",
        ["resident_id", "person_id"],
        unique=True,
        postgresql_where=sa.text("lifted_at IS NULL"),
    )
    op.create_table(
        "family",
        sa.Column("resident_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("added_by", sa.Uuid(), nullable=True),
        sa.Column("added_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["resident_id"], ["resident.person_id"], name=op.f("fk_family_resident_id_resident")
        ),
        sa.PrimaryKeyConstraint("resident_id", "person_id", name=op.f("pk_family")),
    )
    op.create_table(
        "visit",
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("need_id", sa.Uuid(), nullable=False),
        sa.Column("series_id", sa.Uuid(), nullable=False),
        sa.Column("original_start", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("earliest_start", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("latest_start", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.Column("carers", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("community_id", sa.Uuid(), nullable=False),
        sa.Column("cell_id", sa.Uuid(), nullable=True),
        sa.Column("resident_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("on_paper", sa.Boolean(), nullable=False),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(status = 'cancelled') = (cancel_reason IS NOT NULL)", name=op.f("ck_visit_cancelled")
        ),
        sa.CheckConstraint("(status = 'ended') = (outcome IS NOT NULL)", name=op.f("ck_visit_ended")),
        sa.CheckConstraint("code ~ '^[0-9]{4}$'", name=op.f("ck_visit_code")),
        sa.CheckConstraint(
            "outcome IN ('done', 'cut_short', 'no_answer', 'refused', 'unwell', 'carer_absent', 'cancelled')",
            name=op.f("ck_visit_outcome"),
        ),
        sa.CheckConstraint(
            "status IN ('open', 'suspended', 'started', 'ended', 'cancelled')", name=op.f("ck_visit_status")
        ),
        sa.CheckConstraint("carers IN (1, 2)", name=op.f("ck_visit_carers")),
        sa.CheckConstraint("earliest_start <= latest_start", name=op.f("ck_visit_window")),
        sa.ForeignKeyConstraint(["need_id"], ["need.need_id"], name=op.f("fk_visit_need_id_need")),
        sa.PrimaryKeyConstraint("visit_id", name=op.f("pk_visit")),
        sa.UniqueConstraint("series_id", "original_start", name=op.f("uq_visit_series_id_original_start")),
    )
    op.create_index("ix_visit_cell_id_day", "visit", ["cell_id", "day"], unique=False)
    op.create_index("ix_visit_centre_id_day", "visit", ["centre_id", "day"], unique=False)
    op.create_index("ix_visit_community_id_day", "visit", ["community_id", "day"], unique=False)
    op.create_index("ix_visit_day_status", "visit", ["day", "status"], unique=False)
    op.create_index("ix_visit_need_id", "visit", ["need_id"], unique=False)
    op.create_index("ix_visit_resident_ids", "visit", ["resident_ids"], unique=False, postgresql_using="gin")
    op.create_index("ix_visit_town_id_day", "visit", ["town_id", "day"], unique=False)
    op.create_table(
        "acceptance",
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("by_role", sa.Text(), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("by_role IN ('resident', 'family', 'centre')", name=op.f("ck_acceptance_by_role")),
        sa.ForeignKeyConstraint(["visit_id"], ["visit.visit_id"], name=op.f("fk_acceptance_visit_id_visit")),
        sa.PrimaryKeyConstraint("visit_id", name=op.f("pk_acceptance")),
    )
    op.create_table(
        "attendance",
        sa.Column("attendance_id", sa.Uuid(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("carer_id", sa.Uuid(), nullable=False),
        sa.Column("capacity", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("line_id", sa.Uuid(), nullable=True),
        sa.Column("assignment_id", sa.Uuid(), nullable=True),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("planned_start", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("planned_end", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("end_proposed", sa.Boolean(), nullable=False),
        sa.Column("checked_in_by", sa.Uuid(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("responsible_id", sa.Uuid(), nullable=True),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("confirmed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(revision > 0) = (state IN ('confirmed', 'no_show', 'disputed'))",
            name=op.f("ck_attendance_revision"),
        ),
        sa.CheckConstraint(
            "capacity IN ('volunteer', 'employed', 'stipended')", name=op.f("ck_attendance_capacity")
        ),
        sa.CheckConstraint("state <> 'out' OR ended_at IS NOT NULL", name=op.f("ck_attendance_ended")),
        sa.CheckConstraint(
            "state IN ('expected', 'in', 'out', 'confirmed', 'no_show', 'disputed', 'released')",
            name=op.f("ck_attendance_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('in', 'out') OR started_at IS NOT NULL", name=op.f("ck_attendance_started")
        ),
        sa.CheckConstraint(
            "(revision > 0) = (confirmed_at IS NOT NULL)", name=op.f("ck_attendance_confirmed")
        ),
        sa.CheckConstraint("ended_at IS NULL OR ended_at >= started_at", name=op.f("ck_attendance_times")),
        sa.CheckConstraint("minutes BETWEEN 0 AND 1440", name=op.f("ck_attendance_minutes")),
        sa.ForeignKeyConstraint(["visit_id"], ["visit.visit_id"], name=op.f("fk_attendance_visit_id_visit")),
        sa.PrimaryKeyConstraint("attendance_id", name=op.f("pk_attendance")),
        sa.UniqueConstraint("visit_id", "person_id", name=op.f("uq_attendance_visit_id_person_id")),
    )
    op.create_index(
        "ix_attendance_person_id_planned_start", "attendance", ["person_id", "planned_start"], unique=False
    )
    op.create_index(
        "ix_attendance_unended",
        "attendance",
        ["planned_end"],
        unique=False,
        postgresql_where=sa.text("state = 'in'"),
    )
    op.create_table(
        "rating",
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("resident_id", sa.Uuid(), nullable=False),
        sa.Column("face", sa.BigInteger(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("given_by", sa.Uuid(), nullable=False),
        sa.Column("given_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("how IN ('self', 'family', 'phone', 'paper')", name=op.f("ck_rating_how")),
        sa.CheckConstraint("face BETWEEN 1 AND 3", name=op.f("ck_rating_face")),
        sa.ForeignKeyConstraint(["visit_id"], ["visit.visit_id"], name=op.f("fk_rating_visit_id_visit")),
        sa.PrimaryKeyConstraint("visit_id", name=op.f("pk_rating")),
    )
    op.create_table(
        "task",
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("visit_id", sa.Uuid(), nullable=False),
        sa.Column("attendance_id", sa.Uuid(), nullable=True),
        sa.Column("resident_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("community_id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("for_town", sa.Boolean(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=True),
        sa.Column("told_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_how", sa.Text(), nullable=True),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "closed_how IS DISTINCT FROM 'told' OR told_at IS NOT NULL", name=op.f("ck_task_told")
        ),
        sa.CheckConstraint(
            "closed_how IS NULL OR closed_how IN ('told', 'met', 'answered')", name=op.f("ck_task_closed_how")
        ),
        sa.CheckConstraint(
            "kind IN ('unmet', 'red', 'change_request', 'dispute', 'complaint')", name=op.f("ck_task_kind")
        ),
        sa.CheckConstraint("(closed_at IS NULL) = (closed_how IS NULL)", name=op.f("ck_task_closed")),
        sa.ForeignKeyConstraint(["visit_id"], ["visit.visit_id"], name=op.f("fk_task_visit_id_visit")),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_task")),
    )
    op.create_index(
        "ix_task_centre_open",
        "task",
        ["centre_id"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "ix_task_town_open", "task", ["town_id"], unique=False, postgresql_where=sa.text("closed_at IS NULL")
    )
    op.create_index(
        "uq_task_visit_id_kind",
        "task",
        ["visit_id", "kind"],
        unique=True,
        postgresql_where=sa.text("kind IN ('unmet', 'red')"),
    )
    op.create_table(
        "attendance_revision",
        sa.Column("attendance_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("started_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("minutes", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("revision > 0", name=op.f("ck_attendance_revision_revision")),
        sa.ForeignKeyConstraint(
            ["attendance_id"],
            ["attendance.attendance_id"],
            name=op.f("fk_attendance_revision_attendance_id_attendance"),
        ),
        sa.PrimaryKeyConstraint("attendance_id", "revision", name=op.f("pk_attendance_revision")),
    )


def downgrade() -> None:
    op.drop_table("attendance_revision")
    op.drop_index(
        "uq_task_visit_id_kind", table_name="task", postgresql_where=sa.text("kind IN ('unmet', 'red')")
    )
    op.drop_index("ix_task_town_open", table_name="task", postgresql_where=sa.text("closed_at IS NULL"))
    op.drop_index("ix_task_centre_open", table_name="task", postgresql_where=sa.text("closed_at IS NULL"))
    op.drop_table("task")
    op.drop_table("rating")
    op.drop_index("ix_attendance_unended", table_name="attendance", postgresql_where=sa.text("state = 'in'"))
    op.drop_index("ix_attendance_person_id_planned_start", table_name="attendance")
    op.drop_table("attendance")
    op.drop_table("acceptance")
    op.drop_index("ix_visit_town_id_day", table_name="visit")
    op.drop_index("ix_visit_resident_ids", table_name="visit", postgresql_using="gin")
    op.drop_index("ix_visit_need_id", table_name="visit")
    op.drop_index("ix_visit_day_status", table_name="visit")
    op.drop_index("ix_visit_community_id_day", table_name="visit")
    op.drop_index("ix_visit_centre_id_day", table_name="visit")
    op.drop_index("ix_visit_cell_id_day", table_name="visit")
    op.drop_table("visit")
    op.drop_table("family")
    op.drop_index(
        "uq_block_resident_id_person_id", table_name="block", postgresql_where=sa.text("lifted_at IS NULL")
    )
    op.drop_table("block")
    op.drop_index("ix_assessment_person_id_day", table_name="assessment")
    op.drop_table("assessment")
    op.drop_index("ix_absence_person_id_first_day", table_name="absence")
    op.drop_table("absence")
    op.drop_index(
        "uq_resident_id_hash", table_name="resident", postgresql_where=sa.text("id_hash IS NOT NULL")
    )
    op.drop_index("ix_resident_town_id_person_id", table_name="resident")
    op.drop_index("ix_resident_name_hash", table_name="resident")
    op.drop_index("ix_resident_community_id_person_id", table_name="resident")
    op.drop_index("ix_resident_centre_id_person_id", table_name="resident")
    op.drop_index("ix_resident_cell_id_person_id", table_name="resident")
    op.drop_table("resident")
    op.drop_index(
        "ix_need_to_make",
        table_name="need",
        postgresql_where=sa.text("state = 'active' AND rrule IS NOT NULL"),
    )
    op.drop_index("ix_need_series_id", table_name="need")
    op.drop_index("ix_need_resident_ids", table_name="need", postgresql_using="gin")
    op.drop_index("ix_need_community_id_need_id", table_name="need")
    op.drop_index("ix_need_centre_id_need_id", table_name="need")
    op.drop_table("need")
    op.drop_index("ix_staffing_organisation_ids", table_name="staffing", postgresql_using="gin")
    op.drop_index("ix_staffing_held_ids", table_name="staffing", postgresql_using="gin")
    op.drop_table("staffing")
    op.drop_index(op.f("ix_centre_town_id"), table_name="centre")
    op.drop_table("centre")
    op.drop_table("calendar_day")
    op.drop_index(op.f("ix_area_parent_id"), table_name="area")
    op.drop_table("area")
