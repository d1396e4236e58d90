"""What an operator decides: dead letters replayed and given up, projections read anew. On each bus."""

import pytest
from sqlalchemy import delete, select, text

from shared.database.work import Work
from shared.messaging import operator
from shared.messaging.applying import Applier
from shared.messaging.bus.port import GroupBusy
from shared.messaging.consumer import Consumer
from shared.messaging.handlers import Handlers, Retry
from shared.messaging.tables import ParkedEvent, ParkedKey
from tests.ageing import age
from tests.posting import (
    ENTRIES,
    STATES,
    Counted,
    Post,
    Told,
    count,
    effects,
    good,
    keeping,
    read_all,
)
from tests.support import until


class Bug:
    """Handlers that can't take some numbers until the bug is mended."""

    def __init__(self, *numbers: int) -> None:
        self.numbers = set(numbers)
        self.error: Exception = ValueError("a bug")
        self.handlers = Handlers()
        keep = keeping().handler(Counted.TYPE)
        assert keep is not None

        @self.handlers.on(Counted)
        def counted(work: Work, event: Counted) -> None:
            if event.number in self.numbers:
                raise self.error
            keep[1](work, event)

        @self.handlers.on(Told)
        def told(work: Work, event: Told) -> None:
            if event.thing_version in self.numbers:
                raise self.error
            work.session.execute(
                text("INSERT INTO effect VALUES (:t, :n)"), {"t": event.thing, "n": event.thing_version}
            )


def letters(post: Post) -> list[operator.Letter]:
    with post.taker.work() as work:
        return operator.dead_letters(work, "taker")


def replay(post: Post, bug: Bug, letter: int) -> str | None:
    with post.taker.work() as work:
        return operator.replay(work, Applier(post.taker, "taker", bug.handlers), letter)


def test_a_replayed_entry_frees_its_key_and_what_waits_behind_it_follows_in_order(post: Post) -> None:
    bug = Bug(1, 3)
    post.bus.publish([good("a", n) for n in range(5)])
    read_all(post, bug.handlers)
    [letter] = letters(post)
    assert (letter.key, letter.reason, letter.holds, letter.attempts) == ("a", "ValueError: a bug", 3, 1)
    assert replay(post, bug, letter.id) == "ValueError: a bug", "not mended yet: it stays as it was"
    assert effects(post) == {"a": [0]}
    assert letters(post)[0].attempts == 2
    bug.error = Retry("not yet")
    assert replay(post, bug, letter.id) == "not yet"
    assert count(post, "dead_letter") == 1
    bug.error = ValueError("a bug")
    bug.numbers = {3}
    assert replay(post, bug, letter.id) is None
    assert effects(post) == {"a": [0, 1, 2]}
    [next_letter] = letters(post)
    assert next_letter.holds == 1, "the next that fails holds the key in its turn"
    with pytest.raises(operator.Decided):
        replay(post, bug, letter.id)
    with pytest.raises(operator.NoSuchLetter):
        replay(post, bug, 10_000)
    bug.numbers = set()
    assert replay(post, bug, next_letter.id) is None
    assert effects(post) == {"a": [0, 1, 2, 3, 4]}
    assert count(post, "parked_key") == count(post, "parked_event") == 0


def test_a_discarded_entry_never_takes_effect_and_its_key_goes_on(post: Post) -> None:
    bug = Bug(1)
    post.bus.publish([good("a", n) for n in range(4)])
    read_all(post, bug.handlers)
    with post.taker.work() as work:
        operator.discard(work, Applier(post.taker, "taker", bug.handlers), letters(post)[0].id)
    assert not letters(post)
    bug.numbers = set()
    consumer = Consumer(post.taker, post.bus, "taker", bug.handlers)
    consumer.start()
    until(lambda: effects(post) == {"a": [0, 2, 3]})
    consumer.stop()
    post.bus.reset("taker")
    read_all(post, bug.handlers)
    assert effects(post) == {"a": [0, 2, 3]}, "read again, the discarded one stays discarded"


def test_a_replayed_state_that_a_later_one_has_replaced_changes_nothing(post: Post) -> None:
    bug = Bug(1)
    for thing, version in (("a", 1), ("a", 2), ("b", 1)):
        post.send(Told(thing=thing, thing_version=version))
        post.relay()
        read_all(post, bug.handlers)
    assert effects(post) == {"a": [2]}
    bug.numbers = set()
    for letter in letters(post):
        assert replay(post, bug, letter.id) is None
    assert effects(post) == {"a": [2], "b": [1]}
    assert not letters(post)


def test_a_stray_event_can_only_be_discarded_until_the_code_knows_it(post: Post) -> None:
    bug = Bug()
    post.bus.publish([good("a", 1, ce_type="linli.test.nobody_knows.v1")])
    read_all(post, bug.handlers)
    [letter] = letters(post)
    assert "unknown type" in str(replay(post, bug, letter.id))
    with post.taker.work() as work:
        operator.discard(work, Applier(post.taker, "taker", bug.handlers), letter.id)
    assert not letters(post)
    assert count(post, "dead_letter") == 1, "kept, as decided"


def test_parked_keys_are_told_with_their_reason(post: Post) -> None:
    bug = Bug(0)
    bug.error = Retry("the visit is not here")
    post.bus.publish([good("a", 0), good("a", 1)])
    read_all(post, bug.handlers)
    with post.taker.work() as work:
        [row] = operator.parked(work, "taker")
    assert (row.topic, row.key, row.held, row.reason, row.events) == (
        ENTRIES.name,
        "a",
        False,
        "the visit is not here",
        2,
    )


def test_a_rebuilt_projection_equals_its_source_although_the_log_is_older_than_its_retention(
    post: Post,
) -> None:
    """States are superseded and compacted away, entries past their retention are gone, a tombstone's key is gone."""
    handlers = keeping()
    projection: dict[str, tuple[int, str]] = {}
    applied: list[int] = []

    @handlers.on(Told)
    def told(work: Work, event: Told) -> None:
        applied.append(event.thing_version)
        projection[event.thing] = (event.thing_version, event.value)

    @handlers.on_deleted(Told)
    def gone(work: Work, key: str) -> None:
        projection.pop(key, None)

    @handlers.on_rebuild
    def clear(work: Work) -> None:
        projection.clear()

    source = {}
    for version in (1, 2, 3):
        for thing in ("a", "b", "c", "d"):
            source[thing] = (version, f"{thing} in version {version}")
            post.send(Told(thing=thing, thing_version=version, value=source[thing][1]))
    with post.sender.work() as work:
        work.emit_deleted(Told, "d", 4)
    del source["d"]
    post.send(*(Counted(thing="a", number=n) for n in range(10)))
    post.relay()
    consumer = Consumer(post.taker, post.bus, "taker", handlers)
    consumer.start()
    until(lambda: projection == source and effects(post) == {"a": list(range(10))})
    with pytest.raises(GroupBusy):
        operator.rebuild(post.taker, post.bus, "taker", handlers)
    assert projection == source, "refused before anything was emptied"
    consumer.stop()

    age(post.bus, STATES, ENTRIES)
    post.send(Counted(thing="a", number=10), Told(thing="b", thing_version=4, value="anew"))
    source["b"] = (4, "anew")
    post.relay()
    applied.clear()
    operator.rebuild(post.taker, post.bus, "taker", handlers)
    assert projection == {}
    consumer = Consumer(post.taker, post.bus, "taker", handlers)
    consumer.start()
    until(lambda: projection == source and effects(post) == {"a": list(range(11))})
    consumer.stop()
    assert min(applied) >= 3, "what was superseded had its effect in its time"


def test_a_rebuild_reads_parked_states_from_the_log_and_keeps_parked_entries(post: Post) -> None:
    bug = Bug(1)
    bug.error = Retry("not yet")
    post.bus.publish([good("a", 1)])
    post.send(Told(thing="b", thing_version=1))
    post.relay()
    read_all(post, bug.handlers)
    with post.taker.work() as work:
        assert set(work.session.scalars(select(ParkedKey.key))) == {"a", "b"}
    operator.rebuild(post.taker, post.bus, "taker", bug.handlers)
    with post.taker.work() as work:
        assert set(work.session.scalars(select(ParkedKey.key))) == {"a"}
    bug.numbers = set()
    consumer = Consumer(post.taker, post.bus, "taker", bug.handlers)
    consumer.start()
    until(lambda: effects(post) == {"a": [1], "b": [1]})
    consumer.stop()


def test_a_discarded_letter_without_anything_behind_it_leaves_no_key_parked(post: Post) -> None:
    bug = Bug(0)
    post.bus.publish([good("a", 0)])
    read_all(post, bug.handlers)
    with post.taker.work() as work:
        operator.discard(work, Applier(post.taker, "taker", bug.handlers), letters(post)[0].id)
        work.session.execute(delete(ParkedEvent))
    assert Applier(post.taker, "taker", bug.handlers).retry_parked() == 1
    assert count(post, "parked_key") == 0
