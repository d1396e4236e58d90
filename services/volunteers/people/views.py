"""Volunteers as a caller may see them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select

from services.volunteers.access import PHONES, reach_of
from services.volunteers.availability.tables import ExceptionRow, WeeklyRow
from services.volunteers.people.schemas import (
    ExceptionAnswer,
    LicenceHeld,
    SkillHeld,
    Volunteer,
    VolunteerLine,
    WeeklyPart,
)
from services.volunteers.people.service import opened
from services.volunteers.people.tables import LicenceRow, SkillRow, TeamRow, VolunteerRow
from services.volunteers.record.service import minutes_of
from shared.clock import wall_day
from shared.contracts.codes import Role
from shared.database.base import among
from shared.database.work import Work
from shared.security.caller import Caller


def lines(work: Work, caller: Caller, rows: Sequence[VolunteerRow]) -> list[VolunteerLine]:
    """Volunteers as a list shows them."""
    values = opened(work, rows)
    ids = [row.person_id for row in rows]
    skills: dict[UUID, list[SkillHeld]] = {}
    for held in work.session.scalars(
        select(SkillRow).where(among(SkillRow.person_id, ids)).order_by(SkillRow.skill)
    ):
        shown = SkillHeld.model_validate({"skill": held.skill, "verified": held.verified_at is not None})
        skills.setdefault(held.person_id, []).append(shown)
    minutes = minutes_of(work, ids)
    return [
        VolunteerLine.model_validate(
            _line(caller, row, values[row.person_id], skills.get(row.person_id, []), minutes)
        )
        for row in rows
    ]


def _line(
    caller: Caller,
    row: VolunteerRow,
    sealed: dict[str, Any],
    skills: list[SkillHeld],
    minutes: dict[UUID, int],
) -> dict[str, Any]:
    plain = "person_id version sex birth_year status community_id centre_id team_id travel_mode"
    may_call = caller.reaches(reach_of(row), *PHONES, Role.VOLUNTEER)
    return {
        **{name: getattr(row, name) for name in plain.split()},
        "name": sealed.get("name") or "",
        "phone": sealed.get("phone") if may_call else None,
        "skills": skills,
        "minutes": minutes.get(row.person_id, 0),
    }


def whole(work: Work, caller: Caller, row: VolunteerRow) -> Volunteer:
    """A volunteer with all the caller may know."""
    [line] = lines(work, caller, [row])
    sealed = opened(work, [row])[row.person_id]
    weekly = work.session.scalars(
        select(WeeklyRow)
        .where(WeeklyRow.person_id == row.person_id)
        .order_by(WeeklyRow.weekday, WeeklyRow.part)
    )
    exceptions = work.session.scalars(
        select(ExceptionRow)
        .where(ExceptionRow.person_id == row.person_id, ExceptionRow.to_day >= wall_day(work.now))
        .order_by(ExceptionRow.from_day, ExceptionRow.exception_id)
    )
    licences = work.session.scalars(
        select(LicenceRow).where(LicenceRow.person_id == row.person_id).order_by(LicenceRow.code)
    )
    team = work.session.get(TeamRow, row.team_id) if row.team_id else None
    plain = "town_id dialects limits refused_kinds insured_until lone_cleared_until daily_minutes weekly_minutes registered_at"
    return Volunteer.model_validate(
        {
            **line.model_dump(),
            **{name: getattr(row, name) for name in plain.split()},
            "team": team.name if team else None,
            "team_leader_id": team.leader_id if team else None,
            "birth_date": sealed.get("birth_date"),
            "address": sealed.get("address"),
            "placed": row.lon is not None,
            "licences": [LicenceHeld.model_validate(each) for each in licences],
            "weekly": [WeeklyPart.model_validate({"weekday": w.weekday, "part": w.part}) for w in weekly],
            "exceptions": [ExceptionAnswer.model_validate(e) for e in exceptions],
            "duty": row.stipended,
        }
    )
