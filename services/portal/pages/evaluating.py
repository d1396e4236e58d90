"""The bureau from the deadline to the contract: opening codes, the opening, scorers, ranking, awards, challenges."""

import hashlib
import re
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Form, Page, signed_in
from services.portal.pages.one_call import fen_of, show
from services.portal.services import Problem
from services.portal.sheets import sheet
from shared.contracts.codes import Role
from shared.web.language import _

ROUTER = APIRouter(prefix="/purchases")
Bureau = Annotated[Page, signed_in(Role.BUREAU)]


# --- the opening code


@ROUTER.get("/code")
async def code(page: Bureau) -> Response:
    """Whether the reader has an opening code; how to make one, or another."""
    return await _code(page)


async def _code(page: Page, status: int = 200, **more: Any) -> Response:
    key = await page.get("projects", "/opener-key")
    return page.render("purchases/code.html", status, made_at=key["made_at"], **{"made": None, **more})


@ROUTER.post("/code")
async def make_code(page: Bureau) -> Response:
    """The new code, once, with the field to type it back in."""
    try:
        if page.form.flag("renew"):
            made = await page.post("projects", "/opener-key/renewal", page.form.given("code"))
        else:
            made = await page.post("projects", "/opener-key")
    except Problem as problem:
        return await _code(page, 422, problem=problem, values=page.form)
    if made["code"] is None:  # the form was sent twice
        return await page.done("/purchases/code", page._("开标码已经显示过一次。没有抄下来的话，请换一个。"))
    return await _code(page, made=made, check=_print_of(made["code"]))


@ROUTER.post("/code/check")
async def check_code(page: Bureau) -> Response:
    """Whether the reader wrote the code down right. Neither code nor what it is checked by is kept."""
    if _print_of(page.form.text("code")) == page.form.text("check"):
        return await page.done("/purchases", page._("开标码核对无误，请妥善保管。"))
    text = page._("和刚才显示的不一样，请看看抄下来的，再输入一次。")
    problem = Problem(422, {"detail": text, "errors": [{"field": "code", "message": text}]})
    return await _code(page, 422, problem=problem, check=page.form.text("check"))


def _print_of(code: str) -> str:
    """A code however it was grouped, as something that does not give it away."""
    return hashlib.sha256(re.sub(r"[^0-9A-Z]", "", code.upper()).encode()).hexdigest()


# --- the opening


async def _again(page: Page, call_id: str, problem: Problem) -> Response:
    return await show(page, call_id, 422, problem=problem, values=page.form)


async def _do(page: Page, call_id: str, path: str, body: dict[str, Any], said: str) -> Response:
    """A step on the page of a call; refused, the page comes back filled."""
    try:
        await page.post("projects", path, body)
    except Problem as problem:
        return await _again(page, call_id, problem)
    return await page.done(f"/purchases/{call_id}", said)


@ROUTER.post("/{call_id}/open")
async def give_code(page: Bureau, call_id: str) -> Response:
    try:
        step = await page.post("projects", f"/calls/{call_id}/opening", {"code": page.form.text("code")})
    except Problem as problem:
        return await _again(page, call_id, Problem(422, _no_code(problem)))
    if step["opened_at"]:
        return await page.done(f"/purchases/{call_id}/opening", page._("已开标。"))
    return await page.done(f"/purchases/{call_id}", page._("收到您的开标码，请另一位开标人在一小时内输入。"))


def _no_code(problem: Problem) -> dict[str, Any]:
    errors = [{"field": field, "message": text} for field, text in problem.errors.items()]
    return {"code": problem.code, "detail": problem.detail, "errors": errors}


@ROUTER.get("/{call_id}/opening")
async def opening(page: Bureau, call_id: str) -> Response:
    """The opening record (开标记录), for print."""
    call = await page.get("projects", f"/calls/{call_id}")
    found = await page.get("projects", f"/calls/{call_id}/opening")
    names = await page.names([found["first_by"], found["second_by"]])
    refused = await _refused(page, call_id)
    return page.render("purchases/opening.html", call=call, found=found, names=names, refused=refused)


async def _refused(page: Page, call_id: str) -> dict[str, str]:
    """Why bids were refused."""
    bids = await page.get("projects", "/bids", call_id=call_id, limit=500)
    return {b["bid_id"]: b["refused_sentence"] or b["refused_reason"] for b in bids["items"]}


# --- scorers


@ROUTER.get("/{call_id}/scorers")
async def scorers(page: Bureau, call_id: str) -> Response:
    """Who scores: named, declared, finished; and the bids, one of which may be invalid."""
    return await _scorers(page, call_id)


async def _scorers(page: Page, call_id: str, status: int = 200, **more: Any) -> Response:
    call = await page.get("projects", f"/calls/{call_id}")
    found = await page.get("projects", f"/calls/{call_id}/scorers")
    known = {s["person_id"] for s in found["items"]}
    people = await page.get("identity", "/scorers")
    sheet = await page.get("projects", f"/calls/{call_id}/sheet") if call["opened_at"] else {"bids": []}
    return page.render(
        "purchases/scorers.html",
        status,
        call=call,
        scorers=found,
        people=[p for p in people if p["person_id"] not in known],
        names=await page.names(known),
        bids=sheet["bids"],
        **{"values": Form([]), **more},
    )


@ROUTER.post("/{call_id}/scorers")
async def name_scorers(page: Bureau, call_id: str) -> Response:
    named = []
    for person_id in page.form.many("person"):
        part = page.form.text(f"part-{person_id}")
        if part:
            number = page.form.text(f"number-{person_id}")
            body: dict[str, Any] = {"person_id": person_id, "expert": part == "expert"}
            named.append(body | ({"id_number": number} if number else {}))
    try:
        await page.post("projects", f"/calls/{call_id}/scorers", {"scorers": named})
    except Problem as problem:
        problem.errors = {_row(field, named): text for field, text in problem.errors.items()}
        return await _scorers(page, call_id, 422, problem=problem, values=page.form)
    return await page.done(f"/purchases/{call_id}", page._("已指定评审人员，他们登录后就能看到。"))


def _row(field: str, named: list[dict[str, Any]]) -> str:
    """The form's own name of a field that the service refused."""
    place = re.fullmatch(r"scorers\.(\d+)\.id_number", field)
    return f"number-{named[int(place[1])]['person_id']}" if place else field.split(".")[0]


@ROUTER.post("/{call_id}/scorers/{person_id}/leave")
async def take_off(page: Bureau, call_id: str, person_id: str) -> Response:
    body = {"reason": page.form.text("reason")}
    return await _on_scorers(page, call_id, f"/scorers/{person_id}/leave", body, page._("已退出评审。"))


@ROUTER.post("/{call_id}/bids/{bid_id}/refuse")
async def refuse_bid(page: Bureau, call_id: str, bid_id: str) -> Response:
    body = {"reason": page.form.text("reason")}
    return await _on_scorers(page, call_id, f"/bids/{bid_id}/refuse", body, page._("已认定无效。"))


async def _on_scorers(page: Page, call_id: str, path: str, body: dict[str, Any], said: str) -> Response:
    try:
        await page.post("projects", f"/calls/{call_id}{path}", body)
    except Problem as problem:
        return await _scorers(page, call_id, 422, problem=problem, values=page.form)
    return await page.done(f"/purchases/{call_id}/scorers", said)


# --- ranking, awards, challenges


@ROUTER.get("/{call_id}/ranking")
async def ranking(page: Bureau, call_id: str) -> Response:
    """The whole decision on one page, for print: opening, bids, every scorer's points, ranking, who decided (8.21)."""
    found = await page.get("projects", f"/calls/{call_id}/ranking")
    scored = await page.get("projects", f"/calls/{call_id}/sheet")
    opening = await page.get("projects", f"/calls/{call_id}/opening")
    awards = (await page.get("projects", f"/calls/{call_id}/awards"))["items"]
    people = {s["person_id"] for bid in scored["bids"] for s in bid["scores"]}
    people |= {opening["first_by"], opening["second_by"], *(a["decided_by"] for a in awards)}
    return page.render(
        "purchases/ranking.html",
        call=await page.get("projects", f"/calls/{call_id}"),
        found=found["items"],
        given={bid["bid_id"]: bid["scores"] for bid in scored["bids"]},
        opening=opening,
        refused=await _refused(page, call_id),
        awards=awards,
        names=await page.names(people - {None}),
    )


POINTS = (
    _("标包"), _("名次"), _("组织"), _("报价"), _("总分"), _("评审人员"), _("评审因素"), _("权重（%）"), _("得分"), _("理由")
)  # fmt: skip


@ROUTER.get("/{call_id}/ranking.xlsx")
async def points(page: Bureau, call_id: str) -> Response:
    """Every point given, a row each, with the bid's price, total and rank: what the ranking is computed from."""
    call = await page.get("projects", f"/calls/{call_id}")
    ranked = (await page.get("projects", f"/calls/{call_id}/ranking"))["items"]
    scored = await page.get("projects", f"/calls/{call_id}/sheet")
    given = {bid["bid_id"]: bid["scores"] for bid in scored["bids"]}
    names = await page.names({s["person_id"] for scores in given.values() for s in scores})
    lots = {lot["lot_id"]: f"{lot['number']} {lot['name']}" for lot in call["lots"]}
    criteria = {c["criterion_id"]: c for c in call["criteria"]}
    rows = []
    for bid in ranked:
        known = (lots[bid["lot_id"]], bid["rank"], bid["organisation"])
        price, total = (None if n is None else Decimal(n) / 100 for n in (bid["price_fen"], bid["total"]))
        own = [
            (
                str(names.get(s["person_id"], {}).get("name") or ""),
                s["criterion_id"],
                s["points"],
                s["sentence"],
            )
            for s in given.get(bid["bid_id"], ())
        ]
        computed = {part["criterion_id"] for part in bid["parts"]} - {each[1] for each in own}
        own += [
            ("", p["criterion_id"], p["points"], "") for p in bid["parts"] if p["criterion_id"] in computed
        ]
        for name, criterion_id, hundredths, sentence in own:
            criterion = criteria[criterion_id]
            scored = (criterion["name"], criterion["weight"], Decimal(hundredths) / 100, sentence)
            rows.append([*known, price, total, name, *scored])
    return sheet(f"points-{call['number'] or page.today}", [page._(head) for head in POINTS], rows)


@ROUTER.post("/{call_id}/award")
async def award(page: Bureau, call_id: str) -> Response:
    body: dict[str, Any] = {"lot_id": page.form.text("lot_id"), "reason": page.form.text("reason")}
    if page.form.many("bid_ids"):
        body["bid_ids"] = page.form.many("bid_ids")
    said = page._("已确定结果，请在两个工作日内公开。")
    return await _do(page, call_id, f"/calls/{call_id}/awards", body, said)


@ROUTER.post("/{call_id}/lots/{lot_id}/void")
async def void_lot(page: Bureau, call_id: str, lot_id: str) -> Response:
    body = {"reason": page.form.text("reason")}
    return await _do(page, call_id, f"/calls/{call_id}/lots/{lot_id}/void", body, page._("已废标。"))


@ROUTER.post("/{call_id}/notices/{notice_id}")
async def publish(page: Bureau, call_id: str, notice_id: str) -> Response:
    return await _do(page, call_id, f"/notices/{notice_id}/publish", {}, page._("已发布。"))


@ROUTER.post("/{call_id}/awards/{award_id}/void")
async def void_award(page: Bureau, call_id: str, award_id: str) -> Response:
    body = {"reason": page.form.text("reason")}
    return await _do(page, call_id, f"/awards/{award_id}/void", body, page._("结果已作废，请重新确定。"))


@ROUTER.post("/{call_id}/challenges/{challenge_id}")
async def answer(page: Bureau, call_id: str, challenge_id: str) -> Response:
    body: dict[str, Any] = page.form.given("result", "answer")
    if body.get("result") == "upheld":
        body["excluded"] = page.form.many("excluded")
    return await _do(page, call_id, f"/challenges/{challenge_id}/answer", body, page._("已答复质疑。"))


@ROUTER.post("/{call_id}/awards/{award_id}/contract")
async def draw_up(page: Bureau, call_id: str, award_id: str) -> Response:
    body = page.form.given("number", "title", "terms")
    try:
        made = await page.post("projects", f"/awards/{award_id}/contract", body)
    except Problem as problem:
        return await _again(page, call_id, problem)
    return await page.done(
        f"/purchases/{call_id}/contracts/{made['id']}", page._("合同已拟好，请双方阅读后签订。")
    )


# --- the contract


@ROUTER.get("/{call_id}/contracts/{contract_id}")
async def contract(page: Bureau, call_id: str, contract_id: str) -> Response:
    """A contract: its text and signatures, changes, claims and what was paid, its end."""
    return await _contract(page, call_id, contract_id)


async def _contract(page: Page, call_id: str, contract_id: str, status: int = 200, **more: Any) -> Response:
    of = f"/contracts/{contract_id}"
    said = await page.get("projects", f"{of}/agreement")
    found = await page.get("projects", of)
    signed = found["state"] != "unsigned"
    claims = await page.get("projects", f"{of}/claims")
    awards = (await page.get("projects", f"/calls/{call_id}/awards"))["items"]
    signers = {s[who] for s in said["supplements"] for who in ("proposed_by", "ended_by")}
    return page.render(
        "purchases/contract.html",
        status,
        call=await page.get("projects", f"/calls/{call_id}"),
        contract=found,
        said=said,
        award=next((a for a in awards if a["contract_id"] == contract_id), None),
        claims=claims["items"],
        names=await page.names(signers),
        files=await page.get("projects", "/files", about="contract", about_id=contract_id),
        claimable=await page.get("projects", f"{of}/claimable") if signed else None,
        **{"values": Form([]), **more},
    )


@ROUTER.post("/{call_id}/contracts/{contract_id}/{what}")
async def on_contract(page: Bureau, call_id: str, contract_id: str, what: str) -> Response:
    """Sign, propose a change or take it back, the bond, or the end."""
    form = page.form
    of, said = f"/contracts/{contract_id}", page._("已登记。")
    body: dict[str, Any]
    if what == "sign":
        path, body, said = f"{of}/signatures", form.given("sha256"), page._("已代表民政局签订。")
    elif what == "bond":
        path, body = f"{of}/bond", form.given("what", "on")
    elif what == "close":
        path, body, said = f"{of}/close", form.given("result"), page._("合同已结项，没用完的钱已退回预算。")
        if form.text("refund_reference"):
            body["refund"] = {
                "reference": form.text("refund_reference"),
                "received_on": form.text("refund_on"),
            }
    elif what == "withdraw":
        path = f"/supplements/{quote(form.text('supplement_id'), safe='')}/withdraw"
        body, said = form.given("reason"), page._("已撤回补充协议。")
    else:
        path, said = f"{of}/supplements", page._("已提出补充协议，组织签署后生效。")
        body = {**form.given("kind", "reason", "until"), "one_sided": form.flag("one_sided")}
        if body["one_sided"]:
            said = page._("变更已生效，请按时公开。")
        lines = [
            {"line_id": name.removeprefix("units-"), "units": fen_of(value.strip())}
            for name, value in form.fields
            if name.startswith("units-") and value.strip()
        ]
        body |= {"lines": lines} if lines else {}
    return await _contract_step(page, call_id, contract_id, path, body, said)


@ROUTER.post("/{call_id}/contracts/{contract_id}/claims/{claim_id}/{what}")
async def on_claim(page: Bureau, call_id: str, contract_id: str, claim_id: str, what: str) -> Response:
    """Check, refuse or pay a claim."""
    said = {"check": page._("已核对。"), "refuse": page._("已退回申请。"), "pay": page._("付款已登记。")}
    body = page.form.given("reason", "reference", "paid_on")
    step = what if what in said else "check"
    return await _contract_step(page, call_id, contract_id, f"/claims/{claim_id}/{step}", body, said[step])


async def _contract_step(
    page: Page, call_id: str, contract_id: str, path: str, body: dict[str, Any], said: str
) -> Response:
    try:
        await page.post("projects", path, body)
    except Problem as problem:
        return await _contract(page, call_id, contract_id, 422, problem=problem, values=page.form)
    return await page.done(f"/purchases/{call_id}/contracts/{contract_id}", said)
