"""scorers"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CHECK = "ck_membership_role_scope"
BEFORE = (
    "role = 'bureau' AND scope IN ('city')",
    "role = 'planner' AND scope IN ('city', 'town')",
    "role = 'auditor' AND scope IN ('city')",
    "role = 'town' AND scope IN ('town')",
    "role = 'community' AND scope IN ('community')",
    "role = 'grid_worker' AND scope IN ('cell')",
    "role = 'social_worker' AND scope IN ('community', 'town', 'centre')",
    "role = 'centre_staff' AND scope IN ('centre')",
    "role = 'organisation_staff' AND scope IN ('organisation')",
    "role = 'dispatcher' AND scope IN ('organisation')",
    "role = 'volunteer' AND scope IN ('person')",
    "role = 'resident' AND scope IN ('person')",
    "role = 'family' AND scope IN ('person')",
)
SCORER = "role = 'scorer' AND scope IN ('city')"


def upgrade() -> None:
    op.drop_constraint(op.f(CHECK), "membership")
    op.create_check_constraint(op.f(CHECK), "membership", " OR ".join((*BEFORE, SCORER)))


def downgrade() -> None:
    op.drop_constraint(op.f(CHECK), "membership")
    op.create_check_constraint(op.f(CHECK), "membership", " OR ".join(BEFORE))
