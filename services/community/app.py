"""Community: the city's grid as the scope of roles, its gazetteer and its calendar."""

from services.community.base import Base
from services.community.endpoints import ROUTER
from services.community.sample import load
from services.community.service import tell_cells, tell_communities, tell_days, tell_towns
from services.community.tables import CalendarRow, CellRow, CommunityRow, TownRow
from shared.contracts.areas import AreaChanged, CalendarDay
from shared.messaging.retelling import State
from shared.web.app import Service

SERVICE = Service(
    name="community",
    title="Linli community",
    metadata=Base.metadata,
    routers=(ROUTER,),
    states=(
        State(AreaChanged, TownRow, tell_towns),
        State(AreaChanged, CommunityRow, tell_communities),
        State(AreaChanged, CellRow, tell_cells),
        State(CalendarDay, CalendarRow, tell_days),
    ),
    load_sample=load,
)
