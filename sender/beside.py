"""A thread that looks at frames beside the motion's, the newest that was offered. It knows neither what is looked for
nor which frames are worth a look."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from sender.bring import Seen
from sender.slot import Slot


class Beside(ABC):
    """Looks at what is offered, from `start` to `stop`.

    dropped: how many frames this side has left out so far, of what it sends and shows. on_error: is told what ended the
    looking, on the thread.
    """

    def __init__(
        self, name: str, *, dropped: Callable[[], int], on_error: Callable[[Exception], None]
    ) -> None:
        self.looking = False  # at what was offered
        self._dropped = dropped
        self._dropped_before = 0
        self._next_s = float("-inf")
        self._on_error = on_error
        self._inbox: Slot[Seen] = Slot()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._dropped_before = self._dropped()
        self._thread.start()

    def stop(self) -> None:
        """End; what is being looked at is finished first."""
        self._inbox.close()
        if self._thread.ident is not None:
            self._thread.join()

    @abstractmethod
    def due(self, captured_s: float) -> bool:
        """Say whether the frame captured now should be offered; a busy machine's is not."""

    def offer(self, seen: Seen) -> None:
        """Look at a frame."""
        self.looking = True
        self._inbox.put(seen)

    @abstractmethod
    def _look(self, seen: Seen) -> None:
        """Look at a frame, on the thread; `looking` is to be False from where another may be offered."""

    def _work(self) -> None:
        try:
            while (seen := self._inbox.get()) is not None:
                self._look(seen)
        except Exception as error:
            self._on_error(error)
