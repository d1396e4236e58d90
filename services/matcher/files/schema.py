"""The JSON Schemas of the files, made from their dataclasses and the words below: docs/matcher/*.schema.json."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter

from services.matcher.files.formats import PLANS, SNAPSHOTS
from services.matcher.solver.snapshot import DAY, MOST, MOST_DAYS, MOST_FEN, MOST_TICKS, MOST_UNITS

Schema = dict[str, Any]

_MINUTE = "in minutes of wall time since 00:00 of first_day (in parts of them, if ticks is not 1)"
_PLACE = "[lon, lat] in WGS-84 degrees, or a row of ways"

WORDS: dict[str, dict[str, str]] = {
    "SnapshotFile": {
        "format": "names the format",
        "version": "of the format; a reader refuses versions it does not know",
        "snapshot": "what a plan is made from",
    },
    "PlanFile": {
        "format": "names the format",
        "version": "of the format; a reader refuses versions it does not know",
        "plan": "who comes to which visit",
    },
    "Snapshot": {
        "snapshot_id": "names the snapshot; a plan carries it",
        "taken_at": "when the picture was taken, an instant with its zone (ISO 8601); no rule rests on it",
        "first_day": "the calendar day of day 0, in the city's own zone (no daylight saving time)",
        "days": "length of the horizon, in days",
        "visits": "all visits to be staffed that begin within the horizon",
        "carers": "everyone who could come, one entry for each capacity of a person",
        "lines": "contract lines that pay for employed carers",
        "fixed": "pairs that no plan may move",
        "forbidden": "pairs [visit_id, person_id] that no plan may make",
        "overrides": "values [rule_id, value] in place of the rule table's (README.md, The rule table); in the unit of the rule",
        "ways": "time from place a to place b, in minutes (or parts, see ticks), for every mode: row a, column b; every place of the snapshot is then a row, and reach is not judged; empty: ways follow from coordinates",
        "ticks": "parts of a minute in which all times, lengths and limits of the snapshot and its plans are told (load and rounding_minutes apart), a count; other than 1 only with ways",
    },
    "SnapVisit": {
        "visit_id": "names the visit",
        "version": "of the visit's state at its owner, a count; the solver does not use it",
        "resident_ids": "the persons visited, at least one; a contract by person-times counts them",
        "community_id": "where the residents live; contract lines name communities",
        "kind": "code of the service; contract lines and refusals name kinds",
        "earliest_start": f"the earliest start, {_MINUTE}; its day is the visit's day in all daily rules",
        "latest_start": f"the latest start, {_MINUTE}; less than a day after the earliest",
        "minutes": "length of the visit, in minutes",
        "carers": "how many persons must come together: 1 or 2",
        "skills": "codes of the skills that each carer must have",
        "licence": "code of the licence that each carer must hold on the visit's day; null: none",
        "dialect_wish": "[dialect, hard]: the dialect wished for, and whether it is required; null: no wish",
        "sex_wish": "[sex, hard]: the sex wished for, and whether it is required; null: no wish",
        "lone_risk": "who comes alone must be cleared for it; serving it is worth more",
        "dangerous": "each carer must be insured on the visit's day",
        "lifting": "means lifting: not for who declared a limit or is too old for it",
        "stairs": "means climbing stairs: not for who declared a limit",
        "remote": "done from afar: no travel, no reach",
        "vital": "food, medicine: serving it is worth more",
        "place": f"{_PLACE}; null: not placed, and not planned unless remote",
        "end_place": f"{_PLACE}, where the visit ends, if elsewhere; null: at its place",
        "grade": "code of the resident's ability grade (GB/T 42195-2022); worse is worth more",
        "urgency": "code of the urgency; more urgent is worth more",
        "channels": "codes of the ways in which the visit may be met",
        "blocked_person_ids": "persons who may not come",
        "earlier_visits": "[person_id, times]: how often a person came to these residents before, a count",
        "late_from": f"from when on a start is late, at a price, {_MINUTE}, within the window; null: no start is late",
        "follows": "the visit that this one comes after; null: none",
        "later_windows": "[from, late_from], in order: from each first moment on, a start is late after the second instead, in minutes of wall time as late_from; empty: there is one window",
        "late_most": "the most that a start may be late, in minutes; null: until latest_start",
        "wished_person_ids": "persons asked for; who else comes has a price; empty: it does not matter",
    },
    "Follows": {
        "visit_id": "the first of the two visits; both are for one carer and are made both or neither",
        "least": "from the first's start to this one's at least, in minutes; below zero: this one may begin before it",
        "most": "from the first's start to this one's at most, in minutes",
        "by": "another person than the first's, or the same",
    },
    "MealBreak": {
        "earliest": "its earliest start, in minutes after 00:00 of the shift's day",
        "latest": "its latest start, in minutes after 00:00 of the shift's day",
        "minutes": "its length, in minutes",
        "required": "a shift with visits is not made without it; false: a missed one has a price",
    },
    "SnapCarer": {
        "carer_id": "names the person in this capacity",
        "version": "of the carer's state at its owner, a count; the solver does not use it",
        "person_id": "the person; all capacities of one share one sequence of visits",
        "capacity": "volunteer, employed (by an organisation, paid through its contract lines) or stipended (paid by the city)",
        "organisation_id": "the employer of an employed carer; null for the others",
        "sex": "code of the sex",
        "age": "on the horizon's first day, in years",
        "skills": "codes of the verified skills",
        "licences": "[code, last valid day] of each licence",
        "insured_until": "the last insured day; null: not insured",
        "lone_cleared_until": "the last day of the clearance for lone visits; null: not cleared",
        "dialects": "codes of the dialects spoken",
        "limits": "codes of what the carer declared not to do",
        "travel_mode": "code of the usual way of travel; decides speed and reach",
        "base": f"{_PLACE}: home or office, where the days begin; null: unknown, only remote visits",
        "windows": f"free intervals [begin, end], {_MINUTE}: sorted, apart from each other (those that touch are one); a visit lies within one",
        "refused_kinds": "codes of the services that the carer does not do",
        "refused_residents": "residents to whom the carer does not go",
        "daily_minutes": "the most minutes of visits on one day, all capacities of the person together",
        "weekly_minutes": "the most minutes of visits in one week from Monday, all capacities together",
        "used_daily": "minutes already taken by things outside the snapshot, by day of the horizon; days that are missing: 0",
        "used_weekly": "the same by Monday week (week 0 is first_day's), its days' included, in minutes",
        "max_new": "how many visits may be newly given in the whole horizon, a count; null: as many as fit",
        "load": "service done in the weeks before, in minutes; spreads the load",
        "starts_at_base": "the way from base to a day's first visit at a place takes time from the free interval that the visit lies in; false: only its price counts",
        "ends_at": f"{_PLACE}: home or office, where a day with visits at places ends, at the price of the way; null: where the last visit was",
        "shifts": f"paid hours [begin, end], {_MINUTE}: at most one begins on a day of the horizon; who has some has no other capacity",
        "leaves_at_shift": "base is left when the shift begins, so that what is early for the first visit is waited; false: as late as the first start allows",
        "overtime_most": "the most that a day may be over after its shift's end, in minutes; null: no limit, at a price",
        "meal_break": "the break due in each shift; null: none",
    },
    "SnapLine": {
        "line_id": "names the line",
        "organisation_id": "whose employed carers draw on it",
        "kinds": "codes of the services it pays for",
        "community_ids": "the communities it is for",
        "unit": "what a unit is: a visit, an hour, or a person-time (one resident of one visit)",
        "free": "what may still be drawn, in hundredths of a unit; fixed pairs are already taken off",
        "unit_price_fen": "price of one whole unit, in fen (hundredths of a yuan)",
        "valid_from": "the first day on which it pays",
        "valid_to": "the last day on which it pays",
        "rounding_minutes": "of hour lines: a visit's minutes are rounded up to a multiple of so many minutes",
        "channel": "code of the way in which a visit through this line is met",
    },
    "Fixed": {
        "visit_id": "the visit",
        "slot": "which of the visit's places: 0, or for two carers 0 or 1",
        "carer_id": "who comes",
        "start": f"when the visit starts, {_MINUTE}",
        "end": f"when it ends, {_MINUTE}",
        "kind": "why it stays: started, accepted, offered (not yet answered) or pinned by a planner",
        "line_id": "the contract line it draws on, already taken off the line's free units; null: none",
    },
    "Plan": {
        "snapshot_id": "of the snapshot it was made from",
        "snapshot_digest": "SHA-256 of that snapshot's canonical JSON (README.md), hexadecimal",
        "assignments": "who comes to which visit when, fixed pairs included, by start",
        "unmet": "the visits that lack a carer, the weightiest first",
        "broken_fixed": "fixed pairs that break a rule and were left where they are",
        "objective": "sum of the points of all new assignments; more is better",
        "objective_by_rule": "[rule, points]: the objective by rule, zeros left out",
        "bound": "no plan of this snapshot is worth more points than this (proven)",
        "gap_ppm": "(bound - objective) / bound in millionths, rounded up",
        "stopped_by": "done, or the limit that ended the search: rounds, seconds, megabytes, asked (somebody stopped it), linear program (one of them had no optimum)",
        "work": "what was done",
        "visit_prices": "[visit_id, price]: what one visit less to serve would change, in thousandths of a point",
        "start_prices": "[visit_id, start, price] of visits for two: what one person more at a start would change, in thousandths of a point (below zero: one less)",
        "half_prices": "[visit_id, start, person_id, price] of visits for two: what the person's coming there without another would cost, in thousandths of a point",
        "breaks": "meal breaks, by start",
        "line_prices": "[line_id, price]: what one hundredth of a unit more would be worth, in thousandths of a point",
    },
    "Assignment": {
        "visit_id": "the visit",
        "slot": "which of the visit's places: 0, or for two carers 0 or 1",
        "carer_id": "who comes",
        "person_id": "the carer's person",
        "start": f"when the visit starts, {_MINUTE}",
        "end": f"when it ends, {_MINUTE}",
        "line_id": "the contract line it draws on; null: none",
        "units": "what it draws, in hundredths of a unit",
        "fixed": "it was fixed in the snapshot and only stays",
        "points": "[rule, points]: what it gives by rule; a day's travel and repetition stand at the person's last visit of the day; wait, overtime, idle, break and uneven stand in objective_by_rule alone",
    },
    "Rest": {
        "carer_id": "whose break",
        "visit_id": "the visit just before or just after it, at whose place it is had",
        "start": f"when it begins, {_MINUTE}",
        "end": f"when it ends, {_MINUTE}",
    },
    "UnmetVisit": {
        "visit_id": "the visit",
        "reason": "code of the step at which too few carers were left, or all_busy, or not_placed",
        "funnel": "[step, carers]: how many carers each step left, a count",
        "change": "the smallest change found with which it could be staffed beside this plan: a code and its arguments (widen_window: minutes to each side); null: none was found or looked for",
    },
    "BrokenFixed": {
        "visit_id": "the visit",
        "slot": "which of the visit's places",
        "carer_id": "who comes",
        "rules": "the rules that the pair breaks",
    },
    "Work": {
        "rounds": "[rounds of column generation, turns of the dive] by day, counts",
        "columns": "duties looked at, a count",
        "pairs": "eligible pairs of visit and carer, a count",
        "seconds": "of wall clock, compiling and reading not included",
        "peak_megabytes": "most memory that the process held, in MiB",
        "seconds_by_step": "[step, seconds of wall clock]",
    },
}

_RANGES: dict[str, tuple[int, int | None]] = {
    "Snapshot.days": (1, MOST_DAYS),
    "SnapVisit.earliest_start": (0, MOST_DAYS * DAY * MOST_TICKS - 1),
    "SnapVisit.latest_start": (0, (MOST_DAYS + 1) * DAY * MOST_TICKS),
    "SnapVisit.minutes": (1, DAY * MOST_TICKS),
    "SnapVisit.carers": (1, 2),
    "SnapVisit.late_most": (0, None),
    "MealBreak.earliest": (0, None),
    "MealBreak.minutes": (1, DAY * MOST_TICKS),
    "SnapCarer.overtime_most": (0, None),
    "Follows.most": (0, None),
    "Snapshot.ticks": (1, MOST_TICKS),
    "SnapCarer.age": (0, MOST),
    "SnapCarer.daily_minutes": (0, MOST * MOST_TICKS),
    "SnapCarer.weekly_minutes": (0, MOST * MOST_TICKS),
    "SnapCarer.load": (0, MOST),
    "SnapLine.free": (0, MOST_UNITS),
    "SnapLine.unit_price_fen": (0, MOST_FEN),
    "SnapLine.rounding_minutes": (1, DAY),
    "Fixed.slot": (0, 1),
    "Assignment.slot": (0, 1),
    "Assignment.units": (0, None),
}


def schemas() -> dict[str, str]:
    """The schemas' file names and texts."""
    made = {"snapshot-v3": _described(SNAPSHOTS), "plan-v1": _described(PLANS)}
    return {
        f"{name}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in made.items()
    }


def _described(reader: TypeAdapter[Any]) -> Schema:
    schema = reader.json_schema()
    for name, part in (*schema["$defs"].items(), (schema["title"], schema)):
        for field, value in part.get("properties", {}).items():
            value.pop("title", None)
            value["description"] = WORDS[name][field]
            low, high = _RANGES.get(f"{name}.{field}", (None, None))
            value.update({"minimum": low} if low is not None else {})
            value.update({"maximum": high} if high is not None else {})
        if "enum" in part:
            part.pop("description", None)  # for who reads the code
    for place in _places(schema):
        if [item.get("type") for item in place] == ["number", "number"]:
            place[0].update(minimum=-180, maximum=180)
            place[1].update(minimum=-90, maximum=90)
    schema["$defs"].get("SnapVisit", {"properties": {"resident_ids": {}}})["properties"]["resident_ids"][
        "minItems"
    ] = 1
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _places(part: Any) -> Iterator[list[Schema]]:
    """Every tuple of a schema."""
    if isinstance(part, dict):
        if "prefixItems" in part:
            yield part["prefixItems"]
        for value in part.values():
            yield from _places(value)
    elif isinstance(part, list):
        for value in part:
            yield from _places(value)
