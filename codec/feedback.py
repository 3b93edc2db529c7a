"""Feedback: how the receiver and the line fare, and its bytes behind the type.

The one message that goes over RTP, where it may get lost and overtaken. Does not know when it is due
or what a sender makes of it.
"""

import struct
from dataclasses import dataclass

from codec.fields import within
from codec.packet import MAX_SOURCES
from codec.time import TICK_CYCLE
from codec.transfer import TRANSFERS_CYCLE

_FEEDBACK_FIELDS = struct.Struct(">HIHIBHIBHHB")
_NO_TICKS = 0xFFFF
_NO_TRANSIT = 0xFF
# Counts begin anew at these.
PACKETS_CYCLE = MS_CYCLE = 1 << 16
BYTES_CYCLE = SHOWN_CYCLE = 1 << 32
BITS = 32  # of the bitmap
FARTHEST_TICKS = _NO_TRANSIT - 1  # that the quickest motion may be behind the newest one
EARLIER = 7  # transfers before the newest one of which feedback tells


@dataclass(frozen=True)
class Transit:
    """How long one motion was under way: the quickest of those that came since the last feedback.

    Parameters
    ----------
    behind
        How many ticks, 0..254, it was captured before the newest one.
    ms
        Its arrival on the receiver's clock less its capture time, modulo 2**16. The clocks' offset is in it, so only
        differences mean something.
    """

    behind: int
    ms: int

    def __post_init__(self) -> None:
        within("ticks behind", self.behind, FARTHEST_TICKS)
        within("transit", self.ms, MS_CYCLE - 1)


@dataclass(frozen=True)
class ReadyTransfers:
    """Transfers (`codec.transfer`) whose pictures can be drawn from, or could be once: it stays true.

    Parameters
    ----------
    newest
        The newest of them, 0..65535.
    earlier
        Bit i, 0..6: the transfer i + 1 before the newest one is ready as well.
    """

    newest: int
    earlier: int = 0

    def __post_init__(self) -> None:
        within("transfer", self.newest, TRANSFERS_CYCLE - 1)
        within("earlier transfers", self.earlier, (1 << EARLIER) - 1)

    def __contains__(self, transfer: object) -> bool:
        """Say whether this transfer, 0..65535, is one of them."""
        return transfer in self.transfers

    @property
    def transfers(self) -> list[int]:
        """All of them, the newest first."""
        behind = [0, *(i + 1 for i in range(EARLIER) if self.earlier >> i & 1)]
        return [(self.newest - each) % TRANSFERS_CYCLE for each in behind]


@dataclass(frozen=True)
class Feedback:
    """How the receiver and the line fare. It is worth nothing later, so it may get lost and overtaken.

    Parameters
    ----------
    newest_ticks
        Capture time of the newest motion decoded, 0..4095, or None before the first.
    bitmap
        Bit i, 0..31: the motion captured i + 1 ticks before the newest one was decoded as well, from its own packet.
    playout_delay_ms
        From capture to show as the playout has it now, 0..65535.
    shown
        Frames shown since the call began, modulo 2**32.
    source
        The source picture drawn from, 0..3, or None before the first.
    arrived_packets
        Motion packets that came since the call began, decoded or not, modulo 2**16.
    arrived_bytes
        All that came since the connection was made, at the IP layer, modulo 2**32.
    transit
        None where no motion came since the last feedback.
    ready
        The source pictures that can be drawn from, as PictureReady says once each; None before the first.
    """

    newest_ticks: int | None
    bitmap: int
    playout_delay_ms: int
    shown: int
    source: int | None
    arrived_packets: int = 0
    arrived_bytes: int = 0
    transit: Transit | None = None
    ready: ReadyTransfers | None = None

    def __post_init__(self) -> None:
        within("newest ticks", self.newest_ticks or 0, TICK_CYCLE - 1)
        within("bitmap", self.bitmap, (1 << BITS) - 1)
        within("playout delay", self.playout_delay_ms, 0xFFFF)
        within("shown frames", self.shown, SHOWN_CYCLE - 1)
        within("source", self.source or 0, MAX_SOURCES - 1)
        within("packets", self.arrived_packets, PACKETS_CYCLE - 1)
        within("bytes", self.arrived_bytes, BYTES_CYCLE - 1)


def encode_feedback(feedback: Feedback) -> bytes:
    """Return a feedback's bytes behind the type."""
    transit = Transit(0, 0) if feedback.transit is None else feedback.transit
    ready = feedback.ready
    return _FEEDBACK_FIELDS.pack(
        _NO_TICKS if feedback.newest_ticks is None else feedback.newest_ticks,
        feedback.bitmap,
        feedback.playout_delay_ms,
        feedback.shown,
        0xFF if feedback.source is None else feedback.source,
        feedback.arrived_packets,
        feedback.arrived_bytes,
        _NO_TRANSIT if feedback.transit is None else transit.behind,
        transit.ms,
        0 if ready is None else ready.newest,
        0 if ready is None else ready.earlier << 1 | 1,
    )


def decode_feedback(body: bytes) -> Feedback:
    """Return the feedback; raises struct.error or ValueError for anything else."""
    fields = _FEEDBACK_FIELDS.unpack(body)
    newest, bitmap, delay, shown, source, packets, arrived, behind, ms, transfer, ready = fields
    if behind == _NO_TRANSIT and ms:
        raise ValueError("no motion has a transit")
    if not ready & 1 and (ready or transfer):
        raise ValueError("transfers before none are ready")
    return Feedback(
        newest_ticks=None if newest == _NO_TICKS else newest,
        bitmap=bitmap,
        playout_delay_ms=delay,
        shown=shown,
        source=None if source == 0xFF else source,
        arrived_packets=packets,
        arrived_bytes=arrived,
        transit=None if behind == _NO_TRANSIT else Transit(behind, ms),
        ready=ReadyTransfers(transfer, ready >> 1) if ready else None,
    )
