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
        "attempt",
        sa.Column("attempt_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("attempt_id", name=op.f("pk_attempt")),
    )
    op.create_index(op.f("ix_attempt_at"), "attempt", ["at"], unique=False)
    op.create_index("ix_attempt_subject_at", "attempt", ["subject", "at"], unique=False)
    op.create_table(
        "person",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("id_number_hash", sa.LargeBinary(), nullable=True),
        sa.Column("registered_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_person")),
        sa.UniqueConstraint("id_number_hash", name="uq_person_id_number"),
    )
    op.create_table(
        "person_place",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "source", "scope", "scope_id", name=op.f("pk_person_place")),
    )
    op.create_table(
        "signing_key",
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("public", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("signs_from", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("signs_until", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("signs_until > signs_from", name=op.f("ck_signing_key_span")),
        sa.PrimaryKeyConstraint("kid", name=op.f("pk_signing_key")),
        sa.UniqueConstraint("signs_from", name="uq_signing_key_signs_from"),
    )
    op.create_table(
        "account",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("must_change_password", sa.Boolean(), nullable=False),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("changed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("starts_with(password_hash, '$argon2id$')", name=op.f("ck_account_password")),
        sa.CheckConstraint("username ~ '^[a-z][a-z0-9._-]{2,39}$'", name=op.f("ck_account_username")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["person.person_id"], name=op.f("fk_account_person_id_person")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account")),
        sa.UniqueConstraint("person_id", name="uq_account_person"),
        sa.UniqueConstraint("username", name="uq_account_username"),
    )
    op.create_table(
        "card",
        sa.Column("card_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("pin_hash", sa.Text(), nullable=False),
        sa.Column("printed_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("revoked_at", postgresql.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("revoked_at >= printed_at", name=op.f("ck_card_revoked")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.account_id"], name=op.f("fk_card_account_id_account")
        ),
        sa.PrimaryKeyConstraint("card_id", name=op.f("pk_card")),
        sa.UniqueConstraint("code_hash", name="uq_card_code"),
    )
    op.create_index(
        "uq_card_live", "card", ["account_id"], unique=True, postgresql_where=sa.text("revoked_at IS NULL")
    )
    op.create_table(
        "membership",
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=True),
        sa.Column("given_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("(scope = 'city') = (scope_id IS NULL)", name=op.f("ck_membership_scope")),
        sa.CheckConstraint(
            "role = 'bureau' AND scope IN ('city') OR role = 'planner' AND scope IN ('city', 'town') OR role = 'auditor' AND scope IN ('city') OR role = 'town' AND scope IN ('town') OR role = 'community' AND scope IN ('community') OR role = 'grid_worker' AND scope IN ('cell') OR role = 'social_worker' AND scope IN ('community', 'town', 'centre') OR role = 'centre_staff' AND scope IN ('centre') OR role = 'organisation_staff' AND scope IN ('organisation') OR role = 'dispatcher' AND scope IN ('organisation') OR role = 'volunteer' AND scope IN ('person') OR role = 'resident' AND scope IN ('person') OR role = 'family' AND scope IN ('person')",
            name=op.f("ck_membership_role_scope"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.account_id"], name=op.f("fk_membership_account_id_account")
        ),
        sa.PrimaryKeyConstraint("membership_id", name=op.f("pk_membership")),
        sa.UniqueConstraint(
            "account_id",
            "role",
            "scope",
            "scope_id",
            name="uq_membership_once",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "session",
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("card_id", sa.Uuid(), nullable=True),
        sa.Column("opened_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.CheckConstraint("ends_at > opened_at", name=op.f("ck_session_span")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.account_id"], name=op.f("fk_session_account_id_account")
        ),
        sa.ForeignKeyConstraint(["card_id"], ["card.card_id"], name=op.f("fk_session_card_id_card")),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_session")),
        sa.UniqueConstraint("token_hash", name="uq_session_token"),
    )
    op.create_index(op.f("ix_session_account_id"), "session", ["account_id"], unique=False)
    op.create_index(op.f("ix_session_ends_at"), "session", ["ends_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_session_ends_at"), table_name="session")
    op.drop_index(op.f("ix_session_account_id"), table_name="session")
    op.drop_table("session")
    op.drop_table("membership")
    op.drop_index("uq_card_live", table_name="card", postgresql_where=sa.text("revoked_at IS NULL"))
    op.drop_table("card")
    op.drop_table("account")
    op.drop_table("signing_key")
    op.drop_table("person_place")
    op.drop_table("person")
    op.drop_index("ix_attempt_subject_at", table_name="attempt")
    op.drop_index(op.f("ix_attempt_at"), table_name="attempt")
    op.drop_table("attempt")
    op.drop_table("area")
