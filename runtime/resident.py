"""What stays on a device between calls: inputs that a source picture gives once, for every frame drawn from it.

Knows names and whether an array is the one that was given last; copies nothing itself.
"""

from typing import Any

from numpy.typing import NDArray

# Of the frame graph only the driving head is new with every frame; the rest belongs to the source (ARCHITECTURE.md).
NEW_EVERY_FRAME = "driving_"


class Resident:
    """Remembers which arrays a graph's device memory holds.

    Only the frame graph's source inputs are believed to be unchanged while they are the same objects: a camera's
    picture may come again in the same memory.
    """

    def __init__(self, graph: str) -> None:
        self._of_frame = graph == "frame"
        self._held: dict[str, NDArray[Any]] = {}

    def must_copy(self, name: str, value: NDArray[Any]) -> bool:
        """Say whether an input has to go to the device; from then on it counts as held there."""
        if not self._of_frame or name.startswith(NEW_EVERY_FRAME):
            return True
        # The array itself is kept, so that no other one can get its identity.
        known = self._held.get(name) is value
        self._held[name] = value
        return not known

    def forget(self) -> None:
        """Hold nothing: a copy failed."""
        self._held.clear()
