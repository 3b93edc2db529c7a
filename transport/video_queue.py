"""The other side's coded pictures on their way to aiortc's decoder: what a stranger sends is looked at before it is
decoded, and only so much of it waits (stands in for a private part of aiortc 1.16). Knows VP8's first bytes alone."""

import queue
from collections.abc import Callable
from typing import Any

# Pixels a side: a decoder asks for the memory of a picture as soon as its size is said.
LARGEST_RECEIVED = 1920
MOST_WAITING = 30  # a second's; a decoder that is behind for longer goes on with the next whole picture

# RFC 6386, section 9.1: three bytes, of which the lowest bit says that the picture is not whole; then a start code and
# two bytes for each side, the upper two bits of which are its scaling.
_WHOLE_HEADER_BYTES = 10
_LONGEST_SIDE = 0x3FFF


class CodedPictures(queue.Queue[Any]):
    """Keeps pairs of a codec and a frame for the decoder's thread until None, the end, which overtakes all of them.

    on_lost: called where pictures were given up, so that what follows cannot be decoded without a whole one.
    """

    def __init__(self, on_lost: Callable[[], None]) -> None:
        super().__init__()
        self._on_lost = on_lost
        self._wants_whole = False

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Leave a frame for the decoder, or leave it out."""
        if item is None:
            self._forget()  # whoever ends the decoder waits for it
        elif not self._is_wanted(item[1].data):
            return
        super().put(item, block, timeout)

    def _is_wanted(self, data: bytes) -> bool:
        if is_whole(data):
            if max(size_of(data)) > LARGEST_RECEIVED:
                return False
            self._wants_whole = False
        if self.qsize() >= MOST_WAITING:
            self._forget()
            self._wants_whole = not is_whole(data)
        if self._wants_whole:
            self._on_lost()
        return not self._wants_whole

    def _forget(self) -> None:
        while True:
            try:
                self.get_nowait()
            except queue.Empty:
                return


def is_whole(data: bytes) -> bool:
    """Say whether a VP8 frame's first bytes say that it needs no other one."""
    return bool(data) and not data[0] & 1


def size_of(data: bytes) -> tuple[int, int]:
    """Return the width and height that a whole frame says it has; 0 where it is too short to say so, and is none."""
    if len(data) < _WHOLE_HEADER_BYTES:
        return 0, 0
    width, height = (int.from_bytes(data[at : at + 2], "little") & _LONGEST_SIDE for at in (6, 8))
    return width, height
