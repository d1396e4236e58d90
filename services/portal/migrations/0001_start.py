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
        "draft",
        sa.Column("draft_id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("draft_id", name=op.f("pk_draft")),
    )
    op.create_index(op.f("ix_draft_at"), "draft", ["at"], unique=False)
    op.create_table(
        "session",
        sa.Column("session_hash", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("account", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("scope_id", sa.Uuid(), nullable=True),
        sa.Column("csrf", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("flash", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("began_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("ends_at", postgresql.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_hash", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_ends_at"), "session", ["ends_at"], unique=False)
    op.create_index(op.f("ix_session_person_id"), "session", ["person_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_session_person_id"), table_name="session")
    op.drop_index(op.f("ix_session_ends_at"), table_name="session")
    op.drop_table("session")
    op.drop_index(op.f("ix_draft_at"), table_name="draft")
    op.drop_table("draft")
