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
        "calendar_day",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("workday", sa.Boolean(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_calendar_day")),
    )
    op.create_table(
        "calendar_year_unpublished",
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_calendar_year_unpublished")),
    )
    op.create_table(
        "town",
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("kind IN ('镇', '园区', '办事处')", name=op.f("ck_town_kind")),
        sa.CheckConstraint("lon BETWEEN -180 AND 180 AND lat BETWEEN -90 AND 90", name=op.f("ck_town_place")),
        sa.PrimaryKeyConstraint("town_id", name=op.f("pk_town")),
    )
    op.create_table(
        "community",
        sa.Column("community_id", sa.Uuid(), nullable=False),
        sa.Column("town_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("urban", sa.Boolean(), nullable=False),
        sa.Column("households", sa.Integer(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("outline", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("households >= 0", name=op.f("ck_community_households")),
        sa.CheckConstraint(
            "jsonb_array_length(outline) >= 4 AND outline -> 0 = outline -> -1",
            name=op.f("ck_community_outline"),
        ),
        sa.CheckConstraint(
            "lon BETWEEN -180 AND 180 AND lat BETWEEN -90 AND 90", name=op.f("ck_community_place")
        ),
        sa.ForeignKeyConstraint(["town_id"], ["town.town_id"], name=op.f("fk_community_town_id_town")),
        sa.PrimaryKeyConstraint("community_id", name=op.f("pk_community")),
    )
    op.create_index(op.f("ix_community_town_id"), "community", ["town_id"], unique=False)
    op.create_table(
        "cell",
        sa.Column("cell_id", sa.Uuid(), nullable=False),
        sa.Column("community_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("households", sa.Integer(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("outline", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint("households >= 0", name=op.f("ck_cell_households")),
        sa.CheckConstraint(
            "jsonb_array_length(outline) >= 4 AND outline -> 0 = outline -> -1", name=op.f("ck_cell_outline")
        ),
        sa.CheckConstraint("lon BETWEEN -180 AND 180 AND lat BETWEEN -90 AND 90", name=op.f("ck_cell_place")),
        sa.ForeignKeyConstraint(
            ["community_id"], ["community.community_id"], name=op.f("fk_cell_community_id_community")
        ),
        sa.PrimaryKeyConstraint("cell_id", name=op.f("pk_cell")),
    )
    op.create_index(op.f("ix_cell_community_id"), "cell", ["community_id"], unique=False)
    op.create_table(
        "building",
        sa.Column("building_id", sa.Uuid(), nullable=False),
        sa.Column("cell_id", sa.Uuid(), nullable=False),
        sa.Column("community_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("lon", sa.Double(), nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("floors", sa.SmallInteger(), nullable=False),
        sa.Column("lift", sa.Boolean(), nullable=False),
        sa.CheckConstraint("floors BETWEEN 1 AND 200", name=op.f("ck_building_floors")),
        sa.CheckConstraint(
            "lon BETWEEN -180 AND 180 AND lat BETWEEN -90 AND 90", name=op.f("ck_building_place")
        ),
        sa.ForeignKeyConstraint(["cell_id"], ["cell.cell_id"], name=op.f("fk_building_cell_id_cell")),
        sa.ForeignKeyConstraint(
            ["community_id"], ["community.community_id"], name=op.f("fk_building_community_id_community")
        ),
        sa.PrimaryKeyConstraint("building_id", name=op.f("pk_building")),
    )
    op.create_index(op.f("ix_building_address"), "building", ["address"], unique=False)
    op.create_index(op.f("ix_building_cell_id"), "building", ["cell_id"], unique=False)
    op.create_index(op.f("ix_building_community_id"), "building", ["community_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_building_community_id"), table_name="building")
    op.drop_index(op.f("ix_building_cell_id"), table_name="building")
    op.drop_index(op.f("ix_building_address"), table_name="building")
    op.drop_table("building")
    op.drop_index(op.f("ix_cell_community_id"), table_name="cell")
    op.drop_table("cell")
    op.drop_index(op.f("ix_community_town_id"), table_name="community")
    op.drop_table("community")
    op.drop_table("town")
    op.drop_table("calendar_year_unpublished")
    op.drop_table("calendar_day")
