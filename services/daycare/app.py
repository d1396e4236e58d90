"""The day-care service: residents, their needs, the visits asked for and delivered."""

from services.daycare.attendance.endpoints import ROUTER as ATTENDANCE
from services.daycare.base import Base
from services.daycare.board import ROUTER as BOARD
from services.daycare.centres.endpoints import ROUTER as CENTRES
from services.daycare.handlers import HANDLERS
from services.daycare.jobs import JOBS
from services.daycare.needs.endpoints import ROUTER as NEEDS
from services.daycare.residents.endpoints import ROUTER as RESIDENTS
from services.daycare.residents.service import tell as tell_residents
from services.daycare.residents.tables import ResidentRow
from services.daycare.sample import load
from services.daycare.satisfaction.endpoints import ROUTER as SATISFACTION
from services.daycare.satisfaction.months import ROUTER as MONTHS
from services.daycare.tasks.endpoints import ROUTER as TASKS
from services.daycare.visits.endpoints import ROUTER as VISITS
from services.daycare.visits.tables import VisitRow
from services.daycare.visits.telling import tell as tell_visits
from shared.contracts.residents import ResidentChanged
from shared.contracts.visits import VisitChanged
from shared.messaging.retelling import State
from shared.web.app import Service
from shared.web.operations import operations
from shared.web.problems import Guard

SERVICE = Service(
    name="daycare",
    title="Linli day care",
    metadata=Base.metadata,
    routers=(
        CENTRES,
        RESIDENTS,
        NEEDS,
        ATTENDANCE,
        VISITS,
        SATISFACTION,
        MONTHS,
        TASKS,
        BOARD,
        operations("daycare", HANDLERS),
    ),
    handlers=HANDLERS,
    states=(
        State(ResidentChanged, ResidentRow, tell_residents),
        State(VisitChanged, VisitRow, tell_visits),
    ),
    jobs=JOBS,
    guards={
        "uq_resident_id_hash": Guard("id_taken", "这个身份证号已经登记过。", "id_number"),
        "pk_resident": Guard("known", "这位老人已经登记过。", "person_id"),
        "uq_attendance_visit_id": Guard("attendance_there", "这位服务人员已经在这次服务里了。"),
        "uq_visit_series_id": Guard("visit_there", "这次服务已经存在。"),
    },
    load_sample=load,
)
