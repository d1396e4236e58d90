"""Community: the city's grid as the scope of roles, its gazetteer and its calendar."""

from services.community.base import Base
from services.community.endpoints import ROUTER
from services.community.sample import load
from shared.web.app import Service

SERVICE = Service(
    name="community",
    title="Linli community",
    metadata=Base.metadata,
    routers=(ROUTER,),
    load_sample=load,
)
