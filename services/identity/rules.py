"""Who may invite whom, what a password and an ID number must be, and when a guesser has to wait: pure decisions."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from shared.contracts.codes import Role, ScopeKind
from shared.security.caller import Caller, Membership, Reach

PASSWORD_SHORTEST = 8
PASSWORD_LONGEST = 128
USERNAME = re.compile(r"[a-z][a-z0-9._-]{2,39}", re.ASCII)

ROLE_SCOPES: Mapping[Role, tuple[ScopeKind, ...]] = {
    Role.BUREAU: (ScopeKind.CITY,),
    Role.PLANNER: (ScopeKind.CITY, ScopeKind.TOWN),
    Role.AUDITOR: (ScopeKind.CITY,),
    Role.SCORER: (ScopeKind.CITY,),
    Role.TOWN: (ScopeKind.TOWN,),
    Role.COMMUNITY: (ScopeKind.COMMUNITY,),
    Role.GRID_WORKER: (ScopeKind.CELL,),
    Role.SOCIAL_WORKER: (ScopeKind.COMMUNITY, ScopeKind.TOWN, ScopeKind.CENTRE),
    Role.CENTRE_STAFF: (ScopeKind.CENTRE,),
    Role.ORGANISATION_STAFF: (ScopeKind.ORGANISATION,),
    Role.DISPATCHER: (ScopeKind.ORGANISATION,),
    Role.VOLUNTEER: (ScopeKind.PERSON,),
    Role.RESIDENT: (ScopeKind.PERSON,),
    Role.FAMILY: (ScopeKind.PERSON,),
}
"""The scopes a role can have, the usual one first."""

INVITES: Mapping[Role, frozenset[Role]] = {
    Role.BUREAU: frozenset(Role),
    Role.TOWN: frozenset(
        {
            Role.COMMUNITY,
            Role.GRID_WORKER,
            Role.SOCIAL_WORKER,
            Role.CENTRE_STAFF,
            Role.VOLUNTEER,
            Role.RESIDENT,
            Role.FAMILY,
        }
    ),
    Role.COMMUNITY: frozenset({Role.VOLUNTEER, Role.RESIDENT}),
    Role.GRID_WORKER: frozenset({Role.RESIDENT}),
    Role.CENTRE_STAFF: frozenset({Role.VOLUNTEER, Role.RESIDENT, Role.FAMILY}),
    Role.DISPATCHER: frozenset({Role.ORGANISATION_STAFF}),
}
"""Who may invite whom, each within what their own membership reaches."""

PRIVATE = frozenset({Role.VOLUNTEER, Role.RESIDENT, Role.FAMILY, Role.ORGANISATION_STAFF})
DESKS = frozenset({Role.CENTRE_STAFF, Role.COMMUNITY, Role.TOWN})
"""Public desks: they look after an account of their own people even when it also serves another private role (8.1)."""

CARD_ROLES = frozenset({Role.VOLUNTEER, Role.RESIDENT})
"""What a session opened by card may do (8.5); other roles of the same person want the password."""

TOLD_KNOWN = frozenset(
    {Role.BUREAU, Role.TOWN, Role.COMMUNITY, Role.GRID_WORKER, Role.SOCIAL_WORKER, Role.CENTRE_STAFF}
)


def age(born: date, day: date) -> int:
    """Full years on a day."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def username_fault(username: str) -> str | None:
    """What is wrong with a username. It begins with a letter, so that no phone or ID number becomes one."""
    if USERNAME.fullmatch(username) is None:
        return "用户名为 3 到 40 位小写字母、数字、点、横线，以字母开头。"
    return None


def password_fault(password: str, username: str) -> str | None:
    """What is wrong with a new password."""
    if len(password) < PASSWORD_SHORTEST:
        return "密码至少 8 位。"
    if len(password) > PASSWORD_LONGEST:
        return "密码最多 128 位。"
    if password.strip().casefold() == username.casefold():
        return "密码不能与用户名相同。"
    return None


def wait(failures: Sequence[datetime], now: datetime, most: int, pause: timedelta) -> timedelta:
    """How long to wait before the next try after failures, newest first; zero when it may be made now."""
    if len(failures) < most:
        return timedelta(0)
    return max(timedelta(0), failures[most - 1] + pause - now)


def may_give(giver: Caller, wanted: Membership, reaches: Iterable[Reach]) -> bool:
    """Whether one of the giver's memberships invites the wanted role and reaches where it would hold."""
    reaches = list(reaches)
    return any(
        wanted.role in INVITES.get(own.role, frozenset())
        and (own.scope is ScopeKind.CITY or any(reach.holds(own) for reach in reaches))
        for own in giver.memberships
    )


def may_manage(giver: Caller, held: Mapping[Membership, Sequence[Reach]]) -> bool:
    """Whether the giver may reset a password or print a card of an account with these memberships.

    All of them must be the giver's to give; for a public desk, one of them, and the others private ones.
    """
    given = {membership for membership, reaches in held.items() if may_give(giver, membership, reaches)}
    if not held:
        return any(own.role is Role.BUREAU for own in giver.memberships)
    if given == held.keys():
        return True
    return bool(given) and giver.has(*DESKS) and all(membership.role in PRIVATE for membership in held)


def told_known(caller: Caller, places: Iterable[Reach]) -> bool:
    """Whether the caller may learn that an ID number was on record before: an employer only of own people (8.3)."""
    return caller.has(*TOLD_KNOWN) or any(
        reach.holds(own) for own in caller.memberships for reach in places if own.role is Role.DISPATCHER
    )


def used_roles(
    memberships: Iterable[Membership], *, by_card: bool, must_change: bool
) -> tuple[Membership, ...]:
    """What a session's tokens may do: nothing before a one-time password is changed, by card only a card's roles."""
    if must_change:
        return ()
    return tuple(m for m in memberships if not by_card or m.role in CARD_ROLES)
