"""What a service does with events: one function an event, registered with `@handlers.on(VisitChanged)`."""

from collections.abc import Callable
from typing import TypeVar

from shared.contracts.registry import Event, Kind, Topic
from shared.database.work import Work

E = TypeVar("E", bound=Event)
Handler = Callable[[Work, E], None]
Deletion = Callable[[Work, str], None]
Rebuild = Callable[[Work], None]


class Retry(Exception):
    """The event can't be applied yet (what it builds on has not arrived): its key is parked and tried again."""


class Handlers:
    """A service's handlers. They write rows in the Work they are given and nothing else: a batch may be run again."""

    def __init__(self) -> None:
        self._on: dict[str, tuple[type[Event], Callable[[Work, Event], None]]] = {}
        self._deleted: dict[str, tuple[type[Event], Deletion]] = {}
        self.clear: Rebuild | None = None

    def on(self, event: type[E]) -> Callable[[Handler[E]], Handler[E]]:
        """Register the function for an event. It gets each event once in effect; of state, never an older version."""

        def register(function: Handler[E]) -> Handler[E]:
            if event.TYPE in self._on:
                raise ValueError(f"{event.TYPE} has a handler already")

            def call(work: Work, received: Event) -> None:
                assert isinstance(received, event)
                function(work, received)

            self._on[event.TYPE] = (event, call)
            return function

        return register

    def on_deleted(self, event: type[Event]) -> Callable[[Deletion], Deletion]:
        """Register the function for a state's tombstone: it gets the key and forgets what it knew of it."""
        if event.TOPIC.kind is not Kind.STATE:
            raise ValueError(f"{event.TYPE}: an entry is never deleted")

        def register(function: Deletion) -> Deletion:
            if event.TYPE in self._deleted:
                raise ValueError(f"{event.TYPE} has a tombstone handler already")
            self._deleted[event.TYPE] = (event, function)
            return function

        return register

    def on_rebuild(self, function: Rebuild) -> Rebuild:
        """Register the function that empties the projections, so that they can be read anew from the log."""
        self.clear = function
        return function

    def handler(self, type_name: str) -> tuple[type[Event], Callable[[Work, Event], None]] | None:
        """The class and function for an event's type. None: nobody here cares."""
        return self._on.get(type_name)

    def deletion(self, type_name: str) -> tuple[type[Event], Deletion] | None:
        """The class and function for a tombstone of a type."""
        return self._deleted.get(type_name)

    @property
    def events(self) -> list[type[Event]]:
        """The events that are read, tombstones included."""
        read = [event for event, _ in (*self._on.values(), *self._deleted.values())]
        return sorted(set(read), key=lambda event: event.TYPE)

    @property
    def topics(self) -> dict[str, Topic]:
        """The topics to read, by name."""
        return {event.TOPIC.name: event.TOPIC for event in self.events}
