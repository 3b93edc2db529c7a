"""The thread that writes pictures to an output, so that drawing need not wait for a disk or an encoder."""

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from receiver.output import Output, Picture, Sound

# Half a second at 30 frames and 50 blocks of sound: what a disk's hiccup takes. At 256 x 256 that is 3 MB.
MAX_QUEUED = 40


class Writer:
    """Hands pictures to an output on a thread of its own, through a bounded queue.

    Parameters
    ----------
    output
        Used by this thread only, until `finish` returns.
    on_error
        Called once, on this thread, when the output fails; what comes after is dropped.
    """

    def __init__(self, output: Output, *, on_error: Callable[[Exception], None]) -> None:
        self.dropped = 0  # pictures that found the queue full
        self._output = output
        self._on_error = on_error
        self._error: Exception | None = None
        self._queue: queue.Queue[Callable[[], None] | None] = queue.Queue(MAX_QUEUED)
        self._thread = threading.Thread(target=self._work, name="receiver-writer", daemon=True)
        self._thread.start()

    def put(self, picture: Picture, at_s: float) -> None:
        """Pass on a picture, shown from `at_s` seconds on; never waits, but drops it where it would."""
        try:
            self._queue.put_nowait(partial(self._output.write, picture, at_s))
        except queue.Full:
            self.dropped += 1

    def put_patiently(self, picture: Picture, at_s: float) -> None:
        """Pass on a picture as `put` does, but wait for room."""
        self._queue.put(partial(self._output.write, picture, at_s))

    def put_sound(self, samples: Sound, at_s: float) -> None:
        """Pass on sound, int16 mono at 48 kHz, heard from `at_s` seconds on; never waits, as `put`."""
        with suppress(queue.Full):
            self._queue.put_nowait(partial(self._output.write_sound, samples, at_s))

    def finish(self) -> None:
        """Write what is queued and complete the output. Raises OutputError, or what failed before."""
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        self._output.finish()

    def _work(self) -> None:
        while (write := self._queue.get()) is not None:
            if self._error is not None:
                continue
            try:
                write()
            # Whatever it is: a thread that ended here would leave `finish` waiting for ever.
            except Exception as error:
                self._error = error
                self._output.discard()
                self._on_error(error)
