"""The volunteers service: who volunteers, when, with what skills; the verified record of hours."""

from datetime import timedelta

from services.volunteers.availability.endpoints import ROUTER as AVAILABILITY
from services.volunteers.base import Base
from services.volunteers.disputes.endpoints import ROUTER as DISPUTES
from services.volunteers.handlers import HANDLERS
from services.volunteers.people.endpoints import ROUTER as PEOPLE
from services.volunteers.people.tables import VolunteerRow
from services.volunteers.people.telling import tell
from services.volunteers.record.endpoints import ROUTER as RECORD
from services.volunteers.sample import load
from shared.contracts.carers import CarerChanged
from shared.database.work import Job
from shared.messaging.retelling import State
from shared.web.app import Service
from shared.web.operations import operations
from shared.web.problems import Guard
from shared.web.routing import forget_answers

SERVICE = Service(
    name="volunteers",
    title="Linli volunteers",
    metadata=Base.metadata,
    routers=(PEOPLE, AVAILABILITY, RECORD, DISPUTES, operations("volunteers", HANDLERS)),
    handlers=HANDLERS,
    states=(State(CarerChanged, VolunteerRow, tell),),
    jobs=(Job("volunteers.forget_answers", timedelta(hours=6), forget_answers),),
    guards={
        "uq_volunteer_id_hash": Guard("id_taken", "这个身份证号已经登记过。", "id_number"),
        "pk_volunteer": Guard("known", "这位志愿者已经登记过。", "person_id"),
        "fk_volunteer_team_id_team": Guard("team_unknown", "没有这支队伍。", "team_id"),
    },
    load_sample=load,
)
