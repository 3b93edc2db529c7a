"""The capture thread: reads an input and hands its frames over, the newest one only in real time, every one
otherwise."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from sender.capture import Frame, Input
from sender.slot import Belt, HandOver, Slot

STOP_LIMIT_S = 0.4  # a camera's driver may hold its thread for longer; the program does not wait for it


class Reader:
    """Reads an input on a thread of its own, from `start` on."""

    def __init__(self, source: Input) -> None:
        self._input = source
        self._hand_over: HandOver[Frame] = Belt() if source.keeps_all else Slot()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self._started = False
        self._error: Exception | None = None
        self.frames_in = 0
        self.ended = False  # by `end` or `stop`

    @property
    def dropped(self) -> int:
        """How many frames were captured but replaced by newer ones before anybody fetched them."""
        return self._hand_over.dropped

    def start(self) -> None:
        """Begin to capture, if that has not been done."""
        if not self._started:
            self._started = True
            self._thread.start()

    def get(self) -> Frame | None:
        """Wait for a frame; None at the end of the input. Raises InputError where the input failed."""
        frame = self._hand_over.get()
        if frame is None and self._error is not None:
            raise self._error
        return frame

    def frames(self) -> Iterator[Frame]:
        """Yield what `get` gives until the input or the capture ends. Raises InputError as `get` does."""
        while (frame := self.get()) is not None and not self.ended:
            yield frame

    def end(self) -> None:
        """End the capture and let `get` return; waits for nothing."""
        self.ended = True
        self._input.stop()
        self._hand_over.close()

    def stop(self) -> None:
        """End the capture as `end` does, and wait for the thread for a moment."""
        self.end()
        if self._thread.is_alive():
            self._thread.join(STOP_LIMIT_S)

    def _run(self) -> None:
        try:
            for frame in self._input.frames():
                self.frames_in += 1
                self._hand_over.put(frame)
        except Exception as error:  # handed to the thread that fetches, which is where it is told
            self._error = error
        finally:
            self._hand_over.close()
