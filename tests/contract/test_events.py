"""Events, both sides: what is sent keeps to the committed schemas, what is read has a sender, and nothing names a person."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services import declarations
from shared.contracts.registry import Event, Kind
from shared.database.server import DatabaseServer
from shared.messaging.bus.port import TYPE
from tests.running import product
from tools import contracts

EVENTS = contracts.events()
# entries that are kept for who comes later: certificates of hours, payment of deliveries
FOR_LATER = {
    "linli.volunteers.hours_recorded.v1",
    "linli.projects.delivery_recorded.v1",
    "linli.projects.call_changed.v1",  # the city's own systems: what is bought, and where it stands
    "linli.projects.contract_changed.v1",  # the city's own systems: what was bought, at what price
    "linli.projects.payment_made.v1",  # and paid
}
NAMING = {"name", "names", "phone", "address", "id_number", "birthday", "note", "text", "username"}
NAMING_THINGS = {"linli.community.area_changed.v1", "linli.community.calendar_day.v1"}  # places and holidays


def committed(event_type: str) -> dict[str, Any]:
    return json.loads((contracts.FOLDER / f"{event_type}.json").read_text())  # type: ignore[no-any-return]


def fields(schema: dict[str, Any]) -> set[str]:
    parts = [schema, *schema.get("$defs", {}).values()]
    return {name for part in parts for name in part.get("properties", {})}


def test_the_committed_schemas_are_what_the_registry_says() -> None:
    assert contracts.main(["check"]) == 0


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.TYPE)
def test_every_event_has_a_sender_and_a_reader(event: type[Event]) -> None:
    assert contracts.senders(event)
    assert event.TYPE in FOR_LATER or contracts.readers().get(event.TYPE)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.TYPE)
def test_no_event_carries_what_names_a_person(event: type[Event]) -> None:
    carried = fields(committed(event.TYPE)) & NAMING
    assert not carried or event.TYPE in NAMING_THINGS


def test_everything_that_the_sample_city_tells_keeps_to_the_schemas(
    postgres_server: DatabaseServer, tmp_path: Path
) -> None:
    """Every message on the bus after a whole sample city was loaded, planned and answered."""
    checks = {event.TYPE: jsonschema_rs.validator_for(committed(event.TYPE)) for event in EVENTS}
    seen: Counter[str] = Counter()
    with product(postgres_server, tmp_path) as running:
        assert running.city is not None
        reading = running.city.bus.subscribe("contract-test", sorted({e.TOPIC.name for e in EVENTS}))
        while batch := reading.poll(500, 2.0):
            for message in batch:
                if message.value is not None:
                    checks[message.headers[TYPE]].validate(json.loads(message.value))
                    seen[message.headers[TYPE]] += 1
        reading.close()
    told_by_the_sample = {event.TYPE for event in EVENTS if event.TOPIC.kind is Kind.STATE}
    assert told_by_the_sample <= set(seen)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.TYPE)
def test_a_reader_ignores_fields_it_does_not_know(event: type[Event]) -> None:
    assert event.model_config.get("extra") == "ignore"


def test_a_second_type_of_state_on_a_topic_is_refused() -> None:
    state = next(event for event in EVENTS if event.TOPIC.kind is Kind.STATE)
    second = type(state.__name__, (state,), {})
    assert contracts.crowded([state]) == []
    [told] = contracts.crowded([state, second])
    assert "a topic of its own" in told


@given(st.data())
def test_a_change_that_a_reader_would_miss_is_refused(data: st.DataObject) -> None:
    event = data.draw(st.sampled_from(EVENTS))
    old = contracts.schema_of(event)
    new = json.loads(json.dumps(old))
    assert contracts.broken(old, new) == []
    field = data.draw(st.sampled_from(sorted(new["properties"])))
    change = data.draw(st.sampled_from(("removed", "retyped", "required")))
    if change == "removed":
        del new["properties"][field]
    elif change == "retyped":
        new["properties"][field] = {"type": "null"}
    else:
        new["properties"]["added"] = {"type": "string"}
        new["required"] = [*new.get("required", []), "added"]
    assert contracts.broken(old, new)


@given(st.data())
def test_an_added_optional_field_breaks_nothing(data: st.DataObject) -> None:
    old = contracts.schema_of(data.draw(st.sampled_from(EVENTS)))
    new = json.loads(json.dumps(old))
    new["properties"]["added"] = {"type": "string", "default": ""}
    assert contracts.broken(old, new) == []


def test_readers_refuse_what_the_schema_refuses() -> None:
    """The classes that read are the ones the schemas are made from: an empty message fits neither."""
    for event in EVENTS:
        assert not jsonschema_rs.validator_for(committed(event.TYPE)).is_valid({})
        with pytest.raises(ValidationError):
            event.model_validate({})


def test_every_service_reads_only_registered_events() -> None:
    known = {event.TYPE for event in EVENTS}
    for name in declarations.NAMES:
        handlers = declarations.service(name).handlers
        assert {event.TYPE for event in (handlers.events if handlers else ())} <= known
