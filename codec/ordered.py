"""A motion packet on the reliable channel: what a call in order is made of.

Does not know when a call is held in order (`codec.hello.Capability`) or what a packet's bytes say.
"""

from dataclasses import dataclass

from codec.fields import MAX_CONTROL_BYTES
from codec.packet import HEADER_BYTES

# How many motions a sender in order may be ahead of the frames that the feedback calls shown: a second of a
# clip, so that neither side waits for a message on its way, and all that the receiver has to hold.
ORDERED_WINDOW = 30


@dataclass(frozen=True)
class OrderedMotion:
    """A motion packet (`codec.packet`) that must not be lost: the next one of a call in order."""

    packet: bytes

    def __post_init__(self) -> None:
        if not HEADER_BYTES <= len(self.packet) < MAX_CONTROL_BYTES:
            raise ValueError(f"a message cannot hold a motion packet of {len(self.packet)} bytes")
