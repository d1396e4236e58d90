"""What a file may be about, whose it is, who may therefore read it and hand it in, and until when it may be taken back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar
from uuid import UUID

from sqlalchemy import select

from services.projects.awards.tables import ChallengeRow
from services.projects.calls.tables import CallRow
from services.projects.contracts.tables import ContractRow
from services.projects.files.tables import FileRow
from services.projects.grants.tables import GrantRow, MilestoneRow
from services.projects.organisations.tables import OrganisationRow, PaperRow
from services.projects.payments.tables import ClaimRow
from shared.contracts.codes import Role
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.problems import Forbidden, NotFound

About = Literal["organisation", "call", "challenge", "contract", "claim", "milestone"]
OFFICES = (Role.BUREAU, Role.AUDITOR)
T = TypeVar("T")


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


def _paper_decided(work: Work, row: FileRow, lock: bool) -> bool:
    query = select(PaperRow.state).where(PaperRow.file_id == row.file_id)
    states = work.session.scalars(query.with_for_update(read=True) if lock else query)
    return any(state != "handed_in" for state in states)


def _call_decided(work: Work, row: FileRow, lock: bool) -> bool:
    return _held(work, CallRow, row.about_id, lock).state not in ("draft", "consulting")


def _challenge_decided(work: Work, row: FileRow, lock: bool) -> bool:
    return _held(work, ChallengeRow, row.about_id, lock).state != "open"


def _contract_decided(work: Work, row: FileRow, lock: bool) -> bool:
    """An invoice or report supports the claims that are checked after it came, and the contract's end."""
    if _held(work, ContractRow, row.about_id, lock).state == "ended":
        return True
    checked = select(ClaimRow.claim_id).where(
        ClaimRow.contract_id == row.about_id, ClaimRow.checked_at >= row.made_at
    )
    return work.session.scalars(checked.limit(1)).first() is not None


def _claim_decided(work: Work, row: FileRow, lock: bool) -> bool:
    return _held(work, ClaimRow, row.about_id, lock).state != "submitted"


def _milestone_decided(work: Work, row: FileRow, lock: bool) -> bool:
    return _held(work, MilestoneRow, row.about_id, lock).state not in ("due", "handed_in")


_DECIDED: dict[str, Callable[[Work, FileRow, bool], bool]] = {
    "organisation": _paper_decided,
    "call": _call_decided,
    "challenge": _challenge_decided,
    "contract": _contract_decided,
    "claim": _claim_decided,
    "milestone": _milestone_decided,
}


def _held(work: Work, kind: type[T], key: UUID, lock: bool) -> T:
    """The row that is decided on; `lock`: so that nobody decides meanwhile."""
    how = {"read": True} if lock else None
    return work.session.get_one(kind, key, with_for_update=how, populate_existing=lock)


def decided(work: Work, row: FileRow, *, lock: bool = False) -> bool:
    """Whether what a file supports is decided, so that it stays where it is. A bid's files are sealed with the bid."""
    return row.about not in _DECIDED or _DECIDED[row.about](work, row, lock)


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
