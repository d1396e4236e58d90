"""What an operator sees and decides of a service's events, over HTTP: for the bureau; the auditor only looks."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import ConfigDict, Field

from shared.contracts.codes import Role
from shared.messaging import operator
from shared.messaging.applying import Applier
from shared.messaging.handlers import Handlers
from shared.security.caller import Caller, Reach
from shared.web.problems import NotFound, Refused
from shared.web.routing import ServiceRoute, Transaction
from shared.web.schemas import Answer, Body, Instant
from shared.web.signed_in import may, require

Seeing = Annotated[Caller, may(Role.BUREAU, Role.AUDITOR)]
Deciding = Annotated[Caller, may(Role.BUREAU)]
LetterId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class Reading(Answer):
    """How far the service was behind when its worker last looked. `stopped`: most events failed, it reads no more."""

    waiting: int
    stopped: bool
    at: Instant


class Parked(Answer):
    """A key whose events wait, and why. `held`: until somebody decides about the dead letter in front."""

    topic: str
    key: str
    held: bool
    reason: str
    attempts: int
    since: Instant
    retry_at: Instant
    events: int


class Letter(Answer):
    """An event that could not be applied, with its reason. `holds`: how many wait behind it."""

    id: int
    type: str
    topic: str
    key: str
    reason: str
    attempts: int
    at: Instant
    partition: int
    offset: int
    holds: int


class Events(Answer):
    """What waits, is parked or failed."""

    reading: Reading | None
    parked: list[Parked]
    letters: list[Letter]


class Decision(Body):
    """Nothing needs to be said but that it is decided."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [{}]})


class Outcome(Answer):
    """What came of a decision. `reason`: why the event still can't take effect; its letter stays."""

    id: int
    reason: str | None = Field(default=None)


def operations(name: str, handlers: Handlers) -> APIRouter:
    """The operator's endpoints of a service that reads events."""
    router = APIRouter(tags=["operations"], route_class=ServiceRoute)

    def applier(request: Request) -> Applier:
        return Applier(request.app.state.database, name, handlers)

    @router.get("/operations/events")
    def see_events(work: Transaction, caller: Seeing) -> Events:
        """How far the service is behind, what is parked, and what failed."""
        require(caller, Reach(), Role.BUREAU, Role.AUDITOR)
        reading = operator.reading(work, name)
        return Events(
            reading=Reading.model_validate(reading) if reading else None,
            parked=[Parked.model_validate(row) for row in operator.parked(work, name)],
            letters=[Letter.model_validate(row) for row in operator.dead_letters(work, name)],
        )

    @router.post("/operations/go-on")
    def read_on(work: Transaction, caller: Deciding, body: Decision) -> Reading:
        """Have a consumer read on that stopped because most events failed. It stops again if they still do."""
        require(caller, Reach(), Role.BUREAU)
        reading = operator.go_on(work, name)
        if reading is None:
            raise NotFound("nothing_read", "这个服务还没有读过消息。")
        return Reading.model_validate(reading)

    @router.post("/operations/dead-letters/{letter_id}/replay")
    def replay_dead_letter(
        work: Transaction, caller: Deciding, request: Request, letter_id: LetterId, body: Decision
    ) -> Outcome:
        """Apply a dead letter once more, and then what waits behind it, in order."""
        require(caller, Reach(), Role.BUREAU)
        try:
            reason = operator.replay(work, applier(request), letter_id)
        except (operator.NoSuchLetter, operator.Decided) as error:
            raise _refusal(error) from None
        work.audit("event.replay", consumer=name, letter=letter_id, took=reason is None)
        return Outcome(id=letter_id, reason=reason)

    @router.post("/operations/dead-letters/{letter_id}/discard")
    def discard_dead_letter(
        work: Transaction, caller: Deciding, request: Request, letter_id: LetterId, body: Decision
    ) -> Outcome:
        """Give a dead letter up: it never takes effect; what waits behind it goes on."""
        require(caller, Reach(), Role.BUREAU)
        try:
            operator.discard(work, applier(request), letter_id)
        except (operator.NoSuchLetter, operator.Decided) as error:
            raise _refusal(error) from None
        work.audit("event.discard", consumer=name, letter=letter_id)
        return Outcome(id=letter_id)

    return router


def _refusal(error: Exception) -> Refused:
    if isinstance(error, operator.NoSuchLetter):
        return NotFound("no_such_letter", "没有找到这条失败的消息。")
    return Refused("letter_decided", "这条消息已经有人处理过了。")
