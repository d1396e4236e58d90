"""What a file may be about, whose it is, and who may therefore read it and hand it in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from services.projects.awards.tables import ChallengeRow
from services.projects.calls.tables import CallRow
from services.projects.contracts.tables import ContractRow
from services.projects.grants.tables import GrantRow, MilestoneRow
from services.projects.organisations.tables import OrganisationRow
from services.projects.payments.tables import ClaimRow
from shared.contracts.codes import Role
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.problems import Forbidden, NotFound

About = Literal["organisation", "call", "challenge", "contract", "claim", "milestone"]
OFFICES = (Role.BUREAU, Role.AUDITOR)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose a thing is. `public`: whoever is signed in may read its files."""

    organisation_id: UUID | None
    public: bool = False


def _organisation(work: Work, about_id: UUID) -> Subject | None:
    row = work.session.get(OrganisationRow, about_id)
    return Subject(row.organisation_id) if row else None


def _call(work: Work, about_id: UUID) -> Subject | None:
    row = work.session.get(CallRow, about_id)
    return Subject(None, public=row.state != "draft") if row else None


def _challenge(work: Work, about_id: UUID) -> Subject | None:
    row = work.session.get(ChallengeRow, about_id)
    return Subject(row.organisation_id) if row else None


def _contract(work: Work, about_id: UUID) -> Subject | None:
    row = work.session.get(ContractRow, about_id)
    return Subject(row.organisation_id) if row else None


def _claim(work: Work, about_id: UUID) -> Subject | None:
    row = work.session.get(ClaimRow, about_id)
    return Subject(row.organisation_id) if row else None


def _milestone(work: Work, about_id: UUID) -> Subject | None:
    row = work.session.get(MilestoneRow, about_id)
    grant = work.session.get(GrantRow, row.grant_id) if row else None
    return Subject(grant.organisation_id) if grant else None


_FIND: dict[str, Callable[[Work, UUID], Subject | None]] = {
    "organisation": _organisation,
    "call": _call,
    "challenge": _challenge,
    "contract": _contract,
    "claim": _claim,
    "milestone": _milestone,
}


def subject(work: Work, about: str, about_id: UUID) -> Subject:
    """The thing that a file is about. 404 when there is none, and for what hands its files out itself (a bid)."""
    found = _FIND[about](work, about_id) if about in _FIND else None
    if found is None:
        raise NotFound("subject_unknown", "没有这份材料所属的事项。", field="about_id")
    return found


def readable(caller: Caller, of: Subject) -> bool:
    """The bureau and auditor read all, an organisation its own, and everybody what belongs to a public call."""
    own = Reach(organisation_id=of.organisation_id)
    return (
        of.public
        or caller.has(*OFFICES)
        or (of.organisation_id is not None and caller.reaches(own, Role.DISPATCHER))
    )


def require_readable(caller: Caller, of: Subject) -> None:
    """Refuse who may not read what is about this."""
    if not readable(caller, of):
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")


def require_own(caller: Caller, of: Subject) -> None:
    """Refuse who may not hand in what is about this: the bureau may, and the organisation whose it is."""
    own = Reach(organisation_id=of.organisation_id)
    if not caller.has(Role.BUREAU) and (
        of.organisation_id is None or not caller.reaches(own, Role.DISPATCHER)
    ):
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")
