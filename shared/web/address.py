"""From where a request comes, for what an address may do only so often."""

from typing import Annotated

from fastapi import Depends, Request


def _address(request: Request) -> str:
    """The browser's address: the last that the portal or proxy in front wrote, else the peer's."""
    forwarded = request.headers.get("x-forwarded-for", "").split(",")[-1].strip()
    return forwarded[:64] or (request.client.host if request.client else "unknown")


Address = Annotated[str, Depends(_address)]
