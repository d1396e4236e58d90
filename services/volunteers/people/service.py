"""Volunteers: registered at the desk or by themselves, verified, cleared, approved (8.3)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from services.volunteers.access import READERS, STAFF, reach_of
from services.volunteers.people.schemas import NewVolunteer, Place, VolunteerChange
from services.volunteers.people.tables import AreaRow, LicenceRow, SkillRow, TeamRow, VolunteerRow
from services.volunteers.people.telling import tell, touch
from shared.clock import wall_day
from shared.contracts.codes import Licence, Role, ServiceKind, Skill
from shared.database.base import among
from shared.database.work import Work
from shared.rules import rule_value
from shared.security.caller import Caller, Reach
from shared.web.problems import Forbidden, Invalid, NotFound, Refused
from shared.web.routing import expect

_SEALED = ("name", "birth_date", "id_number", "phone", "address")


@dataclass(frozen=True, slots=True)
class Extra:
    """What the desk (or the sample) adds to a new volunteer at once."""

    verified: frozenset[Skill] = frozenset()
    approved: bool = True
    insured_until: date | None = None
    lone_cleared_until: date | None = None
    licences: tuple[tuple[Licence, date], ...] = ()
    refused_kinds: frozenset[ServiceKind] = frozenset()
    stipended: tuple[tuple[int, int, int], ...] = ()
    daily_minutes: int | None = None
    weekly_minutes: int | None = None
    town_id: UUID | None = field(default=None)


def town_of(work: Work, community_id: UUID) -> UUID:
    """The town of a community. 422 when the community is not (yet) known here."""
    row = work.session.get(AreaRow, community_id)
    if row is None or row.level != "community" or row.parent_id is None:
        raise Invalid("community_unknown", "没有这个社区，请从列表中选择。", field="community_id")
    return row.parent_id


def register(work: Work, new: NewVolunteer) -> tuple[VolunteerRow, bool]:
    """Register a volunteer. At the desk they are approved at once; who registers alone waits (8.3)."""
    caller = work.caller
    assert caller is not None
    age = wall_day(work.now).year - new.birth_date.year
    youngest = int(rule_value("volunteer_youngest", wall_day(work.now)))
    if age < youngest:
        raise Invalid("too_young", "志愿者应年满 {youngest} 周岁。", field="birth_date", youngest=youngest)
    known = work.session.get(VolunteerRow, new.person_id)
    if known is None and new.id_number:
        known = work.session.scalars(
            select(VolunteerRow).where(VolunteerRow.id_hash == work.vault.fingerprint(new.id_number))
        ).first()
    if known is not None:
        if not caller.reaches(reach_of(known), *READERS, Role.VOLUNTEER):
            raise Refused("known_elsewhere", "这位志愿者已在别处登记，请联系民政局或所在社区。")
        return known, True
    town_id = town_of(work, new.community_id)
    desk = caller.reaches(Reach(town_id, new.community_id, None, new.centre_id), *STAFF)
    if not desk and caller.person_id != new.person_id:
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")
    extra = Extra(verified=frozenset(new.skills) if desk else frozenset(), approved=desk, town_id=town_id)
    return register_many(work, [(new, extra)])[0], False


def register_many(work: Work, new: Sequence[tuple[NewVolunteer, Extra]]) -> list[VolunteerRow]:
    """Register volunteers whose towns are known, in a constant number of statements."""
    blocks = work.vault.seal_many(
        work.session, [(n.person_id, {k: getattr(n, k) for k in _SEALED}) for n, _ in new]
    )
    today = wall_day(work.now)
    rows = []
    for (person, extra), sealed in zip(new, blocks, strict=True):
        assert extra.town_id is not None
        lon, lat = rounded(person.place)
        rows.append(
            VolunteerRow(
                person_id=person.person_id,
                town_id=extra.town_id,
                community_id=person.community_id,
                cell_id=person.cell_id,
                centre_id=person.centre_id,
                team_id=person.team_id,
                status="approved" if extra.approved else "pending",
                sex=person.sex.value,
                birth_year=person.birth_date.year,
                sealed=sealed,
                id_hash=work.vault.fingerprint(person.id_number) if person.id_number else None,
                lon=lon,
                lat=lat,
                travel_mode=person.travel_mode.value,
                dialects=sorted(person.dialects),
                limits=sorted(person.limits),
                refused_kinds=sorted(extra.refused_kinds),
                daily_minutes=_most(extra.daily_minutes, "volunteer_daily_minutes", today),
                weekly_minutes=_most(extra.weekly_minutes, "volunteer_weekly_minutes", today),
                insured_until=extra.insured_until,
                lone_cleared_until=extra.lone_cleared_until,
                stipended=[list(duty) for duty in extra.stipended],
                registered_at=work.now,
                registered_by=_by(work),
                changed_at=work.now,
            )
        )
    work.session.add_all(rows)
    work.session.flush()
    _add_held(work, new)
    for row in rows:
        work.audit("volunteer.register", row.person_id, row.person_id)
    tell(work, rows)
    return rows


def _by(work: Work) -> UUID | None:
    return work.caller.person_id if work.caller else None


def _most(wanted: int | None, rule: str, today: date) -> int:
    return wanted if wanted is not None else int(rule_value(rule, today))


def rounded(place: Place | None) -> tuple[float, float] | tuple[None, None]:
    """A place to about 100 m: all that is kept."""
    return (round(place.lon, 3), round(place.lat, 3)) if place else (None, None)


def _add_held(work: Work, new: Sequence[tuple[NewVolunteer, Extra]]) -> None:
    skills = [
        {
            "person_id": n.person_id,
            "skill": skill.value,
            "verified_at": work.now if skill in extra.verified else None,
            "verified_by": _by(work) if skill in extra.verified else None,
        }
        for n, extra in new
        for skill in sorted({*n.skills, *extra.verified})
    ]
    licences = [
        {"person_id": n.person_id, "code": code.value, "valid_until": until}
        for n, extra in new
        for code, until in extra.licences
    ]
    if skills:
        work.session.execute(insert(SkillRow), skills)
    if licences:
        work.session.execute(insert(LicenceRow), licences)


def add_team(work: Work, team_id: UUID, name: str, community_id: UUID, leader_id: UUID | None) -> None:
    """A team with its leader. One that is there already is left as it is."""
    values = {"team_id": team_id, "name": name, "community_id": community_id, "leader_id": leader_id}
    work.session.execute(insert(TeamRow).values(values).on_conflict_do_nothing())


def reached(work: Work, caller: Caller, person_id: UUID, *roles: Role, lock: bool = False) -> VolunteerRow:
    """The volunteer, if the caller reaches them with one of the roles. Else 403; nobody learns whether there is one."""
    row = work.session.get(VolunteerRow, person_id, with_for_update=True if lock else None)
    if row is None and (caller.reaches(Reach(), *roles) or caller.person_id == person_id):
        raise NotFound("volunteer_unknown", "没有登记这位志愿者。")
    if row is None or not caller.reaches(reach_of(row), *roles):
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")
    return row


def opened(work: Work, rows: Sequence[VolunteerRow]) -> dict[UUID, dict[str, Any]]:
    """The sealed values of volunteers, by person id."""
    values = work.vault.open(work.session, [(row.person_id, row.sealed) for row in rows])
    return {row.person_id: value for row, value in zip(rows, values, strict=True)}


def change(work: Work, row: VolunteerRow, body: VolunteerChange) -> None:
    """Change what is named of a volunteer (If-Match)."""
    expect(work, row.version)
    named = body.model_fields_set
    staff = work.caller is not None and work.caller.reaches(reach_of(row), *STAFF)
    if not staff and named & {"name", "centre_id", "community_id", "team_id"}:
        raise Forbidden("desk_only", "姓名、社区和中心请由照料中心修改。")
    sealed = opened(work, [row])[row.person_id]
    for key in named & {"name", "phone", "address"}:
        if getattr(body, key) is None:
            raise Invalid("missing", "请填写此项。", field=key)
        sealed[key] = getattr(body, key)
    row.sealed = work.vault.seal(work.session, row.person_id, sealed)
    if body.community_id is not None:
        row.town_id, row.community_id = town_of(work, body.community_id), body.community_id
    for key in named & {"centre_id", "team_id"}:
        setattr(row, key, getattr(body, key))
    if "place" in named:
        row.lon, row.lat = rounded(body.place)
    if body.travel_mode is not None:
        row.travel_mode = body.travel_mode.value
    for key in named & {"dialects", "limits", "refused_kinds"}:
        setattr(row, key, sorted(getattr(body, key) or ()))
    touch(work, row)
    work.audit("volunteer.change", row.person_id, row.person_id, fields=sorted(named))
    tell(work, [row])


def set_skill(work: Work, row: VolunteerRow, skill: Skill, *, verified: bool) -> None:
    """Note a skill; only the desk verifies it."""
    held = work.session.get(SkillRow, (row.person_id, skill.value))
    if held is None:
        held = SkillRow(person_id=row.person_id, skill=skill.value)
        work.session.add(held)
    held.verified_at = work.now if verified else None
    held.verified_by = _by(work) if verified else None
    touch(work, row)
    work.audit("volunteer.skill", row.person_id, row.person_id, skill=skill.value, verified=verified)
    tell(work, [row])


def drop_skill(work: Work, row: VolunteerRow, skill: Skill) -> None:
    """Forget a skill."""
    held = work.session.get(SkillRow, (row.person_id, skill.value))
    if held is not None:
        work.session.delete(held)
        touch(work, row)
        tell(work, [row])


def clear(work: Work, row: VolunteerRow, what: str, until: date | None) -> None:
    """Set until when a clearance for lone visits, the insurance or a licence holds."""
    if what == "lone":
        row.lone_cleared_until = until
    elif what == "insurance":
        row.insured_until = until
    elif what in set(Licence):
        _licence(work, row, Licence(what), until)
    else:
        raise NotFound("clearance_unknown", "没有这种许可。")
    touch(work, row)
    work.audit("volunteer.clear", row.person_id, row.person_id, what=what, until=str(until))
    tell(work, [row])


def _licence(work: Work, row: VolunteerRow, code: Licence, until: date | None) -> None:
    held = work.session.get(LicenceRow, (row.person_id, code.value))
    if until is None:
        if held is not None:
            work.session.delete(held)
    elif held is None:
        work.session.add(LicenceRow(person_id=row.person_id, code=code.value, valid_until=until))
    else:
        held.valid_until = until


def approve(work: Work, row: VolunteerRow, *, approved: bool) -> None:
    """Approve a volunteer, or suspend one: who is suspended is planned no more."""
    row.status = "approved" if approved else "suspended"
    touch(work, row)
    work.audit("volunteer.approve", row.person_id, row.person_id, approved=approved)
    tell(work, [row])


def names(work: Work, person_ids: Iterable[UUID]) -> list[tuple[VolunteerRow, dict[str, Any]]]:
    """Volunteers with their sealed values. Who may see which is the caller's question."""
    rows = work.session.scalars(select(VolunteerRow).where(among(VolunteerRow.person_id, person_ids))).all()
    values = opened(work, rows)
    return [(row, values[row.person_id]) for row in rows]
