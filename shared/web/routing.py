"""Routes of a service: a plain function in a thread of the service's own, inside one transaction.

An endpoint declares `work: Transaction`; the route opens it, stores the answer under the caller's Idempotency-Key in
the same transaction, commits, and only then answers. Deadlocks are tried again; a version becomes the ETag.
"""

import functools
import inspect
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

import anyio.to_thread
from fastapi import Depends, Header, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy import delete
from sqlalchemy.exc import OperationalError

from shared.database.work import Database, Work
from shared.security.caller import Caller
from shared.telemetry.traces import traceparent
from shared.web.idempotency import AnswerRow, claim
from shared.web.problems import Changed, Refused

RETRIED = {"40001", "40P01"}
KEPT = timedelta(days=7)


class _Pending:
    """A transaction that is asked for but not yet open."""

    def __init__(self, request: Request, response: Response, key: str | None, match: str | None) -> None:
        self.request = request
        self.response = response
        self.key = key
        self.match = match


async def _pending(
    request: Request,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=8, max_length=100, description="makes a repeated POST harmless for 7 days"),
    ] = None,
    if_match: Annotated[str | None, Header(max_length=40, description="version the caller saw")] = None,
) -> Any:
    return _Pending(request, response, idempotency_key, if_match)


Transaction = Annotated[Work, Depends(_pending)]


class ServiceRoute(APIRoute):
    """Runs a plain endpoint in the service's own threads, in one transaction."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **kwargs: Any) -> None:
        if not inspect.iscoroutinefunction(endpoint):
            endpoint = _in_transaction(endpoint, f"{','.join(sorted(kwargs.get('methods') or []))} {path}")
        super().__init__(path, endpoint, **kwargs)


def _version(match: str | None) -> int | None:
    if match is None:
        return None
    try:
        return int(match.strip().removeprefix("W/").strip('"'))
    except ValueError:
        raise Changed("bad_if_match", "版本标记无效，请刷新后再试。") from None


def _in_transaction(endpoint: Callable[..., Any], route: str) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    async def run(**kwargs: Any) -> Any:
        name = next((k for k, v in kwargs.items() if isinstance(v, _Pending)), None)
        if name is None:
            return await anyio.to_thread.run_sync(functools.partial(endpoint, **kwargs))
        pending: _Pending = kwargs[name]
        caller = next((v for v in kwargs.values() if isinstance(v, Caller)), None)
        request = pending.request
        database: Database = request.app.state.database
        digest = database.vault.digest(await request.body()) if pending.key else b""
        status = request.scope["route"].status_code or 200

        def transact() -> Any:
            with database.work(caller, trace=traceparent()) as work:
                work.expected_version = _version(pending.match)
                if pending.key:
                    stored = claim(work, route, pending.key, digest)
                    if stored is not None:
                        return JSONResponse(stored.body, stored.status, headers=_etag(stored.body))
                result = endpoint(**{**kwargs, name: work})
                if pending.key and isinstance(result, BaseModel):
                    once = set(getattr(result, "SAID_ONCE", ()))
                    body = json.loads(result.model_dump_json(exclude=once))
                    work.session.add(AnswerRow.of(work, route, pending.key, digest, status, body))
                return result

        def attempt() -> Any:
            for left in (2, 1, 0):
                try:
                    return transact()
                except OperationalError as error:
                    if getattr(error.orig, "sqlstate", None) not in RETRIED or not left:
                        raise
            raise AssertionError

        result = await anyio.to_thread.run_sync(attempt, limiter=request.app.state.limiter)
        version = getattr(result, "version", None)
        if isinstance(version, int):
            pending.response.headers["ETag"] = f'"{version}"'
        return result

    return run


def _etag(body: Any) -> dict[str, str]:
    version = body.get("version") if isinstance(body, dict) else None
    return {"ETag": f'"{version}"'} if version is not None else {}


def expect(work: Work, version: int) -> None:
    """Hold an update to the version its caller saw (If-Match). 428 without one, 412 when it has changed."""
    if work.expected_version is None:
        raise Refused("if_match_missing", "请先查看最新内容再修改。", status=428)
    if work.expected_version != version:
        raise Changed("changed", "这条记录刚被别人改过，请刷新后再试。")


def forget_answers(database: Database) -> None:
    """Drop stored answers older than seven days (a job)."""
    with database.work() as work:
        work.session.execute(delete(AnswerRow).where(AnswerRow.at < work.now - KEPT))
