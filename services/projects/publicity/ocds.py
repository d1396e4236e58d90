"""OCDS 1.1.5: each published notice of a call is one release, drawn up anew from notices and rows whenever it is asked for.

A release says what its notice made public then, so that it is the same whenever it is read. Frozen rows (lots, criteria,
prices of awards) are read as they are; what changes (deadline, a contract's price) is taken from the notices.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.projects.awards.contracting import UNITS, agreement, changes
from services.projects.awards.tables import AwardRow, ContractChangeRow
from services.projects.bids.tables import BidRow, SubmissionRow
from services.projects.calls import service as calls
from services.projects.calls.methods import Method
from services.projects.calls.tables import AmendmentRow, CallRow, LotRow, NoticeRow
from services.projects.contracts.tables import ContractRow
from services.projects.grants.tables import GrantRow, GrantStepRow
from services.projects.organisations.tables import OrganisationRow
from services.projects.payments.tables import PaymentRow, RefundRow
from services.projects.publicity.merging import compiled
from services.projects.scoring.tables import RankRow
from shared.clock import day_bounds
from shared.contracts.codes import ContractUnit
from shared.database.work import Work

# Not registered with the Open Contracting Partnership: the prefix that a city registers takes this one's place.
PREFIX = "ocds-linli0"
EXTENSIONS = [
    f"https://raw.githubusercontent.com/open-contracting-extensions/ocds_{name}_extension/{version}/extension.json"
    for name, version in (("bid", "v1.1.5"), ("lots", "v1.1.5"))
]
BUYER = {"id": "CN-LINLI-bureau", "name": "民政局"}
# How OCDS calls the ways to buy, and how the city does. By invitation, a consultation is selective.
METHODS = {
    Method.OPEN_TENDER: ("open", "公开招标"),
    Method.CONSULTATION: ("open", "竞争性磋商"),
    Method.SINGLE_SOURCE: ("direct", "单一来源采购"),
    Method.FRAMEWORK: ("open", "框架协议采购"),
    Method.VENTURE: ("open", "公益创投"),
}


def ocid(call_id: UUID) -> str:
    """The id of a contracting process: one for each call, from its consultation to the last payment."""
    return f"{PREFIX}-{call_id}"


def money(fen: int) -> dict[str, Any]:
    """A sum in yuan. JSON knows numbers only; up to fifteen digits one is written as the very decimal that it was."""
    yuan = Decimal(fen) / 100
    return {"amount": int(yuan) if fen % 100 == 0 else float(yuan), "currency": "CNY"}


def moment(at: datetime | str) -> str:
    """An instant as all releases write it, UTC."""
    read = datetime.fromisoformat(at) if isinstance(at, str) else at
    return read.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _period(first: date | str, last: date | str) -> dict[str, str]:
    first, last = date.fromisoformat(str(first)), date.fromisoformat(str(last))
    return {
        "startDate": moment(day_bounds(first)[0]),
        "endDate": moment(day_bounds(last)[1] - timedelta(seconds=1)),
    }


@dataclass
class Process:
    """A call as it has become public so far: what later releases must repeat, because lists of words replace each other."""

    work: Work
    call: CallRow
    roles: dict[str, set[str]] = field(default_factory=dict)
    tenderers: dict[str, dict[str, str]] = field(default_factory=dict)
    lots: dict[UUID, LotRow] = field(default_factory=dict)
    done: set[UUID] = field(default_factory=set)  # lots whose award is public and stands
    shown: dict[UUID, int] = field(default_factory=dict)  # the last change of a contract that is public
    parties: list[dict[str, Any]] = field(default_factory=list)  # those of the release being drawn up

    def buyer(self, *roles: str) -> dict[str, str]:
        """The bureau, in these roles."""
        self._party({"id": BUYER["id"], "name": BUYER["name"]}, roles)
        return dict(BUYER)

    def organisation(self, organisation_id: UUID, *roles: str) -> dict[str, str]:
        """An organisation, in these roles."""
        row = self.work.session.get_one(OrganisationRow, organisation_id)
        known = {"id": f"CN-USCC-{row.credit_code}", "name": row.name}
        identifier = {"scheme": "CN-USCC", "id": row.credit_code, "legalName": row.name}
        self._party({**known, "identifier": identifier}, roles)
        return known

    def _party(self, said: dict[str, Any], roles: Sequence[str]) -> None:
        held = self.roles.setdefault(said["id"], set())
        held.update(roles)
        others = [party for party in self.parties if party["id"] != said["id"]]
        self.parties = [*others, {**said, "roles": sorted(held)}]


Drawn = tuple[list[str], dict[str, Any]]


def releases(work: Work, call: CallRow) -> list[dict[str, Any]]:
    """All releases of a call, in the order in which they were published."""
    notices = work.session.scalars(
        select(NoticeRow)
        .where(NoticeRow.call_id == call.call_id, NoticeRow.published_at.is_not(None))
        .order_by(NoticeRow.published_at, NoticeRow.notice_id)
    ).all()
    process = Process(work, call, lots={lot.lot_id: lot for lot in calls.lots(work, call.call_id)})
    made = []
    for notice in notices:
        assert notice.published_at is not None
        process.parties = []
        buyer = process.buyer("buyer", "procuringEntity")
        tags, said = DRAWN[notice.kind](process, notice)
        made.append(
            {
                "ocid": ocid(call.call_id),
                "id": f"{notice.kind}-{notice.notice_id}",
                "date": moment(notice.published_at),
                "tag": tags,
                "initiationType": "tender",
                "language": "zh",
                "parties": process.parties,
                "buyer": buyer,
                **said,
            }
        )
    return made


def _consultation(process: Process, notice: NoticeRow) -> Drawn:
    return ["planning"], {
        "planning": {
            "rationale": notice.body["title"],
            "milestones": [
                {
                    "id": str(notice.notice_id),
                    "title": "征求意见",
                    "type": "engagement",
                    "dueDate": _period(notice.body["until"], notice.body["until"])["endDate"],
                    "status": "scheduled",
                }
            ],
        }
    }


def _call(process: Process, notice: NoticeRow) -> Drawn:
    row, said = process.call, notice.body
    assert notice.published_at is not None
    method, details = METHODS[Method(row.method)]
    if row.method == Method.CONSULTATION and row.invited:
        method = "selective"
    lines = calls.lines(process.work, list(process.lots))
    tender: dict[str, Any] = {
        "id": said["number"],
        "title": said["title"],
        "status": "active",
        "procuringEntity": dict(BUYER),
        "value": money(said["ceiling_fen"]),
        "procurementMethod": method,
        "procurementMethodDetails": details,
        "mainProcurementCategory": "services",
        "awardCriteria": "ratedCriteria",
        "awardCriteriaDetails": "；".join(f"{c['name']} {c['weight']}%" for c in said["criteria"]),
        "submissionMethod": ["electronicSubmission"],
        "tenderPeriod": {
            "startDate": moment(notice.published_at),
            "endDate": moment(said["deadline_at"]),
        },
        "lots": [
            {
                "id": str(lot.lot_id),
                "title": lot.name,
                "status": "active",
                "value": money(lot.ceiling_fen),
                "contractPeriod": _period(lot.valid_from, lot.valid_to),
            }
            for lot in process.lots.values()
        ],
    }
    if any(lines.values()):  # a venture buys nothing by the unit
        tender["items"] = [
            {
                "id": str(line.lot_line_id),
                "description": line.name,
                "quantity": line.units // 100 if line.units % 100 == 0 else float(Decimal(line.units) / 100),
                "unit": {"name": UNITS[ContractUnit(line.unit)], "value": money(line.unit_ceiling_fen)},
                "relatedLot": str(lot_id),
            }
            for lot_id in process.lots
            for line in lines.get(lot_id, [])
        ]
    if row.description:
        tender["description"] = row.description
    if row.method_reason:
        tender["procurementMethodRationale"] = row.method_reason
    if said["questions_until"]:
        tender["enquiryPeriod"] = {
            "startDate": moment(notice.published_at),
            "endDate": moment(said["questions_until"]),
        }
    return ["tender"], {"tender": tender}


def _amendment(process: Process, notice: NoticeRow) -> Drawn:
    said = notice.body
    row = process.work.session.get_one(AmendmentRow, notice.about_id)
    tender: dict[str, Any] = {
        "id": said["number"],
        "tenderPeriod": {"endDate": moment(said["deadline_after"])},
        "amendments": [
            {"id": str(row.amendment_id), "date": moment(row.at), "description": said["text"]},
        ],
    }
    if said.get("questions_until"):
        tender["enquiryPeriod"] = {"endDate": moment(said["questions_until"])}
    return ["tenderAmendment" if row.touches_bids else "tenderUpdate"], {"tender": tender}


def _ended(process: Process, notice: NoticeRow) -> Drawn:
    said = notice.body
    numbered = said["number"] is not None
    void = said["state"] == "void"
    status = "unsuccessful" if void else "cancelled" if numbered else "withdrawn"
    tender: dict[str, Any] = {
        "id": said["number"] or str(process.call.call_id),
        "title": said["title"],
        "status": status,
    }
    if numbered:
        left = [lot_id for lot_id in process.lots if lot_id not in process.done]
        tender["lots"] = [{"id": str(lot_id), "status": status} for lot_id in left]
    return ["tenderUpdate" if void else "tenderCancellation"], {"tender": tender}


def _tender(process: Process, lot_id: UUID) -> dict[str, Any]:
    """What an award or its end makes of the tender: the lot's state, and the whole one's once no lot is left."""
    standing = lot_id in process.done
    return {
        "id": process.call.number,
        "status": "complete" if process.done == set(process.lots) else "active",
        "lots": [{"id": str(lot_id), "status": "complete" if standing else "active"}],
    }


def _award(process: Process, notice: NoticeRow) -> Drawn:
    session = process.work.session
    rows = session.scalars(
        select(AwardRow).where(AwardRow.decision_id == notice.about_id).order_by(AwardRow.rank)
    ).all()
    lot_id = rows[0].lot_id
    process.done.add(lot_id)
    # A bid that was refused at the opening has no rank; one that a challenge put out later keeps the rank it had.
    bids = session.execute(
        select(BidRow, SubmissionRow.at, RankRow.rank)
        .join(SubmissionRow, SubmissionRow.submission_id == BidRow.submission_id)
        .outerjoin(RankRow, RankRow.bid_id == BidRow.bid_id)
        .where(BidRow.lot_id == lot_id, BidRow.state.in_(["opened", "refused"]))
        .order_by(SubmissionRow.at, BidRow.bid_id)
    ).all()
    details = []
    for bid, at, rank in bids:
        tenderer = process.organisation(bid.organisation_id, "tenderer")
        process.tenderers[tenderer["id"]] = tenderer
        detail: dict[str, Any] = {
            "id": str(bid.bid_id),
            "date": moment(at),
            "status": "disqualified" if rank is None else "valid",
            "tenderers": [tenderer],
            "relatedLots": [str(lot_id)],
        }
        if bid.price_fen is not None:
            detail["value"] = money(bid.price_fen)
        details.append(detail)
    awards = []
    for row in rows:
        award: dict[str, Any] = {
            "id": str(row.award_id),
            "title": notice.body["title"],
            "status": "active",
            "date": moment(row.decided_at),
            "value": money(row.price_fen),
            "suppliers": [process.organisation(row.organisation_id, "supplier")],
            "relatedLots": [str(lot_id)],
            "relatedBid": str(row.bid_id),
        }
        if notice.body["reason"]:
            award["description"] = notice.body["reason"]
        awards.append(award)
    tender = {
        **_tender(process, lot_id),
        "numberOfTenderers": len(process.tenderers),
        "tenderers": list(process.tenderers.values()),
    }
    return ["award"], {"tender": tender, "bids": {"details": details}, "awards": awards}


def _award_void(process: Process, notice: NoticeRow) -> Drawn:
    session = process.work.session
    row = session.get_one(AwardRow, notice.about_id)
    signed_beside = session.scalars(
        select(AwardRow.award_id).where(AwardRow.decision_id == row.decision_id, AwardRow.state == "signed")
    ).first()
    if signed_beside is None:
        process.done.discard(row.lot_id)
    award = {"id": str(row.award_id), "status": "cancelled", "description": notice.body["reason"]}
    return ["awardCancellation"], {"tender": _tender(process, row.lot_id), "awards": [award]}


def _contract(process: Process, notice: NoticeRow) -> Drawn:
    said = notice.body
    agreed = _agreed(process, notice.about_id)
    contract: dict[str, Any] = {
        "id": said["number"],
        "awardID": str(agreed.award_id),
        "title": said["title"],
        "status": "active",
    }
    if isinstance(agreed, GrantRow):
        contract["value"] = money(said["amount_fen"])
        contract["period"] = _period(agreed.starts_on, agreed.ends_on)
    else:
        contract["value"] = money(said["price_fen"])
        contract["period"] = _period(said["valid_from"], said["valid_to"])
        contract["dateSigned"] = moment(day_bounds(date.fromisoformat(said["signed"]))[0])
    process.organisation(agreed.organisation_id, "supplier")
    return ["contract"], {"contracts": [contract]}


def _agreed(process: Process, about_id: UUID) -> ContractRow | GrantRow:
    """The contract, or the grant of a venture, that a notice is about."""
    found = process.work.session.get(ContractRow, about_id)
    return found or process.work.session.get_one(GrantRow, about_id)


def _contract_change(process: Process, notice: NoticeRow) -> Drawn:
    row = process.work.session.get_one(ContractChangeRow, notice.about_id)
    contract = process.work.session.get_one(ContractRow, row.contract_id)
    # Changes may become public in another order than they were made in: the last one made stands.
    last = process.shown[row.contract_id] = max(row.number, process.shown.get(row.contract_id, 0))
    made = [each for each in changes(process.work, row.contract_id) if each.number <= last]
    price = agreement(process.work, row.contract_id).price_fen + sum(each.delta_fen for each in made)
    said: dict[str, Any] = {
        "id": contract.number,
        "awardID": str(contract.award_id),
        "value": money(price),
        "amendments": [{"id": str(row.change_id), "date": moment(row.at), "description": row.reason}],
    }
    extended = [each.until for each in made if each.kind == "extension" and each.until]
    if extended:
        said["period"] = {"endDate": _period(extended[-1], extended[-1])["endDate"]}
    if row.kind == "termination":
        said["status"] = "terminated"
    return ["contractTermination" if row.kind == "termination" else "contractAmendment"], {
        "contracts": [said]
    }


def _payment(process: Process, notice: NoticeRow) -> Drawn:
    row = process.work.session.get_one(PaymentRow, notice.about_id)
    basis = row.contract_id or row.grant_id
    assert basis is not None
    agreed = _agreed(process, basis)
    transaction = {
        "id": str(row.payment_id),
        "date": moment(day_bounds(row.paid_on)[0]),
        "value": money(row.fen),
        "payer": process.buyer("payer"),
        "payee": process.organisation(row.organisation_id, "payee"),
    }
    contract = {
        "id": agreed.number,
        "awardID": str(agreed.award_id),
        "implementation": {"transactions": [transaction]},
    }
    return ["implementation"], {"contracts": [contract]}


def _acceptance(process: Process, notice: NoticeRow) -> Drawn:
    assert notice.published_at is not None
    agreed = _agreed(process, notice.about_id)
    milestone = {
        "id": str(notice.notice_id),
        "title": "验收结果",
        "type": "assessment",
        "status": "met",
        "dateMet": moment(notice.published_at),
    }
    if notice.body.get("result"):
        milestone["description"] = notice.body["result"]
    implementation: dict[str, Any] = {"milestones": [milestone]}
    if isinstance(agreed, ContractRow) and (returned := _refunds(process, agreed)):
        implementation["transactions"] = returned
    contract = {
        "id": agreed.number,
        "awardID": str(agreed.award_id),
        "status": "terminated",  # OCDS says so of a contract that has come to its end, in time or before
        "implementation": implementation,
    }
    return ["implementationUpdate"], {"contracts": [contract]}


def _refunds(process: Process, agreed: ContractRow) -> list[dict[str, Any]]:
    """What was paid too much and came back before a contract was closed: paid the other way round."""
    rows = process.work.session.scalars(
        select(RefundRow).where(RefundRow.contract_id == agreed.contract_id).order_by(RefundRow.refund_id)
    )
    return [
        {
            "id": str(row.refund_id),
            "date": moment(day_bounds(row.received_on)[0]),
            "value": money(row.fen),
            "payer": process.organisation(row.organisation_id, "payer"),
            "payee": process.buyer("payee"),
        }
        for row in rows
    ]


def _grant_halt(process: Process, notice: NoticeRow) -> Drawn:
    """A grant's mid-term review stopped its payments, or they go on."""
    step = process.work.session.get_one(GrantStepRow, notice.about_id)
    grant = process.work.session.get_one(GrantRow, step.grant_id)
    stopped = notice.kind == "grant_stopped"
    milestone = {
        "id": str(notice.notice_id),
        "title": "停止拨付" if stopped else "恢复拨付",
        "type": "assessment",
        "status": "notMet" if stopped else "scheduled",
        "description": notice.body["reason"],
    }
    contract = {
        "id": grant.number,
        "awardID": str(grant.award_id),
        "implementation": {"milestones": [milestone]},
    }
    return ["implementationUpdate"], {"contracts": [contract]}


DRAWN: dict[str, Callable[[Process, NoticeRow], Drawn]] = {
    "consultation": _consultation,
    "call": _call,
    "amendment": _amendment,
    "ended": _ended,
    "award": _award,
    "award_void": _award_void,
    "contract": _contract,
    "contract_change": _contract_change,
    "payment": _payment,
    "acceptance": _acceptance,
    "grant_stopped": _grant_halt,
    "grant_resumed": _grant_halt,
}


def release_package(
    address: str, told: Sequence[dict[str, Any]], following: str | None = None
) -> dict[str, Any]:
    """Releases as a package. `following`: where the next page of a list is."""
    package = {**_package(address, told), "releases": list(told)}
    return {**package, "links": {"next": following}} if following else package


def record_package(address: str, told: Sequence[dict[str, Any]], at: Callable[[str], str]) -> dict[str, Any]:
    """A process's record: its releases by their address, and what they come to together."""
    linked = [{"url": at(each["id"]), "date": each["date"], "tag": each["tag"]} for each in told]
    record = {"ocid": told[0]["ocid"], "releases": linked, "compiledRelease": compiled(told)}
    return {**_package(address, told), "records": [record]}


def _package(address: str, told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "uri": address,
        "version": "1.1",
        "extensions": EXTENSIONS,
        "publishedDate": max((each["date"] for each in told), default="2000-01-01T00:00:00Z"),
        "publisher": {"name": BUYER["name"]},
    }
