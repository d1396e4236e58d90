"""Releases of one process made into the compiled release, as OCDS 1.1.5 says (standard: schema, merging)."""

from collections.abc import Mapping, Sequence
from typing import Any

OMITTED = ("id", "date", "tag", "ocid")


def compiled(releases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The compiled release of releases in the order of their dates: a later value stands, objects of a list meet by id."""
    last = releases[-1]
    made: dict[str, Any] = {
        "tag": ["compiled"],
        "id": f"{last['ocid']}-{last['date']}",
        "date": last["date"],
        "ocid": last["ocid"],
    }
    for release in releases:
        _into(made, {key: value for key, value in release.items() if key not in OMITTED})
    return made


def _into(made: dict[str, Any], said: Mapping[str, Any]) -> None:
    for key, value in said.items():
        if isinstance(value, dict):
            _into(made.setdefault(key, {}), value)
        elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            known = {each["id"]: each for each in made.setdefault(key, [])}
            for each in value:
                if each["id"] not in known:
                    known[each["id"]] = {}
                    made[key].append(known[each["id"]])
                _into(known[each["id"]], each)
        elif value != []:
            made[key] = value
