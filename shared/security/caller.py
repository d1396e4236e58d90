"""Who calls: an account, the person behind it, and what its memberships reach."""

from dataclasses import dataclass, field
from uuid import UUID

from shared.contracts.codes import Role, ScopeKind


@dataclass(frozen=True, slots=True)
class Membership:
    """A role within a scope. A city-wide membership has no scope id."""

    role: Role
    scope: ScopeKind
    scope_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a thing lies: every scope that holds it. A membership in any of them reaches it."""

    town_id: UUID | None = None
    community_id: UUID | None = None
    cell_id: UUID | None = None
    centre_id: UUID | None = None
    organisation_id: UUID | None = None
    person_ids: frozenset[UUID] = frozenset()

    def holds(self, membership: Membership) -> bool:
        match membership.scope:
            case ScopeKind.CITY:
                return True
            case ScopeKind.TOWN:
                return membership.scope_id is not None and membership.scope_id == self.town_id
            case ScopeKind.COMMUNITY:
                return membership.scope_id is not None and membership.scope_id == self.community_id
            case ScopeKind.CELL:
                return membership.scope_id is not None and membership.scope_id == self.cell_id
            case ScopeKind.CENTRE:
                return membership.scope_id is not None and membership.scope_id == self.centre_id
            case ScopeKind.ORGANISATION:
                return membership.scope_id is not None and membership.scope_id == self.organisation_id
            case ScopeKind.PERSON:
                return membership.scope_id in self.person_ids


@dataclass(frozen=True, slots=True)
class Caller:
    """The signed-in account of one request, as its token says."""

    account_id: UUID
    person_id: UUID
    memberships: tuple[Membership, ...] = field(default=())

    def has(self, *roles: Role) -> bool:
        """Whether any membership has one of the roles, wherever."""
        return any(m.role in roles for m in self.memberships)

    def reaches(self, reach: Reach, *roles: Role) -> bool:
        """Whether a membership with one of the roles (any, when none is named) holds the thing."""
        return any((not roles or m.role in roles) and reach.holds(m) for m in self.memberships)

    def scope_ids(self, kind: ScopeKind, *roles: Role) -> frozenset[UUID]:
        """The ids of the scopes of a kind that the caller is a member of, with one of the roles (any when none)."""
        return frozenset(
            m.scope_id
            for m in self.memberships
            if m.scope is kind and m.scope_id is not None and (not roles or m.role in roles)
        )
