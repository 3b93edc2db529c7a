"""Hand-overs between two threads: a `Slot` keeps the newest item only, so that neither side ever waits for
the other in real time; a `Belt` keeps every item and lets the producer wait, for input that is read as fast
as it goes. Neither knows what it carries."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class HandOver(Protocol[T]):
    """What `Slot` and `Belt` have in common."""

    @property
    def dropped(self) -> int: ...

    def put(self, item: T) -> None: ...

    def get(self) -> T | None: ...

    def close(self) -> None: ...


class Slot(Generic[T]):
    """A place for one item: `put` never waits and replaces what nobody has fetched yet."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many items were replaced before anybody fetched them."""
        return self._dropped

    def put(self, item: T) -> None:
        """Leave an item in place of one that still lies there; after `close` nothing is kept."""
        with self._changed:
            if self._closed:
                return
            if self._item is not None:
                self._dropped += 1
            self._item = item
            self._changed.notify()

    def get(self) -> T | None:
        """Wait for an item and take it; None once the slot is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            return item

    def close(self) -> None:
        """Say that no item follows; the one that still lies there can be fetched."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Belt(Generic[T]):
    """A short queue: `put` waits while it is full, so nothing is ever dropped."""

    def __init__(self, *, length: int = 2) -> None:
        self._changed = threading.Condition()
        self._items: deque[T] = deque()
        self._length = length
        self._closed = False

    @property
    def dropped(self) -> int:
        """Always 0: a belt drops nothing."""
        return 0

    def put(self, item: T) -> None:
        """Append an item, waiting for room; after `close` it returns at once and keeps nothing."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < self._length or self._closed)
            if not self._closed:
                self._items.append(item)
                self._changed.notify_all()

    def get(self) -> T | None:
        """Wait for the oldest item and take it; None once the belt is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            if not self._items:
                return None
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Say that no item follows; what lies on the belt can be fetched."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
