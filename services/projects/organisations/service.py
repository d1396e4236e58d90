"""Organisations: registered, admitted, with their papers and who controls them; whether one may bid."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

from dateutil.relativedelta import relativedelta
from sqlalchemy import delete, func, select, text

from services.projects.calls.methods import Method
from services.projects.calls.tables import CallRow
from services.projects.files import service as files
from services.projects.organisations.schemas import (
    Decision,
    NewApplication,
    NewController,
    NewOrganisation,
    NewPaper,
)
from services.projects.organisations.tables import (
    ApplicationTryRow,
    ControllerRow,
    OrganisationRow,
    PaperRow,
)
from services.projects.staff.tables import StaffRow
from shared.clock import wall_day
from shared.contracts.codes import Channel
from shared.database.work import Work
from shared.ids import derived_id, new_id
from shared.rules import rule_value
from shared.web.language import Term, _
from shared.web.problems import Invalid, NotFound, Refused
from shared.web.routing import expect

TRIES_WITHIN = 3600  # seconds in which what comes from an address without a sign-in is counted
INSTITUTION_CODE = "12"  # how the credit codes of institutions (事业单位) begin, GB 32100
PAPER_NAMES: dict[str, str] = {
    "registration": _("登记证书"),
    "rating": _("评估等级证书"),
    "licence": _("执业许可证"),
    "social_security": _("社会保险缴纳证明"),
    "tax": _("纳税证明"),
    "audit": _("审计报告"),
}


def add_organisation(
    work: Work, new: NewOrganisation, organisation_id: UUID | None = None
) -> OrganisationRow:
    """Register an organisation. One that is there already under the same id is left as it is."""
    known = work.session.get(OrganisationRow, organisation_id) if organisation_id else None
    if known is not None:
        return known
    said = new.model_dump()
    if new.rating and new.rating_until is None:
        said["rating_until"] = _rated_until(wall_day(work.now), None)
    row = OrganisationRow(
        organisation_id=organisation_id or new_id(),
        state="admitted",
        refused_reason=None,
        controllers_at=None,
        made_at=work.now,
        **said,
    )
    work.session.add(row)
    work.session.flush()
    work.audit("organisation.add", row.organisation_id)
    return row


def organisation(work: Work, organisation_id: UUID, *, lock: bool = False) -> OrganisationRow:
    """The organisation. 404 when there is none."""
    row = work.session.get(
        OrganisationRow, organisation_id, with_for_update=True if lock else None, populate_existing=lock
    )
    if row is None:
        raise NotFound("organisation_unknown", "没有这个组织。", field="organisation_id")
    return row


# Registering without signing in


def too_many(work: Work, address: str, what: str = "application") -> Refused | None:
    """Count what somebody sends from an address without signing in, a registration or an opinion on a call. The refusal of
    one too many is returned, so that its count stays.
    """
    hashed = work.vault.fingerprint(f"{what}:{address}")
    work.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"apply {hashed.hex()}"}
    )
    since = work.now - timedelta(seconds=TRIES_WITHIN)
    work.session.execute(delete(ApplicationTryRow).where(ApplicationTryRow.at <= since))
    there = work.session.scalar(
        select(func.count()).select_from(ApplicationTryRow).where(ApplicationTryRow.address == hashed)
    )
    if (there or 0) >= int(rule_value(f"{what}s_an_address_an_hour", wall_day(work.now))):
        return Refused(
            "too_many_tries",
            "提交得太频繁，请一小时后再试，或到民政局窗口办理。",
            status=429,
            retry_after=TRIES_WITHIN,
        )
    work.session.add(ApplicationTryRow(address=hashed, at=work.now))
    work.session.flush()
    return None


def apply(work: Work, new: NewApplication) -> OrganisationRow:
    """Take in what an organisation says of itself. One that was refused may come again under its credit code."""
    if new.kind == "institution_first":
        raise Invalid(
            "institution_excluded",
            "公益一类事业单位不得承接政府购买服务（政府购买服务管理办法，102 号令第八条）。",
            field="kind",
        )
    if (new.kind == "institution") != new.credit_code.startswith(INSTITUTION_CODE):
        raise Invalid(
            "kind_and_code",
            "信用代码以 12 开头的是事业单位：类型与代码不符，请核对。",
            field="kind",
        )
    row = work.session.scalar(
        select(OrganisationRow).where(OrganisationRow.credit_code == new.credit_code).with_for_update()
    )
    if row is not None and row.state != "refused":
        raise Refused("code_taken", "这个信用代码已经登记过。", field="credit_code")
    if row is None:
        row = OrganisationRow(
            organisation_id=new_id(),
            credit_code=new.credit_code,
            lon=None,
            lat=None,
            rating=None,
            rating_until=None,
            made_at=work.now,
        )
        work.session.add(row)
    row.name, row.kind, row.phone, row.address = new.name, new.kind, new.phone, new.address
    row.channel = Channel.PUBLIC_PURCHASED.value
    row.state, row.refused_reason = "applied", None
    row.controllers_at = work.now
    work.session.flush()
    _control(work, row, new.controllers)
    work.audit("organisation.apply", row.organisation_id)
    return row


def decide(work: Work, row: OrganisationRow, decision: Decision) -> None:
    """Admit or refuse an organisation that applied (If-Match)."""
    expect(work, row.version)
    if row.state != "applied":
        raise Refused("not_applied", "这个组织没有待审核的登记申请。")
    row.state = "admitted" if decision.holds else "refused"
    row.refused_reason = None if decision.holds else decision.reason
    work.session.flush()
    work.audit(f"organisation.{row.state}", row.organisation_id)


# Who controls an organisation


def say_controllers(work: Work, row: OrganisationRow, controllers: Sequence[NewController]) -> None:
    """Say anew who controls an organisation (If-Match)."""
    expect(work, row.version)
    before = row.controllers_at
    row.controllers_at = max(work.now, before + timedelta(microseconds=1)) if before else work.now
    work.session.flush()
    _control(work, row, controllers)
    work.audit("organisation.controllers", row.organisation_id, count=len(controllers))


def _control(work: Work, row: OrganisationRow, controllers: Sequence[NewController]) -> None:
    work.session.execute(delete(ControllerRow).where(ControllerRow.organisation_id == row.organisation_id))
    hashes = [work.vault.fingerprint(each.id_number) for each in controllers]
    people = [derived_id("controller", hashed.hex()) for hashed in hashes]
    blocks = work.vault.seal_many(
        work.session,
        [
            (person, {"name": each.name, "id_number": each.id_number})
            for person, each in zip(people, controllers, strict=True)
        ],
    )
    work.session.add_all(
        ControllerRow(
            organisation_id=row.organisation_id,
            id_hash=hashed,
            person_id=person,
            sealed=sealed,
            share=each.share,
        )
        for hashed, person, sealed, each in zip(hashes, people, blocks, controllers, strict=True)
    )
    work.session.flush()


def controllers(work: Work, organisation_ids: Iterable[UUID]) -> dict[UUID, list[tuple[dict[str, Any], int]]]:
    """Who controls organisations, the largest share first: the opened values and the share."""
    rows = work.session.scalars(
        select(ControllerRow)
        .where(ControllerRow.organisation_id.in_(list(organisation_ids)))
        .order_by(ControllerRow.share.desc(), ControllerRow.id_hash)
    ).all()
    values = work.vault.open(work.session, [(row.person_id, row.sealed) for row in rows])
    found: dict[UUID, list[tuple[dict[str, Any], int]]] = {}
    for row, value in zip(rows, values, strict=True):
        found.setdefault(row.organisation_id, []).append((value, row.share))
    return found


def same_controller(work: Work, organisation_ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    """Pairs of these organisations under one controller, or where one's staff controls the other; ids in order."""
    ids = sorted(set(organisation_ids))
    holders: dict[bytes, set[UUID]] = {}
    for row in work.session.execute(
        select(ControllerRow.id_hash, ControllerRow.organisation_id).where(
            ControllerRow.organisation_id.in_(ids)
        )
    ):
        holders.setdefault(row.id_hash, set()).add(row.organisation_id)
    pairs = {pair for each in holders.values() for pair in combinations(sorted(each), 2)}
    if holders and len(ids) > 1:
        staff = work.session.execute(
            select(StaffRow.person_id, StaffRow.organisation_id, StaffRow.sealed).where(
                StaffRow.organisation_id.in_(ids), StaffRow.active
            )
        ).all()
        values = work.vault.open(work.session, [(each.person_id, each.sealed) for each in staff])
        for member, value in zip(staff, values, strict=True):
            number = value.get("id_number")
            held = holders.get(work.vault.fingerprint(number), set()) if number else set()
            for other in held - {member.organisation_id}:
                pairs.add((min(other, member.organisation_id), max(other, member.organisation_id)))
    return sorted(pairs)


def under_same_controller(work: Work, organisation_id: UUID) -> list[UUID]:
    """The other organisations that one of its controllers has too."""
    own = select(ControllerRow.id_hash).where(ControllerRow.organisation_id == organisation_id)
    return list(
        work.session.scalars(
            select(ControllerRow.organisation_id)
            .where(ControllerRow.id_hash.in_(own), ControllerRow.organisation_id != organisation_id)
            .distinct()
            .order_by(ControllerRow.organisation_id)
        )
    )


# Papers


def hand_in(work: Work, of: OrganisationRow, new: NewPaper) -> PaperRow:
    """Hand a paper in: it counts once the bureau has looked at it."""
    file = files.file(work, new.file_id)
    if file.about != "organisation" or file.about_id != of.organisation_id:
        raise Invalid("file_elsewhere", "这份文件不是本组织的材料，请先上传。", field="file_id")
    if file.withdrawn_at is not None:
        raise Invalid("file_withdrawn", "这份材料已经收回。", field="file_id")
    if new.issued_on > wall_day(work.now):
        raise Invalid("issued_later", "发证日期不能晚于今天。", field="issued_on")
    until = new.valid_until
    if new.kind == "rating":
        until = _rated_until(new.issued_on, new.valid_until)
    row = PaperRow(
        paper_id=new_id(),
        organisation_id=of.organisation_id,
        kind=new.kind,
        name=new.name,
        number=new.number,
        rating=new.rating,
        issued_on=new.issued_on,
        valid_until=until,
        file_id=new.file_id,
        state="handed_in",
        refused_reason=None,
        handed_in_by=work.caller.person_id if work.caller else None,
        handed_in_at=work.now,
        looked_at_by=None,
        looked_at=None,
    )
    work.session.add(row)
    work.session.flush()
    work.audit("paper.hand_in", row.paper_id, kind=new.kind)
    return row


def _rated_until(issued_on: date, said: date | None) -> date:
    """A rating's last day: five years on, or earlier when the paper says so."""
    years = int(rule_value("rating_years", issued_on))
    last = issued_on + relativedelta(years=years) - timedelta(days=1)
    return min(said, last) if said is not None else last


def paper(work: Work, paper_id: UUID, *, lock: bool = False) -> PaperRow:
    """The paper. 404 when there is none."""
    row = work.session.get(PaperRow, paper_id, with_for_update=True if lock else None)
    if row is None:
        raise NotFound("paper_unknown", "没有这份证照材料。")
    return row


def look_at(work: Work, row: PaperRow, decision: Decision) -> None:
    """Verify or refuse a paper (If-Match). A verified rating becomes the organisation's when it holds longest."""
    expect(work, row.version)
    if row.state != "handed_in":
        raise Refused("paper_looked_at", "这份材料已经审核过。")
    if decision.holds and row.file_id and files.file(work, row.file_id).withdrawn_at is not None:
        raise Refused("file_withdrawn", "这份材料已经收回。")
    row.state = "verified" if decision.holds else "refused"
    row.refused_reason = None if decision.holds else decision.reason
    row.looked_at_by = work.caller.person_id if work.caller else None
    row.looked_at = work.now
    work.session.flush()
    if row.kind == "rating" and decision.holds:
        of = organisation(work, row.organisation_id, lock=True)
        assert row.valid_until is not None
        if of.rating_until is None or of.rating_until <= row.valid_until:
            of.rating, of.rating_until = row.rating, row.valid_until
            work.session.flush()
    work.audit(f"paper.{row.state}", row.paper_id, kind=row.kind)


# Whether an organisation may bid


@dataclass(frozen=True, slots=True)
class Missing:
    """Something an organisation lacks for a call: a code, the sentence that says so, and which paper it is about."""

    code: str
    sentence: str
    params: dict[str, Any] = field(default_factory=dict)
    paper: str | None = None


def missing(work: Work, call: CallRow, organisation_id: UUID) -> list[Missing]:
    """Why an organisation may not bid for a call today; empty when it may."""
    of = organisation(work, organisation_id)
    today = wall_day(work.now)
    found = [*_kind_and_state(call, of), *_rating(call, of, today)]
    wanted = [kind for kind in call.papers if kind != "rating"]
    papers = work.session.scalars(
        select(PaperRow).where(PaperRow.organisation_id == organisation_id, PaperRow.kind.in_(wanted))
    ).all()
    for kind in wanted:
        lacking = _paper(kind, [each for each in papers if each.kind == kind], today)
        if lacking is not None:
            found.append(lacking)
    return found


def _kind_and_state(call: CallRow, of: OrganisationRow) -> list[Missing]:
    found = []
    if of.state != "admitted":
        found.append(Missing("not_admitted", "民政局还没有通过本组织的登记申请。"))
    if of.kind == "centre":
        found.append(
            Missing(
                "public_itself", "公办照料中心自有人员不是承接主体（政府购买服务管理办法，102 号令第八条）。"
            )
        )
    elif call.allowed_kinds and of.kind not in call.allowed_kinds:
        found.append(Missing("kind_not_allowed", "这次采购不面向本类组织。"))
    only_invited = bool(call.invited) or call.method == Method.SINGLE_SOURCE.value
    if only_invited and of.organisation_id not in call.invited:
        found.append(Missing("not_invited", "这次采购只邀请指定的组织参加。"))
    if of.controllers_at is None and of.kind != "centre":
        found.append(Missing("controllers_missing", "还没有说明谁控制本组织（政府采购法实施条例第十八条）。"))
    return found


def _rating(call: CallRow, of: OrganisationRow, today: date) -> list[Missing]:
    if call.least_rating is None and "rating" not in call.papers:
        return []
    least = call.least_rating or "1A"
    if of.rating is None or of.rating_until is None:
        return [
            Missing(
                "rating_missing", "还没有核验过的评估等级，要求 {least} 及以上。", {"least": least}, "rating"
            )
        ]
    if of.rating_until < today:
        return [
            Missing(
                "rating_lapsed",
                "评估等级 {rating} 已于 {until} 到期（社会组织评估管理办法：有效期 5 年）。",
                {"rating": of.rating, "until": of.rating_until.isoformat()},
                "rating",
            )
        ]
    if of.rating < least:
        return [
            Missing(
                "rating_low",
                "评估等级为 {rating}，要求 {least} 及以上。",
                {"rating": of.rating, "least": least},
                "rating",
            )
        ]
    return []


def _paper(kind: str, papers: Sequence[PaperRow], today: date) -> Missing | None:
    """What is wrong with the papers of a kind: the one nearest to holding says it."""
    verified = [each for each in papers if each.state == "verified"]
    if any(each.valid_until is None or each.valid_until >= today for each in verified):
        return None
    name = {"paper": Term(PAPER_NAMES[kind])}
    if any(each.state == "handed_in" for each in papers):
        return Missing("paper_unverified", "{paper}还在审核。", name, kind)
    if verified:
        until = max(each.valid_until for each in verified if each.valid_until is not None)
        return Missing(
            "paper_lapsed", "{paper}已于 {until} 到期。", {**name, "until": until.isoformat()}, kind
        )
    if papers:
        return Missing("paper_refused", "{paper}没有通过审核，请重新提交。", name, kind)
    return Missing("paper_missing", "还没有提交{paper}。", name, kind)
