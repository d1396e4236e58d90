"""The matcher: one plan over volunteers and contracted carers, and who comes to each visit."""

from services.matcher.base import Base
from services.matcher.demand.endpoints import ROUTER as DEMAND
from services.matcher.fairness.endpoints import ROUTER as FAIRNESS
from services.matcher.jobs import JOBS
from services.matcher.measures import measure
from services.matcher.plans.dispatch import Dispatcher
from services.matcher.plans.endpoints import ROUTER as PLANS
from services.matcher.plans.overrides import ROUTER as OVERRIDES
from services.matcher.plans.part_worker import GROUP, PartWorker
from services.matcher.plans.runner import PlanRunner
from services.matcher.projections.handlers import HANDLERS
from services.matcher.projections.tables import VisitRow
from services.matcher.rules.endpoints import ROUTER as RULES
from services.matcher.sample import load
from services.matcher.staffing.endpoints import ROUTER as STAFFING
from services.matcher.staffing.service import tell
from shared.contracts.parts import PartAsked
from shared.contracts.staffing import StaffingChanged
from shared.messaging.retelling import State
from shared.web.app import Crew, Service
from shared.web.operations import operations
from shared.web.problems import Guard

SERVICE = Service(
    name="matcher",
    title="Linli matcher",
    metadata=Base.metadata,
    routers=(PLANS, STAFFING, OVERRIDES, RULES, FAIRNESS, DEMAND, operations("matcher", HANDLERS)),
    handlers=HANDLERS,
    states=(State(StaffingChanged, VisitRow, tell),),
    jobs=JOBS,
    workers=(PlanRunner, Dispatcher),
    crews=(Crew(GROUP, PartAsked, PartWorker),),
    measures=(measure,),
    guards={
        "ex_assignment_person_busy": Guard("time_taken", "这个时间已经有别的安排了。"),
        "uq_assignment_place": Guard("place_taken", "已经有人答应了，谢谢您。"),
        "uq_assignment_visit_person": Guard("already_there", "这位服务人员已经在这次服务里了。"),
        "ck_line_ceiling": Guard("no_units", "合同剩余的服务量不够。"),
    },
    load_sample=load,
)
