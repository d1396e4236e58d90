"""Residents from a file. Their person ids come from identity, by ID number, as the portal fetched them (8.3, 8.8)."""

from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import select

from services.daycare.centres.tables import AreaRow
from services.daycare.needs.importing import reason_of
from services.daycare.needs.schemas import Imported, ImportLine
from services.daycare.residents.schemas import Contact, NewResident
from services.daycare.residents.service import register
from services.daycare.residents.tables import ResidentRow
from services.daycare.spreadsheets import FileIn, columns, day_of, read_table
from shared.contracts.codes import Dialect, Sex
from shared.database.work import Work
from shared.ids import new_id
from shared.web.problems import Refused

COLUMNS = {
    "name": ("姓名", "name"),
    "sex": ("性别", "sex"),
    "birth_date": ("出生日期", "birth_date"),
    "id_number": ("身份证号", "身份证", "id_number"),
    "phone": ("电话", "手机", "phone"),
    "community": ("社区", "community"),
    "address": ("地址", "住址", "address"),
    "alone": ("独居", "lives_alone"),
    "dialect": ("方言", "dialect"),
    "contact": ("联系人", "contact"),
    "relation": ("关系", "relation"),
    "contact_phone": ("联系人电话", "contact_phone"),
}
NEEDED = ("name", "id_number", "community", "address")
_DIALECTS = {
    "普通话": Dialect.MANDARIN,
    "江淮官话": Dialect.JIANGHUAI,
    "吴语": Dialect.WU,
    "粤语": Dialect.CANTONESE,
}


class ResidentsFile(FileIn):
    """A file of residents. `people`: person id by ID number, for the deed; `centre_id`: whose residents they become."""

    people: dict[str, UUID] = {}  # noqa: RUF012
    centre_id: UUID | None = None


def import_residents(work: Work, file: ResidentsFile) -> Imported:
    """Read a file of residents. A preview changes nothing."""
    header, rows = read_table(file)
    where = columns(header, COLUMNS, NEEDED)
    areas = work.session.execute(select(AreaRow.name, AreaRow.area_id).where(AreaRow.level == "community"))
    communities = {row.name: row.area_id for row in areas}
    lines: list[ImportLine] = []
    made = 0
    for number, row in enumerate(rows, start=2):
        values = {field: row[place] if place < len(row) else "" for field, place in where.items()}
        try:
            known = _tried(work, file, values, communities)
            made += not known
            lines.append(ImportLine(row=number, result="known" if known else "new", reasons=[], values=row))
        except ValidationError as error:
            reasons = [reason_of(e) for e in error.errors()]
            lines.append(ImportLine(row=number, result="bad", reasons=reasons, values=row))
        except (ValueError, Refused) as error:
            text = error.message if isinstance(error, Refused) else str(error)
            lines.append(ImportLine(row=number, result="bad", reasons=[text], values=row))
    return Imported(
        header=header,
        lines=lines,
        made=made,
        known=sum(line.result == "known" for line in lines),
        bad=sum(line.result == "bad" for line in lines),
    )


def _tried(work: Work, file: ResidentsFile, values: dict[str, str], communities: dict[str, UUID]) -> bool:
    """One row within a savepoint: a bad one, or a preview's, leaves nothing behind."""
    part = work.part(work.trace)
    savepoint = work.session.begin_nested()
    try:
        known = _take(part, file, values, communities)
        part.flush()
    except BaseException:
        savepoint.rollback()
        raise
    if file.preview:
        savepoint.rollback()
    else:
        savepoint.commit()
        work.join(part)
    return known


def _take(work: Work, file: ResidentsFile, values: dict[str, str], communities: dict[str, UUID]) -> bool:
    number = values["id_number"].upper()
    hashed = work.vault.fingerprint(number)
    known = work.session.scalars(select(ResidentRow.person_id).where(ResidentRow.id_hash == hashed)).first()
    if known is not None:
        return True
    community = communities.get(values["community"])
    if community is None:
        raise ValueError("没有这个社区，请从列表中选择。")
    person_id = file.people.get(number) or (new_id() if file.preview else None)
    if person_id is None:
        raise ValueError("身份证号还没有登记，请重新预览后再导入。")
    _, known_already = register(work, _resident(person_id, number, community, file.centre_id, values))
    return known_already


def _resident(
    person_id: UUID, number: str, community: UUID, centre_id: UUID | None, values: dict[str, str]
) -> NewResident:
    if len(number) != 18 or not number[6:17].isdigit():
        raise ValueError("身份证号应为 18 位。")
    contacts = []
    if values.get("contact") and values.get("contact_phone"):
        contacts = [
            Contact(
                name=values["contact"],
                relation=values.get("relation") or "家属",
                phone=values["contact_phone"],
            )
        ]
    return NewResident(
        person_id=person_id,
        name=values["name"],
        sex=Sex.MALE if int(number[16]) % 2 else Sex.FEMALE,
        birth_date=day_of(values.get("birth_date") or number[6:14]),
        id_number=number,
        phone=values.get("phone") or None,
        community_id=community,
        centre_id=centre_id,
        address=values["address"],
        lives_alone=values.get("alone", "") in {"是", "Y", "y", "1", "独居"},
        dialect=_DIALECTS.get(values.get("dialect", ""), Dialect.MANDARIN),
        contacts=contacts,
    )
