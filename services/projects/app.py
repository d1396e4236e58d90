"""The projects service: social organisations, contracts and their lines, staff, deliveries."""

from datetime import timedelta

from services.projects.awards.endpoints import ROUTER as AWARDS
from services.projects.awards.supplements import lapse
from services.projects.base import Base
from services.projects.bids.endpoints import ROUTER as BIDS
from services.projects.calls.endpoints import ROUTER as CALLS
from services.projects.calls.public import ROUTER as PUBLIC_CALLS
from services.projects.calls.service import tell_calls
from services.projects.calls.tables import CallRow
from services.projects.contracts.endpoints import ROUTER as CONTRACTS
from services.projects.contracts.service import tell_contracts, tell_lines
from services.projects.contracts.tables import ContractRow, LineRow
from services.projects.deliveries.endpoints import ROUTER as DELIVERIES
from services.projects.files.endpoints import LARGEST_BODY
from services.projects.files.endpoints import ROUTER as FILES
from services.projects.files.service import sweep
from services.projects.funds.endpoints import ROUTER as FUNDS
from services.projects.grants.endpoints import ROUTER as GRANTS
from services.projects.grants.service import stop_late
from services.projects.handlers import HANDLERS
from services.projects.organisations.endpoints import ROUTER as ORGANISATIONS
from services.projects.package.endpoints import ROUTER as PACKAGE
from services.projects.payments.endpoints import ROUTER as PAYMENTS
from services.projects.publicity.endpoints import ROUTER as PUBLICITY
from services.projects.sample import load
from services.projects.scoring.endpoints import ROUTER as SCORING
from services.projects.staff.endpoints import ROUTER as STAFF
from services.projects.staff.service import tell as tell_staff
from services.projects.staff.tables import StaffRow
from shared.contracts.calls import CallChanged
from shared.contracts.carers import CarerChanged
from shared.contracts.contracts import ContractChanged
from shared.contracts.lines import ContractLineChanged
from shared.database.work import Job
from shared.messaging.retelling import State
from shared.web.app import Service
from shared.web.operations import operations
from shared.web.problems import Guard
from shared.web.routing import forget_answers

SERVICE = Service(
    name="projects",
    title="Linli projects",
    keeps_files=True,
    metadata=Base.metadata,
    routers=(
        ORGANISATIONS,
        CONTRACTS,
        STAFF,
        DELIVERIES,
        CALLS,
        PUBLIC_CALLS,
        BIDS,
        PACKAGE,
        FUNDS,
        FILES,
        SCORING,
        AWARDS,
        PAYMENTS,
        GRANTS,
        PUBLICITY,
        operations("projects", HANDLERS),
    ),
    handlers=HANDLERS,
    states=(
        State(CarerChanged, StaffRow, tell_staff),
        State(ContractLineChanged, LineRow, tell_lines),
        State(CallChanged, CallRow, tell_calls),
        State(ContractChanged, ContractRow, tell_contracts),
    ),
    jobs=(
        Job("projects.forget_answers", timedelta(hours=6), forget_answers),
        Job("projects.stop_late_grants", timedelta(hours=1), stop_late),
        Job("projects.lapse_supplements", timedelta(hours=1), lapse),
        Job("projects.sweep_files", timedelta(hours=24), sweep),
    ),
    guards={
        "uq_organisation_credit_code": Guard("code_taken", "这个信用代码已经登记过。", "credit_code"),
        "uq_contract_number": Guard("number_taken", "这个合同编号已经有了。", "number"),
        "uq_fund_name_year": Guard("fund_taken", "这一年的这项资金已经有了。", "name"),
        "uq_budget_line_name": Guard("line_taken", "这项资金里已经有同名的预算项目。", "name"),
        "ck_budget_line_signs": Guard("overspent", "预算不足，不得超支（2016 实施意见三.2）。"),
        "uq_call_number": Guard("number_taken", "这个采购编号刚被用掉，请再试一次。"),
        "fk_call_budget_line_id_budget_line": Guard(
            "budget_line_unknown", "没有这个预算项目。", "budget_line_id"
        ),
        "call_frozen": Guard(
            "call_frozen", "公告发布后，采购内容、评审因素和限价不能再改（平台约定 8.21）。"
        ),
        "ck_line_balance_equation": Guard("units", "合同剩余的服务量不够。"),
        "pk_opener_key": Guard("opener_key_there", "您已有开标码。要换新的，请用“更换开标码”。"),
        "score_frozen": Guard("scores_frozen", "已经提交的评分不能再改（平台约定 8.21）。"),
        "payment_accepted": Guard(
            "not_accepted", "有服务没有通过验收，不能支付（政府采购法实施条例第四十五条；平台约定 8.19）。"
        ),
        "payment_two_people": Guard(
            "checked_by_payer",
            "核对和付款不能是同一个人，请由另一位同事登记付款（行政事业单位内部控制规范：不相容岗位相互分离）。",
        ),
        "ck_contract_paid": Guard("over_price", "支付合计不得超过合同金额（政府采购法第四十六条）。"),
        "uq_supplement_open": Guard(
            "supplement_open", "上一份补充协议还在等对方签署；请等它办完，或者先撤回。"
        ),
        "supplement_frozen": Guard("supplement_ended", "这份补充协议已经办完；请刷新后再看。"),
        "uq_incubation_running": Guard("incubating", "这个组织正在孵化。", "organisation_id"),
        "uq_claim_entry_live": Guard("claimed", "同一次服务只能申请一次付款。"),
        "submission_late": Guard(
            "submission_late", "投标截止时间已过，不能再提交、修改或撤回（87 号令第三十三条）。"
        ),
    },
    load_sample=load,
    larger_bodies={"/files": LARGEST_BODY, "/bids/{bid_id}/files": LARGEST_BODY},
)
