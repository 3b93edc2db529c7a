"""The counters of one side of a connection, as one value. Knows nothing of how they are counted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WireStats:
    """What one side has sent and received so far.

    Bytes and packets are counted at the IP layer (IP and UDP headers, ICE, DTLS, SCTP, SRTP, acknowledgements);
    the motion and control counters are messages. `control_waiting_bytes` is what the pacer still holds,
    `silent_s` is how long ago the newest datagram arrived. The peaks are the highest rates over any five seconds.
    """

    sent_bytes: int
    received_bytes: int
    sent_packets: int
    received_packets: int
    motion_sent: int
    motion_received: int
    motion_dropped: int
    control_sent: int
    control_received: int
    control_waiting_bytes: int
    round_trip_s: float | None
    silent_s: float
    peak_sent_bps: float
    peak_received_bps: float
