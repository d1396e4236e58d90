"""What crosses HTTP: strict bodies, bounded texts, pages, and the answer to every command."""

import base64
import json
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from shared.web.problems import Invalid
from shared.web.validation import PHONE


def _no_control(value: Any) -> Any:
    if isinstance(value, str) and any(ord(c) < 32 and c not in "\n\r\t" for c in value):
        raise ValueError("不能含有控制字符。")
    return value


Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), BeforeValidator(_no_control)
]
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), BeforeValidator(_no_control)
]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000), BeforeValidator(_no_control)]
Phone = Annotated[str, StringConstraints(strip_whitespace=True, pattern=PHONE, max_length=20)]
Minutes = Annotated[int, Field(ge=5, le=720)]
Instant = AwareDatetime


class Body(BaseModel):
    """What a caller sends: an unknown field is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Answer(BaseModel):
    """What a caller gets. `SAID_ONCE`: what only the first answer says (a code); no answer kept for a repetition holds it."""

    SAID_ONCE: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Done(Answer):
    """The answer to a command: what it made or changed, and its version now."""

    id: UUID
    version: int


T = TypeVar("T")


class Page(Answer, Generic[T]):
    """One page of a list; `next` is the cursor of the following page, none on the last."""

    items: list[T]
    next: str | None = None


def encode_cursor(*keys: object) -> str:
    """An opaque cursor from the sort keys of the last row shown."""
    return base64.urlsafe_b64encode(json.dumps([str(k) for k in keys]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> list[str]:
    """The sort keys of a cursor. Refuses one that this list did not give."""
    try:
        keys = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, UnicodeDecodeError):
        keys = None
    if not isinstance(keys, list) or len(keys) != parts or not all(isinstance(k, str) for k in keys):
        raise Invalid("bad_cursor", "翻页标记无效，请从第一页重新查看。", field="cursor")
    return keys


def cursor_keys(cursor: str, *parsers: Callable[[str], Any]) -> tuple[Any, ...]:
    """The sort keys of a cursor, each read by its parser. Refuses what this list did not give."""
    try:
        return tuple(
            read(key) for read, key in zip(parsers, decode_cursor(cursor, len(parsers)), strict=True)
        )
    except ValueError:
        raise Invalid("bad_cursor", "翻页标记无效，请从第一页重新查看。", field="cursor") from None


Cursor = Annotated[str | None, Query(max_length=500, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=500, description="rows a page")]
