"""How large a request may be: more is refused with 413 before it is held in memory."""

import re
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 12 * 1024 * 1024  # an import's file, as base64


class BodyLimit:
    """Counts what comes in, whatever its length header says. `larger`: paths that take more, as in `/files/{id}`."""

    def __init__(self, app: ASGIApp, larger: Mapping[str, int] | None = None) -> None:
        self.app = app
        self.larger: list[tuple[re.Pattern[str], int]] = [
            (compile_path(path)[0], most) for path, most in (larger or {}).items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        taken, most = 0, self._most(scope)

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise HTTPException(413)
            return message

        await self.app(scope, counted, send)

    def _most(self, scope: Scope) -> int:
        if scope["method"] != "POST":
            return MAX_BODY
        return next((most for path, most in self.larger if path.match(scope["path"])), MAX_BODY)
