"""Which errors say "the database is away" (wait and try again) and which are about the work itself."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import exc

T = TypeVar("T")

TRIES = 5
_AWAY = ("08", "53", "58")  # connection, resources, system
_AWAY_STATES = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "25006"})
_CONTENDED = frozenset({"40001", "40P01", "55P03", "57014"})


def sqlstate(error: BaseException) -> str | None:
    """The server's code of a database error, if it sent one."""
    original = getattr(error, "orig", None)
    state = getattr(original, "sqlstate", None) or getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_away(error: BaseException) -> bool:
    """Whether the database can't work at present: gone, full, read-only, shutting down."""
    if isinstance(error, exc.TimeoutError):  # no connection free in the pool
        return True
    if isinstance(error, exc.DBAPIError):
        state = sqlstate(error)
        if error.connection_invalidated:
            return True
        if state is None:
            return isinstance(error, exc.OperationalError | exc.InterfaceError)
        return state.startswith(_AWAY) or state in _AWAY_STATES
    return False


def is_contended(error: BaseException) -> bool:
    """Whether somebody else was in the way: deadlock, serialisation, lock or statement timeout."""
    return isinstance(error, exc.DBAPIError) and sqlstate(error) in _CONTENDED


def patiently(act: Callable[[], T]) -> T:
    """Once more, up to five times in all, where somebody was in the way: a deadlock's loser has lost nothing but time."""
    for _ in range(TRIES - 1):
        try:
            return act()
        except exc.DBAPIError as error:
            if not is_contended(error):
                raise
    return act()
