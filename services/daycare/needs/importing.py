"""Needs from a file: good rows go in, bad ones come back with their reasons; twice adds nothing (8.8)."""

from datetime import date, timedelta
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import select

from services.daycare.access import POSTERS, visible_residents
from services.daycare.needs.schemas import Imported, ImportLine, NewNeed
from services.daycare.needs.service import need_row, record
from services.daycare.needs.tables import NeedRow
from services.daycare.residents.service import opened
from services.daycare.residents.tables import ResidentRow
from services.daycare.rules import window
from services.daycare.spreadsheets import FileIn, columns, day_of, read_table, time_of
from shared.clock import wall_day
from shared.contracts.codes import ServiceKind
from shared.database.work import Work
from shared.ids import derived_id
from shared.web.problems import Forbidden, Refused

COLUMNS = {
    "name": ("姓名", "老人", "老人姓名", "name"),
    "id_number": ("身份证号", "身份证", "id_number"),
    "kind": ("服务", "服务项目", "service"),
    "day": ("日期", "开始日期", "date"),
    "earliest": ("最早开始", "时间", "开始时间", "earliest"),
    "latest": ("最晚开始", "latest"),
    "minutes": ("时长", "时长(分钟)", "分钟", "minutes"),
    "carers": ("人数", "服务人数", "carers"),
    "weekdays": ("每周", "重复", "weekdays"),
    "until": ("截止日期", "结束日期", "until"),
    "note": ("备注", "说明", "note"),
}
NEEDED = ("name", "kind", "day", "earliest")
KINDS = {
    "送餐": ServiceKind.MEAL,
    "生活照料": ServiceKind.CARE,
    "助浴": ServiceKind.BATHING,
    "家务": ServiceKind.CLEANING,
    "陪诊": ServiceKind.ESCORT,
    "陪伴": ServiceKind.COMPANIONSHIP,
    "电话问候": ServiceKind.PHONE_CALL,
    "用药提醒": ServiceKind.MEDICATION,
    "康复": ServiceKind.REHABILITATION,
    "理发": ServiceKind.HAIRCUT,
    "小修": ServiceKind.REPAIR,
    "手机辅导": ServiceKind.DIGITAL,
    "社工探访": ServiceKind.SOCIAL_WORK,
    **{kind.value: kind for kind in ServiceKind},
}
_DAYS = dict(zip("一二三四五六日天", ("MO", "TU", "WE", "TH", "FR", "SA", "SU", "SU"), strict=True))


def import_needs(work: Work, file: FileIn) -> Imported:
    """Read a file of needs. A preview changes nothing."""
    header, rows = read_table(file)
    where = columns(header, COLUMNS, NEEDED)
    people = _people(work)
    lines: list[ImportLine] = []
    fresh: list[NeedRow] = []
    residents: dict[UUID, ResidentRow] = {}
    seen: set[UUID] = set()
    for number, row in enumerate(rows, start=2):
        values = {field: row[place] if place < len(row) else "" for field, place in where.items()}
        try:
            resident, new = _need(work, values, people)
            need_id = _id(resident.person_id, new)
            known = need_id in seen or work.session.get(NeedRow, need_id) is not None
            if not known:
                fresh.append(need_row(work, new, [resident], source="import", need_id=need_id))
                residents[resident.person_id] = resident
                seen.add(need_id)
            lines.append(ImportLine(row=number, result="known" if known else "new", reasons=[], values=row))
        except ValidationError as error:
            reasons = [reason_of(e) for e in error.errors()]
            lines.append(ImportLine(row=number, result="bad", reasons=reasons, values=row))
        except (ValueError, Refused) as error:
            text = error.message if isinstance(error, Refused) else str(error)
            lines.append(ImportLine(row=number, result="bad", reasons=[text], values=row))
    if fresh and not file.preview:
        record(work, fresh, residents)
    return Imported(
        header=header,
        lines=lines,
        made=len(fresh),
        known=sum(line.result == "known" for line in lines),
        bad=sum(line.result == "bad" for line in lines),
    )


def reason_of(error: object) -> str:
    """The sentence of one fault that pydantic found in a row."""
    message = str(error["msg"]) if isinstance(error, dict) else ""
    return message.removeprefix("Value error, ") if message.startswith("Value error") else "填写的内容有误。"


def _people(work: Work) -> dict[str, list[tuple[ResidentRow, str]]]:
    """The residents the caller may post for, by name, with their ID numbers."""
    caller = work.caller
    if caller is None or not caller.has(*POSTERS):
        raise Forbidden("role_missing", "您的角色不能做这件事。")
    rows = work.session.scalars(select(ResidentRow).where(visible_residents(caller))).all()
    result: dict[str, list[tuple[ResidentRow, str]]] = {}
    by_id = {row.person_id: row for row in rows}
    for person, value in opened(work, rows).items():
        entry = (by_id[person], str(value.get("id_number") or ""))
        result.setdefault(str(value.get("name") or ""), []).append(entry)
    return result


def _need(
    work: Work, values: dict[str, str], people: dict[str, list[tuple[ResidentRow, str]]]
) -> tuple[ResidentRow, NewNeed]:
    named = people.get(values["name"], [])
    number = values.get("id_number", "").upper()
    if number:
        named = [entry for entry in named if entry[1].upper() == number]
    if not named:
        raise ValueError("没有登记这位老人，或不在您负责的范围内。")
    if len(named) > 1:
        raise ValueError("有几位同名的老人，请填写身份证号。")
    kind = KINDS.get(values["kind"])
    if kind is None:
        raise ValueError("不认识这项服务，请用服务目录中的名称。")
    day, earliest = day_of(values["day"]), time_of(values["earliest"])
    latest = time_of(values["latest"]) if values.get("latest") else earliest
    weekdays = [_DAYS[c] for c in values.get("weekdays", "") if c in _DAYS]
    until = day_of(values["until"]) if values.get("until") else None
    _timely(work, day, until, bool(weekdays))
    if not weekdays and window(day, earliest, latest)[1] <= work.now:
        raise ValueError("这个时间已经过去，请选择之后的时间。")
    resident = named[0][0]
    return resident, NewNeed(
        resident_ids=[resident.person_id],
        kind=kind,
        first_day=day,
        last_day=until if weekdays else None,
        rrule=f"FREQ=WEEKLY;BYDAY={','.join(dict.fromkeys(weekdays))}" if weekdays else None,
        earliest=earliest,
        latest=latest,
        minutes=_whole(values.get("minutes", "")),
        carers=2 if values.get("carers") == "2" else 1,
        note=values.get("note", ""),
    )


def _timely(work: Work, day: date, until: date | None, recurring: bool) -> None:
    today = wall_day(work.now)
    if (until or day) < today if recurring else day < today:
        raise ValueError("不能安排过去的时间，请选择今天或之后。")
    if day > today + timedelta(days=366):
        raise ValueError("最多提前一年安排。")


def _whole(text: str) -> int | None:
    if not text:
        return None
    if not text.isdigit():
        raise ValueError("时长应为分钟数。")
    return int(text)


def _id(resident_id: UUID, new: NewNeed) -> UUID:
    return derived_id("import", resident_id, new.kind, new.first_day, new.earliest, new.rrule, new.last_day)
