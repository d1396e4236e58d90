"""Residents: registered, changed, looked up by those whom it concerns."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from services.daycare.access import NAMES, resident_reach
from services.daycare.centres.service import centre, check_cell, town_of
from services.daycare.needs.tables import NeedRow
from services.daycare.residents.rules import rounded
from services.daycare.residents.schemas import NewResident, Pin, ResidentChange
from services.daycare.residents.tables import FamilyRow, ResidentRow
from services.daycare.visits.tables import VisitRow
from services.daycare.visits.telling import tell_again
from shared.contracts.codes import Role, VisitStatus
from shared.contracts.residents import ResidentChanged
from shared.database.base import among
from shared.database.work import Work
from shared.security.caller import Caller, Reach
from shared.web.problems import Forbidden, Invalid, NotFound, Refused
from shared.web.routing import expect

_SEALED = ("name", "sex", "birth_date", "id_number", "phone", "address", "floor", "contacts", "remarks")
_PLAIN = ("lives_alone", "lone_risk", "stairs")


def _by(work: Work) -> UUID | None:
    return work.caller.person_id if work.caller else None


def _pin(place: Pin | None) -> dict[str, Any]:
    if place is None:
        return {"lon": None, "lat": None, "building_id": None}
    lon, lat = rounded(*place.wgs84)
    return {"lon": lon, "lat": lat, "building_id": place.building_id}


def _wishes(body: NewResident | ResidentChange) -> dict[str, Any]:
    sex, dialect = body.sex_wish, body.dialect_wish
    return {
        "sex_wish": sex.sex.value if sex else None,
        "sex_wish_hard": bool(sex and sex.hard),
        "dialect_wish": dialect.dialect.value if dialect else None,
        "dialect_wish_hard": bool(dialect and dialect.hard),
    }


def register(work: Work, new: NewResident) -> tuple[ResidentRow, bool]:
    """Register a resident at the desk. A known person is opened, as far as the caller may see them (8.3)."""
    known = work.session.get(ResidentRow, new.person_id)
    if known is None and new.id_number:
        known = work.session.scalars(
            select(ResidentRow).where(ResidentRow.id_hash == work.vault.fingerprint(new.id_number))
        ).first()
    if known is not None:
        if work.caller is not None and not work.caller.reaches(resident_reach(known), *NAMES):
            raise Refused("known_elsewhere", "这位老人已在别处登记，请联系民政局或所在社区。")
        return known, True
    town_id = town_of(work, new.community_id)
    check_cell(work, new.cell_id, new.community_id)
    if new.centre_id:
        centre(work, new.centre_id)
    reach = Reach(town_id, new.community_id, new.cell_id, new.centre_id)
    if work.caller is not None and not work.caller.reaches(reach, *NAMES):
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")
    return register_many(work, [(new, town_id)])[0], False


def register_many(work: Work, new: Sequence[tuple[NewResident, UUID]]) -> list[ResidentRow]:
    """Register residents whose towns are known, in a constant number of statements."""
    values = [
        (n.person_id, {k: getattr(n, k) for k in _SEALED} | {"contacts": _plain(n), "pin": _exact(n.place)})
        for n, _ in new
    ]
    rows = [
        ResidentRow(
            person_id=n.person_id,
            town_id=town_id,
            community_id=n.community_id,
            cell_id=n.cell_id,
            centre_id=n.centre_id,
            sealed=block,
            id_hash=work.vault.fingerprint(n.id_number) if n.id_number else None,
            name_hash=work.vault.fingerprint(n.name),
            dialect=n.dialect.value,
            grade="unknown",
            registered_at=work.now,
            registered_by=_by(work),
            **{k: getattr(n, k) for k in _PLAIN},
            **_pin(n.place),
            **_wishes(n),
        )
        for (n, town_id), block in zip(new, work.vault.seal_many(work.session, values), strict=True)
    ]
    work.session.add_all(rows)
    work.session.flush()
    for row in rows:
        work.audit("resident.register", row.person_id, row.person_id)
    tell(work, rows)
    return rows


def tell(work: Work, rows: Sequence[ResidentRow]) -> None:
    """Emit residents as they stand now."""
    for row in rows:
        work.emit(
            ResidentChanged(
                person_id=row.person_id,
                resident_version=row.version,
                town_id=row.town_id,
                community_id=row.community_id,
                cell_id=row.cell_id,
                centre_id=row.centre_id,
            )
        )


def _plain(body: NewResident | ResidentChange) -> list[dict[str, Any]]:
    return [contact.model_dump(mode="json") for contact in body.contacts]


def _exact(place: Pin | None) -> list[float] | None:
    return list(place.wgs84) if place else None


def resident(work: Work, person_id: UUID, *, lock: bool = False) -> ResidentRow:
    """The resident. 404 when there is none."""
    row = work.session.get(ResidentRow, person_id, with_for_update=True if lock else None)
    if row is None:
        raise NotFound("resident_unknown", "没有登记这位老人。")
    return row


def reached(work: Work, caller: Caller, person_id: UUID, *roles: Role, lock: bool = False) -> ResidentRow:
    """The resident, if the caller reaches them with one of the roles. Else 403; nobody learns whether there is one."""
    row = work.session.get(ResidentRow, person_id, with_for_update=True if lock else None)
    if row is None and caller.reaches(Reach(), *roles):
        raise NotFound("resident_unknown", "没有登记这位老人。")
    if row is None or not caller.reaches(resident_reach(row), *roles):
        raise Forbidden("out_of_reach", "这不在您负责的范围内。")
    return row


def opened(work: Work, rows: Sequence[ResidentRow]) -> dict[UUID, dict[str, Any]]:
    """The sealed values of residents, by person id."""
    values = work.vault.open(work.session, [(row.person_id, row.sealed) for row in rows])
    return {row.person_id: value for row, value in zip(rows, values, strict=True)}


def names(work: Work, person_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Names of residents. Whoever asks has made sure that the caller may know them."""
    rows = work.session.scalars(select(ResidentRow).where(among(ResidentRow.person_id, person_ids))).all()
    return {person: str(value.get("name") or "") for person, value in opened(work, rows).items()}


def change(work: Work, row: ResidentRow, body: ResidentChange) -> ResidentRow:
    """Change what is named of a resident; what is planned is told again.

    Another address without its place is not placed: nobody is sent to the old one (design rule 9).
    """
    expect(work, row.version)
    named = body.model_fields_set
    if "name" in named and not body.name:
        raise Invalid("name_missing", "请填写姓名。", field="name")
    _move(work, row, body)
    sealed = opened(work, [row])[row.person_id]
    elsewhere = "address" in named and body.address != sealed["address"]
    for key in named & set(_SEALED):
        sealed[key] = _plain(body) if key == "contacts" else getattr(body, key)
    if "place" in named or elsewhere:
        sealed["pin"] = _exact(body.place)
        for key, value in _pin(body.place).items():
            setattr(row, key, value)
    row.sealed = work.vault.seal(work.session, row.person_id, sealed)
    row.name_hash = work.vault.fingerprint(str(sealed["name"]))
    for key in named & set(_PLAIN):
        setattr(row, key, getattr(body, key))
    if "dialect" in named:
        row.dialect = body.dialect.value
    for key, value in _wishes(body).items():
        if key.removesuffix("_hard") in named:
            setattr(row, key, value)
    work.session.flush()
    work.audit("resident.change", row.person_id, row.person_id, fields=sorted(named))
    tell(work, [row])
    tell_again(work, row.person_id)
    return row


def _move(work: Work, row: ResidentRow, body: ResidentChange) -> None:
    """To another community, cell or centre. Needs of theirs alone go with them to the new centre."""
    named = body.model_fields_set
    community_id = body.community_id if "community_id" in named and body.community_id else row.community_id
    cell_id = body.cell_id if "cell_id" in named else row.cell_id
    if community_id != row.community_id and "cell_id" not in named:
        cell_id = None
    check_cell(work, cell_id, community_id)
    row.town_id = town_of(work, community_id)
    row.community_id, row.cell_id = community_id, cell_id
    if "centre_id" in named and body.centre_id != row.centre_id:
        if body.centre_id:
            centre(work, body.centre_id)
        row.centre_id = body.centre_id
    values = {
        "centre_id": row.centre_id,
        "town_id": row.town_id,
        "community_id": row.community_id,
        "cell_id": row.cell_id,
    }
    moved = work.session.scalars(
        update(NeedRow)
        .where(
            NeedRow.resident_ids == [row.person_id],
            NeedRow.state == "active",
            NeedRow.place != "centre",
        )
        .values(**values, version=NeedRow.version + 1)
        .returning(NeedRow.need_id)
        .execution_options(synchronize_session=False)
    ).all()
    work.session.execute(
        update(VisitRow)
        .where(
            VisitRow.need_id.in_(moved),
            VisitRow.status.in_((VisitStatus.OPEN, VisitStatus.SUSPENDED)),
        )
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def add_family(work: Work, row: ResidentRow, person_id: UUID) -> None:
    """Note a relative with an id. Adding one twice changes nothing."""
    if work.session.get(FamilyRow, (row.person_id, person_id)) is None:
        work.session.add(
            FamilyRow(resident_id=row.person_id, person_id=person_id, added_by=_by(work), added_at=work.now)
        )
        work.audit("resident.family", person_id, row.person_id)
