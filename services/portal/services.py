"""How the portal asks the services: HTTP with the reader's token, in their language, each command under a key."""

from collections.abc import Mapping
from typing import Any

import httpx

from shared.telemetry.traces import traceparent


class Problem(Exception):
    """A service refused (RFC 9457). `errors`: sentence by field; `detail`: what to say at the top."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {body.get('code', '')}")
        self.status = status
        self.code = str(body.get("code") or "")
        self.detail = str(body.get("detail") or body.get("title") or "")
        self.params: dict[str, Any] = dict(body.get("params") or {})
        self.errors = {str(e["field"]): str(e["message"]) for e in body.get("errors") or []}


class Away(Exception):
    """A service does not answer."""


class Clients:
    """One HTTP client a service."""

    def __init__(self, clients: Mapping[str, httpx.AsyncClient]) -> None:
        self._clients = clients

    async def call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        token: str | None,
        lang: str,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask a service. Raises Problem when it refuses, Away when it does not answer. None for an empty answer."""
        answer = await self.raw(
            service, method, path, token, lang, params=params, json=json, content=content, headers=headers
        )
        return answer.json() if answer.content else None

    async def raw(
        self,
        service: str,
        method: str,
        path: str,
        token: str | None,
        lang: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Ask a service for what is no JSON: a file. Refusals are raised as in `call`."""
        sent = {"Accept-Language": "zh-CN" if lang == "zh" else "en", **(headers or {})}
        trace = traceparent()
        if trace:
            sent["traceparent"] = trace
        if token:
            sent["Authorization"] = f"Bearer {token}"
        kept = {k: v for k, v in (params or {}).items() if v is not None and v != "" and v != []}
        answer = await self._answer(
            service, method, path, params=kept, json=json, content=content, headers=sent
        )
        if answer.status_code >= 400:
            try:
                body = answer.json()
            except ValueError:
                body = {}
            raise Problem(answer.status_code, body if isinstance(body, dict) else {})
        return answer

    async def _answer(
        self, service: str, method: str, path: str, *, headers: Mapping[str, str], **sent: Any
    ) -> httpx.Response:
        """Asked once more when the connection broke (a service that was just restarted), if asking twice is harmless."""
        harmless = method == "GET" or "Idempotency-Key" in headers
        for last in (not harmless, True):
            try:
                return await self._clients[service].request(method, path, headers=headers, **sent)
            except httpx.TransportError as error:
                if last:
                    raise Away(service) from error
        raise AssertionError

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
