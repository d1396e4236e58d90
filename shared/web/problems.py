"""Problem details (RFC 9457): every refusal names its rule and its field, in the caller's language.

A refusal's sentence is written in Chinese where it is raised; the English one stands in the catalogue
(shared/locale/en). `code` never changes once published.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, TimeoutError
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException

from shared.telemetry.requests import route_of
from shared.web.language import language_of, translate
from shared.web.validation import sentence

log = structlog.get_logger()


class Refused(Exception):
    """A command or question that a rule refuses. `message` is Chinese, with `{name}` for each parameter.

    `retry_after`: in how many seconds it may be tried again.
    """

    status = 409

    def __init__(
        self,
        code: str,
        message: str,
        *,
        field: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
        **params: Any,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after
        self.params = params
        if status is not None:
            self.status = status


class Invalid(Refused):
    """What was sent breaks a rule whatever the state: 422."""

    status = 422


class NotFound(Refused):
    status = 404


class Forbidden(Refused):
    status = 403


class Unauthenticated(Refused):
    status = 401


class Changed(Refused):
    """The thing has another version than the caller saw: 412."""

    status = 412


class Several(Refused):
    """Several rules refuse at once: the answer names each with its field, so that nobody mends them one by one."""

    def __init__(self, code: str, message: str, faults: Sequence[Refused]) -> None:
        super().__init__(code, message, count=len(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Guard:
    """What a database constraint says when it refuses: the same rule, held by the table."""

    code: str
    message: str
    field: str | None = None


def problem(
    request: Request,
    status: int,
    code: str,
    message: str,
    *,
    errors: Sequence[dict[str, Any]] = (),
    extra: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """An application/problem+json answer; `message` is already in the caller's language."""
    body: dict[str, Any] = {
        "type": f"urn:linli:problem:{code}",
        "title": message,
        "status": status,
        "code": code,
        "detail": message,
        "instance": request.url.path,
    }
    if errors:
        body["errors"] = list(errors)
    body.update(extra or {})
    return JSONResponse(
        body,
        status,
        headers={"Content-Language": language_of(request), **(headers or {})},
        media_type="application/problem+json",
    )


def refused(request: Request, error: Refused) -> JSONResponse:
    lang = language_of(request)
    text = translate(lang, error.message, **error.params)
    faults = error.faults if isinstance(error, Several) else (error,) if error.field else ()
    errors = [
        {"field": f.field, "rule": f.code, "message": translate(lang, f.message, **f.params)} for f in faults
    ]
    extra = {"params": {k: str(v) for k, v in error.params.items()}} if error.params else None
    headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return problem(request, error.status, error.code, text, errors=errors, extra=extra, headers=headers)


def _field(location: Sequence[Any]) -> str:
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def add_problem_handlers(app: FastAPI, guards: dict[str, Guard]) -> None:
    """Every error of an app becomes a problem; none shows a stack or a value."""

    async def on_refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)
        return refused(request, error)

    async def on_invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        lang = language_of(request)
        errors = [
            {
                "field": _field(e["loc"]),
                "rule": e["type"],
                "message": sentence(lang, e["type"], e.get("ctx") or {}, e["msg"]),
            }
            for e in error.errors()
        ]
        return problem(
            request, 422, "invalid", translate(lang, "填写的内容有误，请按提示修改。"), errors=errors
        )

    async def on_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        lang = language_of(request)
        texts = {
            404: "没有这个地址。",
            405: "这个地址不支持这种操作。",
            413: "内容太大。",
            400: "请求无法读取。",
        }
        text = translate(lang, texts.get(error.status_code, "请求未能完成。"))
        return problem(
            request, error.status_code, f"http_{error.status_code}", text, headers=dict(error.headers or {})
        )

    async def on_integrity(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, IntegrityError)
        name = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        guard = guards.get(name or "")
        if guard:
            return refused(request, Refused(guard.code, guard.message, field=guard.field))
        log.warning("constraint refused", constraint=name, route=route_of(request.scope))
        return refused(request, Refused("conflict", "与已有的数据冲突，未保存。"))

    async def on_stale(request: Request, error: Exception) -> JSONResponse:
        return refused(request, Changed("changed", "这条记录刚被别人改过，请刷新后再试。"))

    async def on_data(request: Request, error: Exception) -> JSONResponse:
        return refused(request, Invalid("invalid_value", "有的内容无法保存，请检查特殊字符和数值范围。"))

    async def on_database(request: Request, error: Exception) -> JSONResponse:
        state = getattr(getattr(error, "orig", None), "sqlstate", None)
        log.error(
            "database refused", sqlstate=state, kind=type(error).__name__, route=route_of(request.scope)
        )
        return refused(request, Refused("unavailable", "系统暂时无法保存，请稍后再试。", status=503))

    async def on_any(request: Request, error: Exception) -> JSONResponse:
        number = uuid4().hex[:8]
        log.error("unexpected error", number=number, route=route_of(request.scope), exc_info=error)
        text = translate(language_of(request), "系统出错了（编号 {number}），请稍后再试。", number=number)
        return problem(request, 500, "unexpected", text)

    for kind, handler in (
        (Refused, on_refused),
        (RequestValidationError, on_invalid),
        (HTTPException, on_http),
        (IntegrityError, on_integrity),
        (StaleDataError, on_stale),
        (DataError, on_data),
        (OperationalError, on_database),
        (TimeoutError, on_database),
        (DBAPIError, on_database),
        (Exception, on_any),
    ):
        app.add_exception_handler(kind, handler)
