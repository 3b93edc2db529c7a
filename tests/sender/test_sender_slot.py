"""Hand-overs between threads."""

import threading

from sender.slot import Belt, Slot
from tests.patience import PATIENCE_S


def test_a_slot_keeps_the_newest_item_and_counts_the_others() -> None:
    slot: Slot[int] = Slot()
    for item in range(5):
        slot.put(item)
    assert slot.get() == 4
    assert slot.dropped == 4


def test_a_slot_gives_its_last_item_before_it_ends() -> None:
    slot: Slot[int] = Slot()
    slot.put(1)
    slot.close()
    slot.put(2)
    assert [slot.get(), slot.get(), slot.get()] == [1, None, None]


def test_closing_wakes_whoever_waits() -> None:
    slot: Slot[int] = Slot()
    belt: Belt[int] = Belt(length=1)
    belt.put(0)
    got: list[object] = []
    threads = [
        threading.Thread(target=lambda: got.append(slot.get()), daemon=True),
        threading.Thread(target=lambda: got.append(belt.put(1)), daemon=True),
    ]
    for thread in threads:
        thread.start()
    slot.close()
    belt.close()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert got == [None, None]


def test_a_belt_drops_nothing_however_slow_the_consumer_is() -> None:
    belt: Belt[int] = Belt(length=2)

    def produce() -> None:
        for item in range(200):
            belt.put(item)
        belt.close()

    threading.Thread(target=produce, daemon=True).start()
    items = list(iter(belt.get, None))
    assert items == list(range(200))
    assert belt.dropped == 0
