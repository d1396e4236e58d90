"""How the portal asks the services: HTTP with the reader's token, in their language, each command under a key."""

from collections.abc import Mapping
from typing import Any

import httpx


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

    def __init__(self, transports: Mapping[str, httpx.AsyncBaseTransport]) -> None:
        self._clients = {
            name: httpx.AsyncClient(transport=transport, base_url=f"http://{name}", timeout=30)
            for name, transport in transports.items()
        }

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
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Ask a service. Raises Problem when it refuses, Away when it does not answer. None for an empty answer."""
        sent = {"Accept-Language": "zh-CN" if lang == "zh" else "en", **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        kept = {k: v for k, v in (params or {}).items() if v is not None and v != "" and v != []}
        try:
            answer = await self._clients[service].request(method, path, params=kept, json=json, headers=sent)
        except httpx.TransportError as error:
            raise Away(service) from error
        if answer.status_code >= 400:
            try:
                body = answer.json()
            except ValueError:
                body = {}
            raise Problem(answer.status_code, body if isinstance(body, dict) else {})
        return answer.json() if answer.content else None

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()
