"""What others read of ours, generated from the code: `check` refuses drift, `write` refuses a broken promise.

`docs/matcher/*.schema.json` are the forms of the matcher's files. `docs/events/<type>.json` is the JSON Schema of an event, `docs/events/asyncapi.yaml` who sends and who reads what. Within
a version no field may go, change its type or become required: a new version is a new type beside the old one. Its
sender tells both until nobody reads the old one any more; a version of a state has a topic of its own (decisions/0007).
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from services import declarations  # noqa: E402
from services.matcher.files.schema import schemas  # noqa: E402
from shared.contracts.registry import Event, Kind, event_types, load_contracts  # noqa: E402

load_contracts()

FOLDER = ROOT / "docs" / "events"
ASYNCAPI = FOLDER / "asyncapi.yaml"
MATCHER = ROOT / "docs" / "matcher"

Schema = dict[str, Any]


def events() -> list[type[Event]]:
    """The registered events of shared/contracts (tests register others)."""
    return [event for event in event_types() if event.__module__.startswith("shared.contracts.")]


def senders(event: type[Event]) -> list[str]:
    """The services that send an event: the one its type names, or for a shared type those whose code makes it."""
    named = event.TYPE.split(".")[1]
    if named in declarations.NAMES:
        return [named]
    made = re.compile(rf"\b{event.__name__}\(")
    return [
        name
        for name in declarations.NAMES
        if any(made.search(file.read_text()) for file in (ROOT / "services" / name).rglob("*.py"))
    ]


def readers() -> dict[str, list[str]]:
    """For each type the services that read it."""
    found: dict[str, list[str]] = {}
    for name in declarations.NAMES:
        declared = declarations.service(name)
        for event in (*declared.handlers.events, *(crew.event for crew in declared.crews)):
            found.setdefault(event.TYPE, []).append(name)
    return found


def schema_of(event: type[Event]) -> Schema:
    """The JSON Schema of an event's data."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": event.TYPE,
        **event.model_json_schema(),
        "x-topic": event.TOPIC.name,
        "x-kind": event.TOPIC.kind.value,
        "x-key": event.KEY,
        "x-version": event.VERSION,
    }


def asyncapi() -> Schema:
    """Channels, messages and operations of all events."""
    reading = readers()
    channels: Schema = {}
    operations: Schema = {}
    messages: Schema = {}
    for event in events():
        topic, name = event.TOPIC, event.TYPE
        channel = channels.setdefault(
            topic.name,
            {
                "address": topic.name,
                "description": "State: compacted, the last version of a key wins."
                if topic.kind is Kind.STATE
                else "Entries: each applied once by its id.",
                "messages": {},
                "bindings": {
                    "kafka": {
                        "partitions": topic.partitions,
                        "topicConfiguration": {
                            "cleanup.policy": ["delete" if topic.retention_days else "compact"]
                        },
                    }
                },
            },
        )
        channel["messages"][name] = {"$ref": f"#/components/messages/{name}"}
        messages[name] = {
            "name": name,
            "summary": (event.__doc__ or "").strip().splitlines()[0],
            "contentType": "application/json",
            "payload": {"schemaFormat": "application/schema+json", "schema": {"$ref": f"./{name}.json"}},
            "bindings": {"kafka": {"key": {"type": "string", "description": event.KEY}}},
        }
        for action, services in (("send", senders(event)), ("receive", reading.get(name, []))):
            for service in services:
                operations[f"{service}.{action}.{name}"] = {
                    "action": action,
                    "channel": {"$ref": f"#/channels/{topic.name}"},
                    "messages": [{"$ref": f"#/channels/{topic.name}/messages/{name}"}],
                    "tags": [{"name": service}],
                }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Linli events",
            "version": "1",
            "description": "CloudEvents 1.0 in binary mode over Kafka: attributes travel as ce_* headers.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def broken(old: Schema, new: Schema) -> list[str]:
    """What a reader of the old schema would miss in the new one."""
    faults = []
    before = {"": old, **old.get("$defs", {})}
    after = {"": new, **new.get("$defs", {})}
    for name, part in before.items():
        now = after.get(name)
        if now is None:
            faults.append(f"{name}: gone")
            continue
        gone = [value for value in part.get("enum", []) if value not in now.get("enum", [])]
        faults += [f"{name}: the value {value} is gone" for value in gone]
        for field, kind in part.get("properties", {}).items():
            if field not in now.get("properties", {}):
                faults.append(f"{name}.{field}: gone")
            elif _type(kind) != _type(now["properties"][field]):
                faults.append(f"{name}.{field}: of another type")
        faults += [
            f"{name}.{field}: newly required"
            for field in now.get("required", [])
            if field not in part.get("required", [])
        ]
    faults += [key for key in ("x-topic", "x-kind", "x-key") if old.get(key) != new.get(key)]
    return faults


def _type(kind: Schema) -> Schema:
    return {k: v for k, v in kind.items() if k not in {"title", "description", "default", "examples"}}


def generated() -> dict[Path, str]:
    """Every file and what must stand in it."""
    files = {
        FOLDER / f"{event.TYPE}.json": json.dumps(schema_of(event), indent=2, ensure_ascii=False) + "\n"
        for event in events()
    }
    files[ASYNCAPI] = yaml.safe_dump(asyncapi(), sort_keys=True, allow_unicode=True, width=120)
    return files | {MATCHER / name: text for name, text in schemas().items()}


def promises_broken() -> list[str]:
    """Breaking changes against the committed schemas. A type that is gone is one too."""
    known = {event.TYPE: event for event in events()}
    faults = []
    for file in sorted(FOLDER.glob("*.json")):
        event = known.get(file.stem)
        if event is None:
            faults.append(f"{file.stem}: gone")
        else:
            faults += [
                f"{file.stem} {fault}" for fault in broken(json.loads(file.read_text()), schema_of(event))
            ]
    made = schemas()
    for file in sorted(MATCHER.glob("*.schema.json")):
        if file.name not in made:
            faults.append(f"{file.name}: gone")
        else:
            new = json.loads(made[file.name])
            faults += [f"{file.name} {fault}" for fault in broken(json.loads(file.read_text()), new)]
    return faults


def crowded(registered: list[type[Event]]) -> list[str]:
    """State topics with more than one type: compaction keeps one message a key, so that one would drive out the other."""
    on_topic: dict[str, list[str]] = {}
    for event in registered:
        if event.TOPIC.kind is Kind.STATE:
            on_topic.setdefault(event.TOPIC.name, []).append(event.TYPE)
    return [
        f"{', '.join(types)} share {topic}: a new version of a state needs a topic of its own"
        for topic, types in on_topic.items()
        if len(types) > 1
    ]


def main(arguments: list[str]) -> int:
    """`check` or `write`."""
    faults = promises_broken()
    for fault in faults:
        print(f"broken within its version: {fault}")
    crowds = crowded(events())
    for crowd in crowds:
        print(crowd)
    if faults or crowds:
        return 1
    files = generated()
    if arguments == ["write"]:
        for folder in (FOLDER, MATCHER):
            folder.mkdir(exist_ok=True)
        for file, text in files.items():
            file.write_text(text)
        return 0
    stale = [f.relative_to(ROOT) for f, text in files.items() if not f.exists() or f.read_text() != text]
    for name in stale:
        print(f"{name} is not what the code says: python tools/contracts.py write")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
