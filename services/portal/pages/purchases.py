"""The bureau buys: calls by state, one call step by step, its draft, what the public and organisations say, notices."""

from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal import words
from services.portal.page import Form, Page, signed_in
from services.portal.pages.centre import instant_of
from services.portal.pages.one_call import fen_of, show
from services.portal.pages.plan import places_of
from services.portal.services import Problem
from services.portal.sheets import sheet
from services.portal.times import moment
from shared.clock import wall
from shared.contracts.codes import Role
from shared.web.language import _

ROUTER = APIRouter(prefix="/purchases")
Bureau = Annotated[Page, signed_in(Role.BUREAU)]

GROUPS = {
    "open": ("draft", "consulting", "published", "opened", "scored", "awarded"),
    "running": ("signed", "closed"),
    "ended": ("archived", "void", "terminated"),
}
SPANS = {"week": (0, 6), "past": (-28, -1)}
UNIT_CEILING_FEN = 4500  # what an hour is first put down at; the clerk changes it


@ROUTER.get("")
async def calls(page: Bureau, group: str = "open", cursor: str = "") -> Response:
    """What is under way, each with what comes next and by when; what is overdue first."""
    states = GROUPS.get(group, GROUPS["open"])
    found = await page.get("projects", "/calls", state=states, cursor=cursor, limit=50)
    due = await page.get("projects", "/public/due")
    refused = await page.get("projects", "/refusals", limit=1)
    return page.render(
        "purchases/list.html",
        calls=found["items"],
        next=found["next"],
        group=group if group in GROUPS else "open",
        overdue=len(due["notices"]),
        appraisals=due["appraisals"],
        refused=refused,
    )


HEADS = (_("编号"), _("采购项目"), _("状态"), _("方式"), _("截止时间"), _("最高限价"))


@ROUTER.get("/export.xlsx")
async def export(page: Bureau, group: str = "open") -> Response:
    """The table as XLSX, whole, money in yuan."""
    rows = [
        [
            c["number"] or "",
            c["title"],
            page._(words.CALL_STAGES[c["stage"]][0]),
            page._(words.METHODS[c["method"]]),
            f"{wall(moment(c['deadline_at'])):%Y-%m-%d %H:%M}" if c["deadline_at"] else "",
            Decimal(c["ceiling_fen"]) / 100,
        ]
        for c in await page.every("projects", "/calls", state=GROUPS.get(group, GROUPS["open"]))
    ]
    return sheet(f"purchases-{page.today}", [page._(head) for head in HEADS], rows)


@ROUTER.get("/unmet")
async def unmet(page: Bureau, span: str = "week") -> Response:
    """What to buy next: where published plans leave visits undone."""
    begin, end = SPANS.get(span, SPANS["week"])
    found = await page.get(
        "matcher",
        "/unmet-demand",
        first=page.today + timedelta(days=begin),
        last=page.today + timedelta(days=end),
    )
    return page.render(
        "purchases/unmet.html",
        found=found,
        chosen=span if span in SPANS else "week",
        places=await places_of(page),
    )


@ROUTER.get("/notices")
async def notices(page: Bureau) -> Response:
    """What must still become public, the overdue first."""
    found = await page.get("projects", "/notices", limit=100)
    late = {n["notice_id"] for n in found["overdue"]}
    return page.render(
        "purchases/notices.html",
        notices=sorted(found["items"], key=lambda n: (n["notice_id"] not in late, n["due_at"])),
        late=late,
    )


@ROUTER.post("/notices/{notice_id}")
async def publish_notice(page: Bureau, notice_id: str) -> Response:
    try:
        await page.post("projects", f"/notices/{notice_id}/publish")
    except Problem as problem:
        return await page.refused("/purchases/notices", problem)
    return await page.done("/purchases/notices", page._("已发布。"))


# --- the draft


@ROUTER.get("/new")
async def new(page: Bureau, kind: str = "", community_id: str = "", minutes: int = 0) -> Response:
    """A new draft: empty, or begun from what a plan could not fill in a week."""
    begun = await page.draft()
    if not begun.fields and kind in words.KINDS:
        begun = Form(_from_demand(page, kind, community_id, minutes))
    return await _form(page, "/purchases/new", begun)


def _from_demand(page: Page, kind: str, community_id: str, minutes: int) -> list[tuple[str, str]]:
    """A year of what is missing in a week, rounded up to ten hours."""
    hours = max(10, -(-minutes * 52 // 600) * 10)
    ceiling = f"{hours * UNIT_CEILING_FEN // 100}"
    first = page.today + timedelta(days=90)
    name = page._(words.KINDS[kind])
    return [
        ("title", page._("{service}服务采购", service=name)),
        ("ceiling", ceiling),
        ("lot0_name", name),
        ("lot0_ceiling", ceiling),
        ("lot0_valid_from", first.isoformat()),
        ("lot0_valid_to", (first + timedelta(days=364)).isoformat()),
        ("lot0_line0_name", name),
        ("lot0_line0_kind", kind),
        ("lot0_line0_communities", community_id),
        ("lot0_line0_unit", "hour"),
        ("lot0_line0_units", str(hours)),
        ("lot0_line0_price", f"{UNIT_CEILING_FEN // 100}"),
    ]


@ROUTER.post("/new")
async def begin(page: Bureau) -> Response:
    if page.form.text("more"):
        return await _form(page, "/purchases/new", page.form)
    try:
        made = await page.post("projects", "/calls", _body(page.form))
    except Problem as problem:
        return await _form(page, "/purchases/new", page.form, 422, problem=_plainly(page, problem))
    return await page.done(f"/purchases/{made['id']}", page._("草稿已保存。"))


@ROUTER.get("/{call_id}/edit")
async def edit(page: Bureau, call_id: str) -> Response:
    """The draft as it is, to be changed until it is published."""
    call = await page.get("projects", f"/calls/{call_id}")
    kept = await page.draft()
    return await _form(page, f"/purchases/{call_id}/edit", kept if kept.fields else Form(_fields(call)))


@ROUTER.post("/{call_id}/edit")
async def change(page: Bureau, call_id: str) -> Response:
    address = f"/purchases/{call_id}/edit"
    if page.form.text("more"):
        return await _form(page, address, page.form)
    try:
        version = page.form.text("version")
        await page.ask("projects", "PUT", f"/calls/{call_id}", json=_body(page.form), version=version)
    except Problem as problem:
        return await _form(page, address, page.form, 422, problem=_plainly(page, problem))
    return await page.done(f"/purchases/{call_id}", page._("草稿已保存。"))


def _plainly(page: Page, problem: Problem) -> Problem:
    """What a sum or a number has to look like, instead of that it is no whole number of fen."""
    if problem.code == "invalid":
        text = page._("请填大于零的数字，金额最多到分，例如 36000 或 45.50。")
        numbers = ("_fen", ".units", ".weight", ".winners")
        problem.errors = {k: text if k.endswith(numbers) else v for k, v in problem.errors.items()}
    return problem


async def _form(page: Page, address: str, values: Form, status: int = 200, **more: Any) -> Response:
    """The form with one row more where one was asked for."""
    wanted = values.text("more")
    lots = max(1, _rows(values, "lot{}_name")) + (wanted == "lot")
    lines = [max(1, _rows(values, f"lot{n}_line{{}}_name")) + (wanted == f"line{n}") for n in range(lots)]
    budget = await page.get("projects", "/budget-lines", limit=500)
    communities = await page.get("community", "/communities", limit=500)
    towns = await page.get("community", "/towns", limit=500)
    return page.render(
        "purchases/draft.html",
        status,
        address=address,
        values=values,
        lines=lines,
        criteria=max(3, _rows(values, "criterion{}_name")) + (wanted == "criterion"),
        budget=budget["items"],
        communities=communities["items"],
        towns={t["town_id"]: t["name"] for t in towns["items"]},
        **more,
    )


def _rows(values: Form, name: str) -> int:
    """How many numbered rows of fields a form has."""
    sent = {field for field, _ in values.fields}
    return next(n for n in range(1000) if name.format(n) not in sent)


def _body(form: Form) -> dict[str, Any]:
    """The draft that a form says; rows without a name are not there."""
    return {
        **form.given("title", "method", "method_reason", "description", "theme", "budget_line_id"),
        **form.given("gate_number", "gate_day", "gate_approver", "town_id", "least_rating"),
        "beneficiaries": form.many("beneficiaries"),
        "papers": form.many("papers"),
        "allowed_kinds": form.many("allowed_kinds") or list(words.ORGANISATION_KINDS),
        "ceiling_fen": fen_of(form.text("ceiling") or "0"),
        "bid_bond_percent": form.number("bid_bond_percent") or 0,
        "performance_bond_percent": form.number("performance_bond_percent") or 0,
        "negative_checked": form.flag("negative_checked"),
        "invited": form.text("invited").split(),
        "lots": [_lot(form, n) for n in range(_rows(form, "lot{}_name")) if form.text(f"lot{n}_name")],
        "criteria": [
            {
                "name": form.text(f"criterion{n}_name"),
                "kind": form.text(f"criterion{n}_kind"),
                "weight": form.number(f"criterion{n}_weight"),
                "guide": form.text(f"criterion{n}_guide"),
            }
            for n in range(_rows(form, "criterion{}_name"))
            if form.text(f"criterion{n}_name")
        ],
    }


def _lot(form: Form, n: int) -> dict[str, Any]:
    lines = [
        {
            "name": form.text(f"lot{n}_line{i}_name"),
            "kinds": form.many(f"lot{n}_line{i}_kind"),
            "community_ids": form.many(f"lot{n}_line{i}_communities"),
            "unit": form.text(f"lot{n}_line{i}_unit"),
            "units": fen_of(form.text(f"lot{n}_line{i}_units")),
            "unit_ceiling_fen": fen_of(form.text(f"lot{n}_line{i}_price")),
        }
        for i in range(_rows(form, f"lot{n}_line{{}}_name"))
        if form.text(f"lot{n}_line{i}_name")
    ]
    return {
        "name": form.text(f"lot{n}_name"),
        "ceiling_fen": fen_of(form.text(f"lot{n}_ceiling")),
        "winners": form.number(f"lot{n}_winners") or 1,
        "valid_from": form.text(f"lot{n}_valid_from"),
        "valid_to": form.text(f"lot{n}_valid_to"),
        "lines": lines,
    }


def yuan_of(fen: int) -> str:
    return f"{Decimal(fen) / 100:.2f}".removesuffix(".00")


def _fields(call: dict[str, Any]) -> list[tuple[str, str]]:
    """A call as the fields of its form."""
    plain = (
        "version title method method_reason description theme budget_line_id gate_number gate_day gate_approver "
        "town_id least_rating bid_bond_percent performance_bond_percent"
    )
    fields = [(name, "" if call[name] is None else str(call[name])) for name in plain.split()]
    fields += [("ceiling", yuan_of(call["ceiling_fen"])), ("invited", " ".join(call["invited"]))]
    fields += [("negative_checked", "1")] if call["negative_checked"] else []
    fields += [(name, v) for name in ("beneficiaries", "papers", "allowed_kinds") for v in call[name]]
    for n, lot in enumerate(call["lots"]):
        fields += [
            (f"lot{n}_{name}", str(lot[name])) for name in ("name", "winners", "valid_from", "valid_to")
        ]
        fields += [(f"lot{n}_ceiling", yuan_of(lot["ceiling_fen"]))]
        for i, line in enumerate(lot["lines"]):
            at = f"lot{n}_line{i}"
            fields += [(f"{at}_name", line["name"]), (f"{at}_unit", line["unit"])]
            fields += [(f"{at}_kind", kind) for kind in line["kinds"]]
            fields += [(f"{at}_communities", c) for c in line["community_ids"]]
            fields += [
                (f"{at}_units", yuan_of(line["units"])),
                (f"{at}_price", yuan_of(line["unit_ceiling_fen"])),
            ]
    for n, criterion in enumerate(call["criteria"]):
        fields += [
            (f"criterion{n}_{name}", str(criterion[name])) for name in ("name", "kind", "weight", "guide")
        ]
    return fields


# --- one call


@ROUTER.get("/{call_id}")
async def call(page: Bureau, call_id: str) -> Response:
    """One call: where it stands, the one thing that comes next, and all that belongs to it."""
    return await show(page, call_id)


async def _step(page: Page, call_id: str, path: str, body: dict[str, Any], said: str) -> Response:
    """One step of a call; refused, the page comes back with what is missing."""
    try:
        await page.post("projects", path, body, version=page.form.text("version") or None)
    except Problem as problem:
        return await show(page, call_id, 422, problem=problem, values=page.form)
    return await page.done(f"/purchases/{call_id}", said)


@ROUTER.post("/{call_id}/consult")
async def consult(page: Bureau, call_id: str) -> Response:
    said = page._("已公开征求意见。")
    return await _step(page, call_id, f"/calls/{call_id}/consult", page.form.given("until"), said)


@ROUTER.post("/{call_id}/publish")
async def publish(page: Bureau, call_id: str) -> Response:
    body: dict[str, Any] = {
        "deadline_at": instant_of(page.form.text("deadline_at")),
        "opener_ids": page.form.many("opener_ids"),
    }
    if page.form.text("questions_until"):
        body["questions_until"] = instant_of(page.form.text("questions_until"))
    return await _step(page, call_id, f"/calls/{call_id}/publish", body, page._("已发布，限价已占用预算。"))


@ROUTER.post("/{call_id}/amend")
async def amend(page: Bureau, call_id: str) -> Response:
    body: dict[str, Any] = {
        "text": page.form.text("text"),
        "touches_bids": page.form.flag("touches_bids"),
    }
    if page.form.text("new_deadline"):
        body["deadline_at"] = instant_of(page.form.text("new_deadline"))
    return await _step(page, call_id, f"/calls/{call_id}/amendments", body, page._("更正公告已发布。"))


@ROUTER.post("/{call_id}/end/{how}")
async def end(page: Bureau, call_id: str, how: str) -> Response:
    path = f"/calls/{call_id}/{'void' if how == 'void' else 'terminate'}"
    body = {"reason": page.form.text("reason")}
    return await _step(page, call_id, path, body, page._("已结束，原因已公开，占用的预算已释放。"))


@ROUTER.post("/{call_id}/archive")
async def archive(page: Bureau, call_id: str) -> Response:
    return await _step(page, call_id, f"/calls/{call_id}/archive", {}, page._("已归档。"))


@ROUTER.post("/{call_id}/successor")
async def succeed(page: Bureau, call_id: str) -> Response:
    try:
        made = await page.post("projects", f"/calls/{call_id}/successor")
    except Problem as problem:
        return await page.refused(f"/purchases/{call_id}", problem)
    return await page.done(f"/purchases/{made['id']}", page._("已按原内容起草，请核对后再发布。"))


@ROUTER.post("/{call_id}/answer/{what}/{number}")
async def answer(page: Bureau, call_id: str, what: str, number: str) -> Response:
    path = f"/{'opinions' if what == 'opinion' else 'questions'}/{number}/answer"
    return await _step(page, call_id, path, {"text": page.form.text("text")}, page._("答复已公开。"))
