"""The projects service: social organisations, contracts and their lines, staff, deliveries."""

from datetime import timedelta

from services.projects.base import Base
from services.projects.contracts.endpoints import ROUTER as CONTRACTS
from services.projects.deliveries.endpoints import ROUTER as DELIVERIES
from services.projects.handlers import HANDLERS
from services.projects.sample import load
from services.projects.staff.endpoints import ROUTER as STAFF
from shared.database.work import Job
from shared.web.app import Service
from shared.web.operations import operations
from shared.web.problems import Guard
from shared.web.routing import forget_answers

SERVICE = Service(
    name="projects",
    title="Linli projects",
    metadata=Base.metadata,
    routers=(CONTRACTS, STAFF, DELIVERIES, operations("projects", HANDLERS)),
    handlers=HANDLERS,
    jobs=(Job("projects.forget_answers", timedelta(hours=6), forget_answers),),
    guards={
        "uq_organisation_credit_code": Guard("code_taken", "这个信用代码已经登记过。", "credit_code"),
        "uq_contract_number": Guard("number_taken", "这个合同编号已经有了。", "number"),
        "ck_line_balance_equation": Guard("units", "合同剩余的服务量不够。"),
    },
    load_sample=load,
)
