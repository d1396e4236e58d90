"""Time passes on a log: what states superseded is compacted away, entries are past their retention."""

import time
from collections import Counter

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from shared.contracts.registry import Topic
from shared.messaging.bus.kafka import KafkaBus
from shared.messaging.bus.port import Bus
from shared.messaging.bus.postgres import PostgresBus

QUICKLY = {"segment.ms": "50", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "100"}


def age(bus: Bus, states: Topic, entries: Topic) -> None:
    """Until the state topic holds one message a key and the entry topic none."""
    if isinstance(bus, PostgresBus):
        with bus._engine.begin() as connection:
            connection.exec_driver_sql("UPDATE bus_log SET at = at - interval '31 days'")
        bus.maintain()
    else:
        assert isinstance(bus, KafkaBus)
        servers = {"bootstrap_servers": bus._client["bootstrap_servers"]}
        _age_kafka(servers, bus.prefix + states.name, bus.prefix + entries.name)


def _age_kafka(servers: dict[str, list[str]], states: str, entries: str) -> None:
    consumer, admin = KafkaConsumer(**servers), KafkaAdminClient(**servers)
    parts = [TopicPartition(entries, n) for n in consumer.partitions_for_topic(entries)]
    admin.delete_records(dict(consumer.end_offsets(parts).items()))
    before = {
        name: entry["value"]
        for name, entry in admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, states)], config_filter="all"
        )["topic"][states].items()
        if name in QUICKLY
    }
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, states, QUICKLY)])
    producer = KafkaProducer(**servers)
    parts = [TopicPartition(states, n) for n in consumer.partitions_for_topic(states)]
    consumer.assign(parts)
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        for part in parts:  # the segment that is being written is never compacted: a tombstone rolls it
            producer.send(states, key=b"rolls", value=None, partition=part.partition)
        producer.flush()
        time.sleep(0.5)
        ends = consumer.end_offsets(parts)
        consumer.seek_to_beginning()
        found: Counter[bytes] = Counter()
        while any(consumer.position(part) < ends[part] for part in parts):
            for records in consumer.poll(timeout_ms=500).values():
                found.update(record.key for record in records if record.key != b"rolls")
        if found and max(found.values()) == 1:
            break
    else:
        raise AssertionError("the broker did not compact in time")
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, states, before)])
    producer.close()
    consumer.close()
    admin.close()
