"""What a sender counts."""

from __future__ import annotations

from dataclasses import dataclass

from codec.feedback import Feedback
from sender.adapting import RateStats
from sender.bring import MirrorCounts


@dataclass(frozen=True)
class SenderStats:
    """Counters since the first motion could be sent.

    frames_in were captured; of these frames_sent went to the wire, frames_dropped gave way to newer ones
    (here or in the peer), frames_left_out were more than the line carries, and no_face_frames showed no
    face. payload_bytes are motion packets with their headers, source_bytes the source picture's code as often
    as it was sent. packets_bad are control messages that did not decode. mode is how most frames were coded,
    None before that is known, frames_by_mode all of them;
    rate what was decided for the line, None before it and in order; mirror what the mirror did, None without one.
    """

    frames_in: int
    frames_sent: int
    frames_dropped: int
    frames_left_out: int
    no_face_frames: int
    payload_bytes: int
    source_bytes: int
    packets_bad: int
    feedback: Feedback | None
    mode: str | None
    frames_by_mode: dict[str, int]
    rate: RateStats | None
    mirror: MirrorCounts | None
