"""purchases"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ORGANISATION_CHECKS = {
    "kind": "kind IN ('social_organisation', 'centre', 'firm', 'institution', 'collective', 'committee')",
    "state": "state IN ('applied', 'admitted', 'refused')",
    "rating": "(rating IS NULL) = (rating_until IS NULL) OR state = 'applied'",
}
APPEND_ONLY = (
    "budget_entry",
    "submission",
    "call_amendment",
    "signature",
    "contract_change",
    "payment",
    "refund",
)
# A submission is in time or not at all; the share lock lets an opening wait for who came in time.
LATE = """
    CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE until timestamptz; stage text;
    BEGIN
        SELECT deadline_at, state INTO until, stage FROM call WHERE call_id = NEW.call_id FOR SHARE;
        IF stage <> 'published' OR NEW.at >= until THEN
            RAISE EXCEPTION 'after the deadline' USING ERRCODE = 'check_violation', CONSTRAINT = 'submission_late';
        END IF;
        RETURN NEW;
    END $$
"""
# From publication on nothing that bids are measured by changes (8.21); of a lot only what became of it.
FROZEN_BY = {"criterion": "call", "lot_line": "lot", "lot": "call"}
FROZEN = """
    CREATE FUNCTION refuse_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE stage text; of_call uuid; changed record;
    BEGIN
        changed := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
        IF TG_ARGV[0] = 'lot' THEN
            SELECT call_id INTO of_call FROM lot WHERE lot_id = changed.lot_id;
        ELSE
            of_call := changed.call_id;
        END IF;
        SELECT state INTO stage FROM call WHERE call_id = of_call;
        IF stage IN ('draft', 'consulting') THEN
            RETURN changed;
        END IF;
        IF TG_TABLE_NAME = 'lot' AND TG_OP = 'UPDATE' THEN
            IF to_jsonb(NEW) - 'state' - 'void_reason' = to_jsonb(OLD) - 'state' - 'void_reason' THEN
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION 'frozen since publication' USING ERRCODE = 'check_violation', CONSTRAINT = 'call_frozen';
    END $$
"""
# What a scorer has handed in stays as it was (8.21).
SCORED = """
    CREATE FUNCTION refuse_scored() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE changed record;
    BEGIN
        changed := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
        IF EXISTS (
            SELECT FROM scorer
            WHERE call_id = changed.call_id AND person_id = changed.person_id AND finished_at IS NOT NULL
        ) THEN
            RAISE EXCEPTION 'handed in' USING ERRCODE = 'check_violation', CONSTRAINT = 'score_frozen';
        END IF;
        RETURN changed;
    END $$
"""
# No payment without acceptance: what is paid is the claim's sum, and each delivery in it stands accepted.
UNACCEPTED = """
    CREATE FUNCTION refuse_unaccepted() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.claim_id IS NULL THEN
            RETURN NEW;
        END IF;
        IF NEW.fen <> (SELECT amount_fen FROM claim WHERE claim_id = NEW.claim_id)
            OR NEW.fen <> (SELECT sum(amount_fen) FROM claim_entry WHERE claim_id = NEW.claim_id)
            OR EXISTS (
                SELECT FROM claim_entry AS c
                JOIN delivery_entry AS e ON e.entry_id = c.entry_id
                LEFT JOIN delivery AS d ON d.attendance_id = e.attendance_id AND d.revision = e.revision
                WHERE c.claim_id = NEW.claim_id AND c.amount_fen > 0 AND d.accepted IS NOT TRUE
            )
        THEN
            RAISE EXCEPTION 'not accepted' USING ERRCODE = 'check_violation', CONSTRAINT = 'payment_accepted';
        END IF;
        RETURN NEW;
    END $$
"""

# What each kind of entry may move; nothing else can be written.
MOVES = """CASE kind
    WHEN 'allocate' THEN allocated_fen <> 0 AND committed_fen = 0 AND spent_fen = 0
    WHEN 'backstop' THEN allocated_fen > 0 AND committed_fen = 0 AND spent_fen = 0
    WHEN 'commit' THEN allocated_fen = 0 AND committed_fen > 0 AND spent_fen = 0
    WHEN 'release' THEN allocated_fen = 0 AND committed_fen < 0 AND spent_fen = 0
    WHEN 'spend' THEN allocated_fen = 0 AND committed_fen = -spent_fen AND spent_fen > 0
    WHEN 'refund' THEN allocated_fen = 0 AND committed_fen = 0 AND spent_fen < 0
END"""
# A line's balances are the sums of its entries when a transaction commits, whoever wrote them.
SUMS = """
    CREATE FUNCTION hold_budget_sums() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM 1 FROM budget_line l
            LEFT JOIN budget_entry e USING (budget_line_id)
            WHERE l.budget_line_id = NEW.budget_line_id
            GROUP BY l.budget_line_id
            HAVING l.allocated_fen <> coalesce(sum(e.allocated_fen), 0)
                OR l.committed_fen <> coalesce(sum(e.committed_fen), 0)
                OR l.spent_fen <> coalesce(sum(e.spent_fen), 0)
                OR l.backstop_fen <> coalesce(sum(e.allocated_fen) FILTER (WHERE e.kind = 'backstop'), 0);
        IF FOUND THEN
            RAISE EXCEPTION 'a budget line differs from its entries'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'budget_line_sums';
        END IF;
        RETURN NULL;
    END $$
"""


def upgrade() -> None:
    op.create_table(
        "calendar_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("workday", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_calendar_day")),
    )
    op.create_table(
        "file",
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("about_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("sealed", sa.Boolean(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("stored_as", sa.Text(), nullable=True),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("(content IS NULL) <> (stored_as IS NULL)", name=op.f("ck_file_place")),
        sa.CheckConstraint("size BETWEEN 1 AND 20971520 + 64", name=op.f("ck_file_size")),
        sa.PrimaryKeyConstraint("file_id", name=op.f("pk_file")),
    )
    op.create_index("ix_file_about_id", "file", ["about_id"], unique=False)
    op.create_table(
        "fund",
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("purposes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("appraisal_due", sa.Date(), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("fund_id", name=op.f("pk_fund")),
        sa.UniqueConstraint("name", "year", name=op.f("uq_fund_name_year")),
    )
    op.create_table(
        "opener_key",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_opener_key")),
    )
    op.create_table(
        "signing_key",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_signing_key")),
    )
    op.create_table(
        "appraisal",
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("indicators", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("score", sa.BigInteger(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("published_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("score BETWEEN 0 AND 10000", name=op.f("ck_appraisal_score")),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.fund_id"], name=op.f("fk_appraisal_fund_id_fund")),
        sa.PrimaryKeyConstraint("fund_id", name=op.f("pk_appraisal")),
    )
    op.create_table(
        "budget_line",
        sa.Column("budget_line_id", sa.Uuid(), nullable=False),
        sa.Column("fund_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("approval", sa.Text(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=True),
        sa.Column("need_fen", sa.BigInteger(), nullable=False),
        sa.Column("backstop_fen", sa.BigInteger(), nullable=False),
        sa.Column("allocated_fen", sa.BigInteger(), nullable=False),
        sa.Column("committed_fen", sa.BigInteger(), nullable=False),
        sa.Column("spent_fen", sa.BigInteger(), nullable=False),
        sa.Column("free_fen", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "allocated_fen = committed_fen + spent_fen + free_fen", name=op.f("ck_budget_line_equation")
        ),
        sa.CheckConstraint(
            "allocated_fen >= 0 AND committed_fen >= 0 AND spent_fen >= 0 AND free_fen >= 0",
            name=op.f("ck_budget_line_signs"),
        ),
        sa.CheckConstraint("need_fen >= 0 AND backstop_fen >= 0", name=op.f("ck_budget_line_need")),
        sa.CheckConstraint("approval IS NULL OR approval <> ''", name=op.f("ck_budget_line_approval")),
        sa.ForeignKeyConstraint(["fund_id"], ["fund.fund_id"], name=op.f("fk_budget_line_fund_id_fund")),
        sa.PrimaryKeyConstraint("budget_line_id", name=op.f("pk_budget_line")),
        sa.UniqueConstraint("fund_id", "name", name="uq_budget_line_name"),
    )
    op.create_table(
        "controller",
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("id_hash", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("share", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("share BETWEEN 0 AND 100", name=op.f("ck_controller_share")),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
            name=op.f("fk_controller_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("organisation_id", "id_hash", name=op.f("pk_controller")),
    )
    op.create_index("ix_controller_id_hash", "controller", ["id_hash"], unique=False)
    op.create_table(
        "application_try",
        sa.Column("try_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("address", sa.LargeBinary(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("try_id", name=op.f("pk_application_try")),
    )
    op.create_index("ix_application_try_address_at", "application_try", ["address", "at"], unique=False)
    op.create_table(
        "incubation",
        sa.Column("incubation_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("began_on", sa.Date(), nullable=False),
        sa.Column("until", sa.Date(), nullable=False),
        sa.Column("goals", sa.Text(), nullable=False),
        sa.Column("exit", sa.Text(), nullable=True),
        sa.Column("left_on", sa.Date(), nullable=True),
        sa.Column("exit_reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("exit IN ('graduated', 'withdrew', 'removed')", name=op.f("ck_incubation_exit")),
        sa.CheckConstraint("(exit IS NULL) = (left_on IS NULL)", name=op.f("ck_incubation_left")),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
            name=op.f("fk_incubation_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("incubation_id", name=op.f("pk_incubation")),
    )
    op.create_index(
        "uq_incubation_running",
        "incubation",
        ["organisation_id"],
        unique=True,
        postgresql_where="exit IS NULL",
    )
    op.create_table(
        "paper",
        sa.Column("paper_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("rating", sa.Text(), nullable=True),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("refused_reason", sa.Text(), nullable=True),
        sa.Column("handed_in_by", sa.Uuid(), nullable=True),
        sa.Column("handed_in_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("looked_at_by", sa.Uuid(), nullable=True),
        sa.Column("looked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('registration', 'rating', 'licence', 'social_security', 'tax', 'audit')",
            name=op.f("ck_paper_kind"),
        ),
        sa.CheckConstraint("state IN ('handed_in', 'verified', 'refused')", name=op.f("ck_paper_state")),
        sa.CheckConstraint(
            "(state = 'refused') = (refused_reason IS NOT NULL)", name=op.f("ck_paper_refused")
        ),
        sa.CheckConstraint("(kind = 'rating') = (rating IS NOT NULL)", name=op.f("ck_paper_rating")),
        sa.CheckConstraint("kind <> 'rating' OR valid_until IS NOT NULL", name=op.f("ck_paper_rating_until")),
        sa.ForeignKeyConstraint(["file_id"], ["file.file_id"], name=op.f("fk_paper_file_id_file")),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisation.organisation_id"],
            name=op.f("fk_paper_organisation_id_organisation"),
        ),
        sa.PrimaryKeyConstraint("paper_id", name=op.f("pk_paper")),
    )
    op.create_index("ix_paper_organisation_id_kind", "paper", ["organisation_id", "kind"], unique=False)
    op.create_table(
        "budget_entry",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("budget_line_id", sa.Uuid(), nullable=False),
        sa.Column("pos", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("allocated_fen", sa.BigInteger(), nullable=False),
        sa.Column("committed_fen", sa.BigInteger(), nullable=False),
        sa.Column("spent_fen", sa.BigInteger(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("about_id", sa.Uuid(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(MOVES, name=op.f("ck_budget_entry_moves")),
        sa.CheckConstraint(
            "kind IN ('allocate', 'commit', 'release', 'spend', 'refund', 'backstop')",
            name=op.f("ck_budget_entry_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["budget_line_id"],
            ["budget_line.budget_line_id"],
            name=op.f("fk_budget_entry_budget_line_id_budget_line"),
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_budget_entry")),
        sa.UniqueConstraint("budget_line_id", "pos", name=op.f("uq_budget_entry_budget_line_id_pos")),
    )
    op.create_index("ix_budget_entry_about_id", "budget_entry", ["about_id"], unique=False)
    op.create_table(
        "call",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("method_reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("theme", sa.Text(), nullable=True),
        sa.Column("beneficiaries", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("budget_line_id", sa.Uuid(), nullable=True),
        sa.Column("gate_number", sa.Text(), nullable=True),
        sa.Column("gate_day", sa.Date(), nullable=True),
        sa.Column("gate_approver", sa.Text(), nullable=True),
        sa.Column("town_id", sa.Uuid(), nullable=True),
        sa.Column("ceiling_fen", sa.BigInteger(), nullable=False),
        sa.Column("allowed_kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("least_rating", sa.Text(), nullable=True),
        sa.Column("papers", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("invited", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("bid_bond_percent", sa.SmallInteger(), nullable=False),
        sa.Column("performance_bond_percent", sa.SmallInteger(), nullable=False),
        sa.Column("negative_checked", sa.Boolean(), nullable=False),
        sa.Column("consulted_from", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("consulted_until", sa.Date(), nullable=True),
        sa.Column("published_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("questions_until", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("deadline_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("public_key", sa.LargeBinary(), nullable=True),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=True),
        sa.Column("predecessor_id", sa.Uuid(), nullable=True),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "beneficiaries <@ ARRAY['old', 'young', 'poor', 'disabled']::text[]",
            name=op.f("ck_call_beneficiaries"),
        ),
        sa.CheckConstraint(
            "method IN ('open_tender', 'consultation', 'single_source', 'framework', 'venture')",
            name=op.f("ck_call_method"),
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'consulting', 'published', 'opened', 'scored', 'awarded', 'signed', 'closed', 'archived', 'void', 'terminated')",
            name=op.f("ck_call_state"),
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'consulting', 'void', 'terminated') OR (number IS NOT NULL AND published_at < deadline_at AND public_key IS NOT NULL)",
            name=op.f("ck_call_published"),
        ),
        sa.CheckConstraint("ceiling_fen >= 0", name=op.f("ck_call_ceiling")),
        sa.ForeignKeyConstraint(
            ["budget_line_id"],
            ["budget_line.budget_line_id"],
            name=op.f("fk_call_budget_line_id_budget_line"),
        ),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_call")),
    )
    op.create_index("ix_call_state_deadline_at", "call", ["state", "deadline_at"], unique=False)
    op.create_index("uq_call_number", "call", ["number"], unique=True)
    op.create_table(
        "support",
        sa.Column("support_id", sa.Uuid(), nullable=False),
        sa.Column("incubation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("fen", sa.BigInteger(), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('premises', 'training', 'mentoring', 'funding', 'other')", name=op.f("ck_support_kind")
        ),
        sa.ForeignKeyConstraint(
            ["incubation_id"], ["incubation.incubation_id"], name=op.f("fk_support_incubation_id_incubation")
        ),
        sa.PrimaryKeyConstraint("support_id", name=op.f("pk_support")),
    )
    op.create_index("ix_support_incubation_id", "support", ["incubation_id"], unique=False)
    op.create_table(
        "call_amendment",
        sa.Column("amendment_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("touches_bids", sa.Boolean(), nullable=False),
        sa.Column("deadline_before", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("deadline_after", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_call_amendment_call_id_call")),
        sa.PrimaryKeyConstraint("amendment_id", name=op.f("pk_call_amendment")),
    )
    op.create_index("ix_call_amendment_call_id", "call_amendment", ["call_id"], unique=False)
    op.create_table(
        "criterion",
        sa.Column("criterion_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("weight", sa.SmallInteger(), nullable=False),
        sa.Column("guide", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('price', 'quality')", name=op.f("ck_criterion_kind")),
        sa.CheckConstraint("weight BETWEEN 1 AND 100", name=op.f("ck_criterion_weight")),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_criterion_call_id_call")),
        sa.PrimaryKeyConstraint("criterion_id", name=op.f("pk_criterion")),
        sa.UniqueConstraint("call_id", "position", name=op.f("uq_criterion_call_id_position")),
    )
    op.create_table(
        "lot",
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ceiling_fen", sa.BigInteger(), nullable=False),
        sa.Column("winners", sa.SmallInteger(), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("void_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'awarded', 'void')", name=op.f("ck_lot_state")),
        sa.CheckConstraint("ceiling_fen > 0", name=op.f("ck_lot_ceiling")),
        sa.CheckConstraint("valid_from <= valid_to", name=op.f("ck_lot_days")),
        sa.CheckConstraint("winners >= 1", name=op.f("ck_lot_winners")),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_lot_call_id_call")),
        sa.PrimaryKeyConstraint("lot_id", name=op.f("pk_lot")),
        sa.UniqueConstraint("call_id", "number", name=op.f("uq_lot_call_id_number")),
    )
    op.create_table(
        "notice",
        sa.Column("notice_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("published_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("body", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('consultation', 'call', 'amendment', 'award', 'award_void', 'ended', 'contract', 'contract_change', 'acceptance', 'payment')",
            name=op.f("ck_notice_kind"),
        ),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_notice_call_id_call")),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_notice")),
        sa.UniqueConstraint("kind", "about_id", name=op.f("uq_notice_kind_about_id")),
    )
    op.create_index("ix_notice_call_id", "notice", ["call_id"], unique=False)
    op.create_index(
        "ix_notice_due", "notice", ["due_at"], unique=False, postgresql_where="published_at IS NULL"
    )
    op.create_table(
        "opener",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("share", sa.LargeBinary(), nullable=False),
        sa.Column("given", sa.LargeBinary(), nullable=True),
        sa.Column("given_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("(given IS NULL) = (given_at IS NULL)", name=op.f("ck_opener_given")),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_opener_call_id_call")),
        sa.PrimaryKeyConstraint("call_id", "person_id", name=op.f("pk_opener")),
    )
    op.create_table(
        "opening",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("first_by", sa.Uuid(), nullable=False),
        sa.Column("second_by", sa.Uuid(), nullable=False),
        sa.Column("private_key", sa.LargeBinary(), nullable=False),
        sa.Column("record", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_opening_call_id_call")),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_opening")),
    )
    op.create_table(
        "opinion",
        sa.Column("opinion_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_opinion_call_id_call")),
        sa.PrimaryKeyConstraint("opinion_id", name=op.f("pk_opinion")),
    )
    op.create_index("ix_opinion_call_id", "opinion", ["call_id"], unique=False)
    op.create_table(
        "question",
        sa.Column("question_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_question_call_id_call")),
        sa.PrimaryKeyConstraint("question_id", name=op.f("pk_question")),
    )
    op.create_index("ix_question_call_id", "question", ["call_id"], unique=False)
    op.create_table(
        "scorer",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("expert", sa.Boolean(), nullable=False),
        sa.Column("id_hash", sa.LargeBinary(), nullable=True),
        sa.Column("named_by", sa.Uuid(), nullable=True),
        sa.Column("named_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("declared", sa.Text(), nullable=True),
        sa.Column("declared_reason", sa.Text(), nullable=True),
        sa.Column("declared_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("left_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("left_reason", sa.Text(), nullable=True),
        sa.Column("finished_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("declared IN ('none', 'conflict')", name=op.f("ck_scorer_declared")),
        sa.CheckConstraint(
            "finished_at IS NULL OR (declared = 'none' AND left_at IS NULL)", name=op.f("ck_scorer_finished")
        ),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_scorer_call_id_call")),
        sa.PrimaryKeyConstraint("call_id", "person_id", name=op.f("pk_scorer")),
    )
    op.create_table(
        "bid",
        sa.Column("bid_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("draft", sa.LargeBinary(), nullable=True),
        sa.Column("kept", sa.LargeBinary(), nullable=True),
        sa.Column("submission_id", sa.Uuid(), nullable=True),
        sa.Column("price_fen", sa.BigInteger(), nullable=True),
        sa.Column("content", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("refused_reason", sa.Text(), nullable=True),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(state IN ('opened', 'refused')) OR (price_fen IS NULL AND content IS NULL)",
            name=op.f("ck_bid_sealed"),
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'submitted', 'withdrawn', 'opened', 'refused')", name=op.f("ck_bid_state")
        ),
        sa.CheckConstraint("price_fen > 0", name=op.f("ck_bid_price")),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_bid_call_id_call")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.lot_id"], name=op.f("fk_bid_lot_id_lot")),
        sa.PrimaryKeyConstraint("bid_id", name=op.f("pk_bid")),
        sa.UniqueConstraint("lot_id", "organisation_id", name=op.f("uq_bid_lot_id_organisation_id")),
    )
    op.create_index("ix_bid_call_id", "bid", ["call_id"], unique=False)
    op.create_index("ix_bid_organisation_id", "bid", ["organisation_id"], unique=False)
    op.create_table(
        "challenge",
        sa.Column("challenge_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=True),
        sa.Column("filed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("answer_due", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        sa.Column("answered_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(state IN ('rejected', 'upheld')) = (answered_at IS NOT NULL)",
            name=op.f("ck_challenge_answered"),
        ),
        sa.CheckConstraint(
            "state IN ('open', 'rejected', 'upheld', 'withdrawn')", name=op.f("ck_challenge_state")
        ),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_challenge_call_id_call")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.lot_id"], name=op.f("fk_challenge_lot_id_lot")),
        sa.PrimaryKeyConstraint("challenge_id", name=op.f("pk_challenge")),
    )
    op.create_index("ix_challenge_call_id", "challenge", ["call_id"], unique=False)
    op.create_table(
        "lot_line",
        sa.Column("lot_line_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("community_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("rounding_minutes", sa.BigInteger(), nullable=False),
        sa.Column("wasted_trip", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("unit_ceiling_fen", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("unit IN ('visit', 'hour', 'person_time')", name=op.f("ck_lot_line_unit")),
        sa.CheckConstraint(
            "cardinality(kinds) > 0 AND cardinality(community_ids) > 0", name=op.f("ck_lot_line_kinds")
        ),
        sa.CheckConstraint("rounding_minutes BETWEEN 1 AND 60", name=op.f("ck_lot_line_rounding")),
        sa.CheckConstraint("units > 0 AND unit_ceiling_fen > 0", name=op.f("ck_lot_line_units")),
        sa.CheckConstraint("wasted_trip BETWEEN 0 AND 100", name=op.f("ck_lot_line_wasted_trip")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.lot_id"], name=op.f("fk_lot_line_lot_id_lot")),
        sa.PrimaryKeyConstraint("lot_line_id", name=op.f("pk_lot_line")),
        sa.UniqueConstraint("lot_id", "position", name=op.f("uq_lot_line_lot_id_position")),
    )
    op.create_table(
        "award",
        sa.Column("award_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("bid_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("state IN ('decided', 'signed', 'void')", name=op.f("ck_award_state")),
        sa.CheckConstraint("price_fen > 0", name=op.f("ck_award_price")),
        sa.ForeignKeyConstraint(["bid_id"], ["bid.bid_id"], name=op.f("fk_award_bid_id_bid")),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_award_call_id_call")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.lot_id"], name=op.f("fk_award_lot_id_lot")),
        sa.PrimaryKeyConstraint("award_id", name=op.f("pk_award")),
    )
    op.create_index("ix_award_call_id", "award", ["call_id"], unique=False)
    op.create_index("uq_award_standing", "award", ["bid_id"], unique=True, postgresql_where="state <> 'void'")
    op.create_table(
        "rank",
        sa.Column("bid_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("parts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("tie", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["bid_id"], ["bid.bid_id"], name=op.f("fk_rank_bid_id_bid")),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_rank_call_id_call")),
        sa.ForeignKeyConstraint(["lot_id"], ["lot.lot_id"], name=op.f("fk_rank_lot_id_lot")),
        sa.PrimaryKeyConstraint("bid_id", name=op.f("pk_rank")),
        sa.UniqueConstraint("lot_id", "rank", name=op.f("uq_rank_lot_id_rank")),
    )
    op.create_table(
        "score",
        sa.Column("bid_id", sa.Uuid(), nullable=False),
        sa.Column("criterion_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("length(sentence) >= 2", name=op.f("ck_score_sentence")),
        sa.CheckConstraint("points BETWEEN 0 AND 10000", name=op.f("ck_score_points")),
        sa.ForeignKeyConstraint(["bid_id"], ["bid.bid_id"], name=op.f("fk_score_bid_id_bid")),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_score_call_id_call")),
        sa.ForeignKeyConstraint(
            ["criterion_id"], ["criterion.criterion_id"], name=op.f("fk_score_criterion_id_criterion")
        ),
        sa.PrimaryKeyConstraint("bid_id", "criterion_id", "person_id", name=op.f("pk_score")),
    )
    op.create_table(
        "submission",
        sa.Column("submission_id", sa.Uuid(), nullable=False),
        sa.Column("bid_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("(kind = 'bid') = (sealed IS NOT NULL)", name=op.f("ck_submission_sealed")),
        sa.CheckConstraint("kind IN ('bid', 'withdrawal')", name=op.f("ck_submission_kind")),
        sa.ForeignKeyConstraint(["bid_id"], ["bid.bid_id"], name=op.f("fk_submission_bid_id_bid")),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_submission_call_id_call")),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("pk_submission")),
        sa.UniqueConstraint("bid_id", "number", name=op.f("uq_submission_bid_id_number")),
    )
    op.create_index("ix_submission_call_id_at", "submission", ["call_id", "at"], unique=False)
    op.create_table(
        "grant",
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("award_id", sa.Uuid(), nullable=False),
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("paid_fen", sa.BigInteger(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("stopped_reason", sa.Text(), nullable=True),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('running', 'stopped', 'completed', 'terminated')", name=op.f("ck_grant_state")
        ),
        sa.CheckConstraint("paid_fen BETWEEN 0 AND amount_fen", name=op.f("ck_grant_paid")),
        sa.ForeignKeyConstraint(["award_id"], ["award.award_id"], name=op.f("fk_grant_award_id_award")),
        sa.ForeignKeyConstraint(["call_id"], ["call.call_id"], name=op.f("fk_grant_call_id_call")),
        sa.PrimaryKeyConstraint("grant_id", name=op.f("pk_grant")),
        sa.UniqueConstraint("award_id", name=op.f("uq_grant_award_id")),
    )
    op.create_index("ix_grant_organisation_id", "grant", ["organisation_id"], unique=False)
    op.create_table(
        "claim",
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("submitted_by", sa.Uuid(), nullable=True),
        sa.Column("submitted_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("checked_by", sa.Uuid(), nullable=True),
        sa.Column("checked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("refused_reason", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('submitted', 'checked', 'paid', 'refused')", name=op.f("ck_claim_state")
        ),
        sa.CheckConstraint("extract(day FROM month) = 1", name=op.f("ck_claim_month")),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contract.contract_id"], name=op.f("fk_claim_contract_id_contract")
        ),
        sa.PrimaryKeyConstraint("claim_id", name=op.f("pk_claim")),
    )
    op.create_index("ix_claim_contract_id_month", "claim", ["contract_id", "month"], unique=False)
    op.create_table(
        "contract_change",
        sa.Column("change_id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("delta_fen", sa.BigInteger(), nullable=False),
        sa.Column("lines", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("until", sa.Date(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint(
            "kind IN ('addition', 'reduction', 'extension', 'suspension', 'resumption', 'termination')",
            name=op.f("ck_contract_change_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contract.contract_id"], name=op.f("fk_contract_change_contract_id_contract")
        ),
        sa.PrimaryKeyConstraint("change_id", name=op.f("pk_contract_change")),
        sa.UniqueConstraint("contract_id", "number", name=op.f("uq_contract_change_contract_id_number")),
    )
    op.create_table(
        "milestone",
        sa.Column("milestone_id", sa.Uuid(), nullable=False),
        sa.Column("grant_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("handed_in_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("reviewed_by", sa.Uuid(), nullable=True),
        sa.Column("reviewed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("review", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('start', 'step', 'midterm', 'final')", name=op.f("ck_milestone_kind")),
        sa.CheckConstraint(
            "state IN ('due', 'handed_in', 'passed', 'failed', 'paid')", name=op.f("ck_milestone_state")
        ),
        sa.CheckConstraint("amount_fen >= 0", name=op.f("ck_milestone_amount")),
        sa.ForeignKeyConstraint(["grant_id"], ["grant.grant_id"], name=op.f("fk_milestone_grant_id_grant")),
        sa.PrimaryKeyConstraint("milestone_id", name=op.f("pk_milestone")),
        sa.UniqueConstraint("grant_id", "position", name=op.f("uq_milestone_grant_id_position")),
    )
    op.create_table(
        "agreement",
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("price_fen", sa.BigInteger(), nullable=False),
        sa.Column("bond_fen", sa.BigInteger(), nullable=False),
        sa.Column("bond_received_on", sa.Date(), nullable=True),
        sa.Column("bond_returned_on", sa.Date(), nullable=True),
        sa.Column("made_by", sa.Uuid(), nullable=True),
        sa.Column("made_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("closed_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("closed_by", sa.Uuid(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("price_fen > 0", name=op.f("ck_agreement_price")),
        sa.CheckConstraint("bond_fen BETWEEN 0 AND price_fen", name=op.f("ck_agreement_bond")),
        sa.CheckConstraint(
            "bond_returned_on IS NULL OR bond_received_on <= bond_returned_on",
            name=op.f("ck_agreement_bond_days"),
        ),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contract.contract_id"], name=op.f("fk_agreement_contract_id_contract")
        ),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_agreement")),
    )
    op.create_table(
        "signature",
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("side IN ('bureau', 'organisation')", name=op.f("ck_signature_side")),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contract.contract_id"], name=op.f("fk_signature_contract_id_contract")
        ),
        sa.PrimaryKeyConstraint("contract_id", "side", name=op.f("pk_signature")),
    )
    op.create_table(
        "claim_entry",
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("amount_fen", sa.BigInteger(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.claim_id"], name=op.f("fk_claim_entry_claim_id_claim")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["delivery_entry.entry_id"], name=op.f("fk_claim_entry_entry_id_delivery_entry")
        ),
        sa.PrimaryKeyConstraint("claim_id", "entry_id", name=op.f("pk_claim_entry")),
    )
    op.create_index("uq_claim_entry_live", "claim_entry", ["entry_id"], unique=True, postgresql_where="live")
    op.create_table(
        "payment",
        sa.Column("payment_id", sa.Uuid(), nullable=False),
        sa.Column("budget_line_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=True),
        sa.Column("grant_id", sa.Uuid(), nullable=True),
        sa.Column("claim_id", sa.Uuid(), nullable=True),
        sa.Column("milestone_id", sa.Uuid(), nullable=True),
        sa.Column("fen", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("(claim_id IS NULL) <> (milestone_id IS NULL)", name=op.f("ck_payment_basis")),
        sa.CheckConstraint("fen > 0", name=op.f("ck_payment_fen")),
        sa.ForeignKeyConstraint(
            ["budget_line_id"],
            ["budget_line.budget_line_id"],
            name=op.f("fk_payment_budget_line_id_budget_line"),
        ),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.claim_id"], name=op.f("fk_payment_claim_id_claim")),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contract.contract_id"], name=op.f("fk_payment_contract_id_contract")
        ),
        sa.ForeignKeyConstraint(["grant_id"], ["grant.grant_id"], name=op.f("fk_payment_grant_id_grant")),
        sa.ForeignKeyConstraint(
            ["milestone_id"], ["milestone.milestone_id"], name=op.f("fk_payment_milestone_id_milestone")
        ),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_payment")),
        sa.UniqueConstraint("claim_id", name=op.f("uq_payment_claim_id")),
        sa.UniqueConstraint("milestone_id", name=op.f("uq_payment_milestone_id")),
    )
    op.create_index("ix_payment_budget_line_id", "payment", ["budget_line_id"], unique=False)
    op.create_table(
        "refund",
        sa.Column("refund_id", sa.Uuid(), nullable=False),
        sa.Column("claim_id", sa.Uuid(), nullable=False),
        sa.Column("contract_id", sa.Uuid(), nullable=False),
        sa.Column("budget_line_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("fen", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("fen > 0", name=op.f("ck_refund_fen")),
        sa.ForeignKeyConstraint(["claim_id"], ["claim.claim_id"], name=op.f("fk_refund_claim_id_claim")),
        sa.ForeignKeyConstraint(
            ["contract_id"], ["contract.contract_id"], name=op.f("fk_refund_contract_id_contract")
        ),
        sa.ForeignKeyConstraint(
            ["budget_line_id"],
            ["budget_line.budget_line_id"],
            name=op.f("fk_refund_budget_line_id_budget_line"),
        ),
        sa.PrimaryKeyConstraint("refund_id", name=op.f("pk_refund")),
        sa.UniqueConstraint("claim_id", name=op.f("uq_refund_claim_id")),
    )
    op.add_column("contract", sa.Column("call_id", sa.Uuid(), nullable=True))
    op.add_column("contract", sa.Column("award_id", sa.Uuid(), nullable=True))
    op.add_column("contract", sa.Column("budget_line_id", sa.Uuid(), nullable=True))
    op.add_column("contract", sa.Column("price_fen", sa.BigInteger(), nullable=True))
    op.add_column("contract", sa.Column("paid_fen", sa.BigInteger(), nullable=False, server_default="0"))
    op.alter_column("contract", "paid_fen", server_default=None)
    op.drop_constraint(op.f("ck_contract_state"), "contract")
    op.create_check_constraint(
        op.f("ck_contract_state"), "contract", "state IN ('unsigned', 'active', 'suspended', 'ended')"
    )
    op.create_check_constraint(
        op.f("ck_contract_paid"), "contract", "paid_fen >= 0 AND (price_fen IS NULL OR paid_fen <= price_fen)"
    )
    op.create_foreign_key(op.f("fk_contract_award_id_award"), "contract", "award", ["award_id"], ["award_id"])
    op.create_foreign_key(op.f("fk_contract_call_id_call"), "contract", "call", ["call_id"], ["call_id"])
    op.create_foreign_key(
        op.f("fk_contract_budget_line_id_budget_line"),
        "contract",
        "budget_line",
        ["budget_line_id"],
        ["budget_line_id"],
    )
    op.add_column("organisation", sa.Column("rating_until", sa.Date(), nullable=True))
    op.add_column("organisation", sa.Column("state", sa.Text(), nullable=False, server_default="admitted"))
    op.alter_column("organisation", "state", server_default=None)
    op.add_column("organisation", sa.Column("refused_reason", sa.Text(), nullable=True))
    op.add_column(
        "organisation", sa.Column("controllers_at", postgresql.TIMESTAMP(timezone=True), nullable=True)
    )
    for column in ("lon", "lat"):  # who registers without signing in need not find itself on a map
        op.alter_column("organisation", column, nullable=True)
    op.execute(
        "UPDATE organisation SET rating_until = (made_at + interval '5 years')::date WHERE rating IS NOT NULL"
    )
    op.drop_constraint(op.f("ck_organisation_kind"), "organisation")
    for name, check in ORGANISATION_CHECKS.items():
        op.create_check_constraint(op.f(f"ck_organisation_{name}"), "organisation", check)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION refuse_change()"
        )
    op.execute(SUMS)
    for table in ("budget_line", "budget_entry"):
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {table}_sums AFTER INSERT OR UPDATE ON {table}"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION hold_budget_sums()"
        )
    op.execute(LATE)
    op.execute(
        "CREATE TRIGGER submission_late BEFORE INSERT ON submission FOR EACH ROW EXECUTE FUNCTION refuse_late()"
    )
    op.execute(FROZEN)
    for table, of_call in FROZEN_BY.items():
        op.execute(
            f"CREATE TRIGGER {table}_frozen BEFORE INSERT OR UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION refuse_frozen('{of_call}')"
        )
    op.execute(SCORED)
    op.execute(
        "CREATE TRIGGER score_frozen BEFORE INSERT OR UPDATE OR DELETE ON score"
        " FOR EACH ROW EXECUTE FUNCTION refuse_scored()"
    )
    op.execute(UNACCEPTED)
    op.execute(
        "CREATE TRIGGER payment_accepted BEFORE INSERT ON payment"
        " FOR EACH ROW EXECUTE FUNCTION refuse_unaccepted()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER payment_accepted ON payment")
    op.execute("DROP TRIGGER score_frozen ON score")
    op.execute("DROP FUNCTION refuse_unaccepted()")
    op.execute("DROP FUNCTION refuse_scored()")
    for table in FROZEN_BY:
        op.execute(f"DROP TRIGGER {table}_frozen ON {table}")
    op.execute("DROP TRIGGER submission_late ON submission")
    for table in APPEND_ONLY:
        op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
    for table in ("budget_line", "budget_entry"):
        op.execute(f"DROP TRIGGER {table}_sums ON {table}")
    op.execute("DROP FUNCTION hold_budget_sums()")
    op.execute("DROP FUNCTION refuse_frozen()")
    op.execute("DROP FUNCTION refuse_late()")
    for name in ORGANISATION_CHECKS:
        op.drop_constraint(op.f(f"ck_organisation_{name}"), "organisation")
    op.create_check_constraint(
        op.f("ck_organisation_kind"), "organisation", "kind IN ('social_organisation', 'centre', 'firm')"
    )
    op.drop_constraint(op.f("ck_contract_paid"), "contract")
    op.drop_constraint(op.f("ck_contract_state"), "contract")
    op.create_check_constraint(
        op.f("ck_contract_state"), "contract", "state IN ('active', 'suspended', 'ended')"
    )
    op.execute("UPDATE organisation SET lon = 0, lat = 0 WHERE lon IS NULL OR lat IS NULL")
    for column in ("lon", "lat"):
        op.alter_column("organisation", column, nullable=False)
    op.drop_column("organisation", "controllers_at")
    op.drop_column("organisation", "refused_reason")
    op.drop_column("organisation", "state")
    op.drop_column("organisation", "rating_until")
    op.drop_constraint(op.f("fk_contract_budget_line_id_budget_line"), "contract", type_="foreignkey")
    op.drop_constraint(op.f("fk_contract_call_id_call"), "contract", type_="foreignkey")
    op.drop_constraint(op.f("fk_contract_award_id_award"), "contract", type_="foreignkey")
    op.drop_column("contract", "paid_fen")
    op.drop_column("contract", "price_fen")
    op.drop_column("contract", "budget_line_id")
    op.drop_column("contract", "award_id")
    op.drop_column("contract", "call_id")
    op.drop_table("refund")
    op.drop_index("ix_payment_budget_line_id", table_name="payment")
    op.drop_table("payment")
    op.drop_index("uq_claim_entry_live", table_name="claim_entry", postgresql_where="live")
    op.drop_table("claim_entry")
    op.drop_table("signature")
    op.drop_table("agreement")
    op.drop_table("milestone")
    op.drop_table("contract_change")
    op.drop_index("ix_claim_contract_id_month", table_name="claim")
    op.drop_table("claim")
    op.drop_index("ix_grant_organisation_id", table_name="grant")
    op.drop_table("grant")
    op.drop_index("ix_submission_call_id_at", table_name="submission")
    op.drop_table("submission")
    op.drop_table("score")
    op.drop_table("rank")
    op.drop_index("uq_award_standing", table_name="award", postgresql_where="state <> 'void'")
    op.drop_index("ix_award_call_id", table_name="award")
    op.drop_table("award")
    op.drop_table("lot_line")
    op.drop_index("ix_challenge_call_id", table_name="challenge")
    op.drop_table("challenge")
    op.drop_index("ix_bid_organisation_id", table_name="bid")
    op.drop_index("ix_bid_call_id", table_name="bid")
    op.drop_table("bid")
    op.drop_table("scorer")
    op.drop_index("ix_question_call_id", table_name="question")
    op.drop_table("question")
    op.drop_index("ix_opinion_call_id", table_name="opinion")
    op.drop_table("opinion")
    op.drop_table("opening")
    op.drop_table("opener")
    op.drop_index("ix_notice_due", table_name="notice", postgresql_where="published_at IS NULL")
    op.drop_index("ix_notice_call_id", table_name="notice")
    op.drop_table("notice")
    op.drop_table("lot")
    op.drop_table("criterion")
    op.drop_index("ix_call_amendment_call_id", table_name="call_amendment")
    op.drop_table("call_amendment")
    op.drop_index("ix_support_incubation_id", table_name="support")
    op.drop_table("support")
    op.drop_index("uq_call_number", table_name="call")
    op.drop_index("ix_call_state_deadline_at", table_name="call")
    op.drop_table("call")
    op.drop_index("ix_budget_entry_about_id", table_name="budget_entry")
    op.drop_table("budget_entry")
    op.drop_index("ix_paper_organisation_id_kind", table_name="paper")
    op.drop_table("paper")
    op.drop_index("uq_incubation_running", table_name="incubation", postgresql_where="exit IS NULL")
    op.drop_table("incubation")
    op.drop_index("ix_application_try_address_at", table_name="application_try")
    op.drop_table("application_try")
    op.drop_index("ix_controller_id_hash", table_name="controller")
    op.drop_table("controller")
    op.drop_table("budget_line")
    op.drop_table("appraisal")
    op.drop_table("signing_key")
    op.drop_table("opener_key")
    op.drop_table("fund")
    op.drop_index("ix_file_about_id", table_name="file")
    op.drop_table("file")
    op.drop_table("calendar_day")
