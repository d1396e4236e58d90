"""An organisation's contract from a call: read and sign it, claim a month, hand files in; and its own papers."""

from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter
from fastapi.responses import Response

from services.portal.page import Form, Page, signed_in
from services.portal.pages.bidding import if_shown
from services.portal.pages.public import CONTROLLERS, controllers_of
from services.portal.services import Problem
from shared.contracts.codes import Role

ROUTER = APIRouter(prefix="/organisation")
Dispatcher = Annotated[Page, signed_in(Role.DISPATCHER)]
MONTHS = 6


@ROUTER.get("/contracts/{contract_id}")
async def contract(page: Dispatcher, contract_id: str, month: str = "") -> Response:
    """One contract: its text and signatures, then what can be claimed for a month and what was."""
    return await _contract(page, contract_id, month)


async def _contract(
    page: Page, contract_id: str, month: str = "", status: int = 200, **more: Any
) -> Response:
    months = _months(page.today)
    chosen = month if month in months else months[0]
    agreement = await if_shown(page, f"/contracts/{contract_id}/agreement")
    claims = claimable = None
    if agreement and agreement["state"] != "unsigned":
        claims = await if_shown(page, f"/contracts/{contract_id}/claims")
        claimable = await if_shown(page, f"/contracts/{contract_id}/claimable", month=chosen)
    found = await page.get("projects", "/contracts", organisation_id=page.scope, limit=500)
    one = next((c for c in found["items"] if c["contract_id"] == contract_id), None)
    if one is None:
        raise Problem(404, {})
    return page.render(
        "organisation/contract.html",
        status,
        contract=one,
        agreement=agreement,
        signed={each["side"] for each in agreement["signatures"]} if agreement else set(),
        names=await page.names(
            s[who]
            for s in (agreement or {"supplements": []})["supplements"]
            for who in ("proposed_by", "ended_by")
        ),
        claims=(claims or {"items": []})["items"],
        claimable=claimable,
        months=[(each, each[:7]) for each in months],
        month=chosen,
        files=await page.get("projects", "/files", about="contract", about_id=contract_id),
        **more,
    )


def _months(today: date) -> list[str]:
    """The first days of the present month and those before it."""
    first, found = today.replace(day=1), []
    for _ in range(MONTHS):
        found.append(first.isoformat())
        first = (first - timedelta(days=1)).replace(day=1)
    return found


@ROUTER.post("/contracts/{contract_id}/sign")
async def sign(page: Dispatcher, contract_id: str) -> Response:
    """Sign the text that was shown, by its hash."""
    body = {"sha256": page.form.text("sha256")}
    try:
        await page.post("projects", f"/contracts/{contract_id}/signatures", body)
    except Problem as problem:
        return await _contract(page, contract_id, status=422, problem=problem)
    return await page.done(f"/organisation/contracts/{contract_id}", page._("已签署。"))


@ROUTER.post("/contracts/{contract_id}/supplements/{supplement_id}/{what}")
async def on_supplement(page: Dispatcher, contract_id: str, supplement_id: str, what: str) -> Response:
    """Sign a change that the bureau proposed, by its text's hash, or decline it."""
    of = f"/supplements/{quote(supplement_id, safe='')}"
    if what == "sign":
        path, body, said = f"{of}/signature", page.form.given("sha256"), page._("已签署，变更生效。")
    else:
        path, body, said = f"{of}/decline", page.form.given("reason"), page._("已回复不同意，合同不变。")
    try:
        await page.post("projects", path, body)
    except Problem as problem:
        return await _contract(page, contract_id, status=422, problem=problem, values=page.form)
    return await page.done(f"/organisation/contracts/{contract_id}", said)


@ROUTER.post("/contracts/{contract_id}/claim")
async def claim(page: Dispatcher, contract_id: str) -> Response:
    month = page.form.text("month")
    try:
        await page.post("projects", f"/contracts/{contract_id}/claims", {"month": month})
    except Problem as problem:
        return await _contract(page, contract_id, month, 422, problem=problem)
    return await page.done(f"/organisation/contracts/{contract_id}", page._("已申请付款，等民政部门核对。"))


@ROUTER.post("/contracts/{contract_id}/files")
async def hand_in(page: Dispatcher, contract_id: str) -> Response:
    """A file about the contract: an invoice, a monthly report."""
    try:
        await page.hand_in("file", "/files", about="contract", about_id=contract_id)
    except Problem as problem:
        return await _contract(page, contract_id, status=422, problem=problem)
    return await page.done(f"/organisation/contracts/{contract_id}", page._("材料已提交。"))


# --- papers


@ROUTER.get("/papers")
async def papers(page: Dispatcher) -> Response:
    """The own papers, looked at or not, and a form for one more."""
    return await _papers(page)


async def _papers(page: Page, status: int = 200, **more: Any) -> Response:
    found = await page.get("projects", f"/organisations/{page.scope}/papers", limit=100)
    of = f"/organisations/{page.scope}"
    context: dict[str, Any] = {"values": Form([]), "file_id": "", "saying": False, **more}
    return page.render(
        "organisation/papers.html",
        status,
        papers=found["items"][::-1],
        organisation=await page.get("projects", of),
        controllers=await page.get("projects", f"{of}/controllers"),
        rows=CONTROLLERS,
        **context,
    )


@ROUTER.post("/controllers")
async def say_controllers(page: Dispatcher) -> Response:
    """Say anew who controls the own organisation."""
    said, names = controllers_of(page.form)
    path, version = f"/organisations/{page.scope}/controllers", page.form.text("version")
    try:
        await page.ask("projects", "PUT", path, json={"controllers": said}, version=version)
    except Problem as problem:
        problem.errors = {names.get(k, k): v for k, v in problem.errors.items()}
        return await _papers(page, 422, problem=problem, values=page.form, saying=True)
    return await page.done("/organisation/papers", page._("已保存。"))


@ROUTER.post("/papers")
async def add_paper(page: Dispatcher) -> Response:
    """Hand in a paper with its file; refused, the file is not asked for again."""
    form, file_id = page.form, page.form.text("file_id")
    try:
        if not file_id:
            kept = await page.hand_in("file", "/files", about="organisation", about_id=page.scope, key="file")
            file_id = kept["file_id"]
        body = form.given("kind", "name", "number", "rating", "issued_on", "valid_until")
        path = f"/organisations/{page.scope}/papers"
        await page.post("projects", path, {"name": "", "number": "", **body, "file_id": file_id})
    except Problem as problem:
        whole = "rating" if (form.text("kind") == "rating") != bool(form.text("rating")) else "valid_until"
        problem.errors = {whole if k == "body" else k: v for k, v in problem.errors.items()}
        return await _papers(page, 422, problem=problem, values=form, file_id=file_id)
    return await page.done("/organisation/papers", page._("证明已提交，等民政部门核对。"))
