"""The figures of a call that was held, for scripts and for the table at its end. Knows no call in progress."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from call.ends import Ends
from call.meter import Cost
from call.session import Session
from transport.sound import SoundStats

# What a person wants to know of a call that is over, in words and with its unit; `--verbose` and `--json` have
# the rest.
IN_SHORT = {
    "seconds": ("duration", "s"),
    "fps_received": ("frames a second, received", ""),
    "fps_sent": ("frames a second, sent", ""),
    "latency_ms": ("latency", "ms"),
    "wire_kbps_sent": ("wire, sent", "kbit/s"),
    "wire_kbps_received": ("wire, received", "kbit/s"),
    "payload_kbps_sent": ("motion, sent", "kbit/s"),
    "longest_gap_ms": ("longest gap", "ms"),
    "reconnects": ("times reconnected", ""),
    "cpu_cores": ("processor cores", ""),
    "safety_words": ("safety words", ""),
    "output": ("written to", ""),
}


@dataclass(frozen=True)
class Called:
    """What is over: where calls followed each other on one page, the newest that began is the one of the figures, and
    `output` what it was written to. `failure` and `interrupted` say how it ended where neither side ended it in the
    ordinary way."""

    session: Session
    cost: Cost
    output: str
    failure: Exception | None
    interrupted: bool

    @property
    def began(self) -> bool:
        """Whether the call proper came about."""
        return self.session.held is not None


def call_figures(called: Called, ends: Ends) -> dict[str, Any]:
    """Return a call's figures; `why` has a reason for each null.

    `..._sent` is this side's direction, `..._received` the other's. Rates are kbit/s over the whole call: `payload` is
    motion packets with their headers, `wire` all IP-level bytes with sound, meeting and source pictures. `fps_received`
    counts fresh pictures, `fps_shown` those and the bridged ones between. `latency_ms` is half the round trip and the
    time from a motion's arrival to its picture.
    """
    call = called.session.newest
    seconds, sound = call.seconds, call.talk.own.sound
    sent, received = call.duplex.sender.stats, call.duplex.receiver.stats()
    line = call.duplex.line.stats()
    bridged = received.frames_fresh + received.frames_interpolated
    shown_s = received.shown_s
    latency_ms = None
    if received.added_ms_p50 is not None and line.round_trip_s is not None:
        latency_ms = received.added_ms_p50 + 500 * line.round_trip_s
    figures: dict[str, Any] = {
        "frames_in": sent.frames_in,
        "frames_sent": sent.frames_sent,
        "frames_dropped": sent.frames_dropped,
        "frames_without_face": sent.no_face_frames,
        "frames_fresh": received.frames_fresh,
        "frames_interpolated": received.frames_interpolated,
        "frames_extrapolated": received.frames_extrapolated,
        "frames_late": received.frames_late,
        "frames_skipped": received.frames_skipped,
        "fps_sent": sent.frames_sent / seconds if seconds else None,
        "fps_received": (received.frames_fresh - 1) / shown_s if shown_s > 0 else None,
        "fps_shown": (bridged - 1) / shown_s if shown_s > 0 else None,
        "longest_gap_ms": received.longest_gap_ms,
        "latency_ms": latency_ms,
        "playout_delay_ms": received.playout_delay_ms,
        "payload_kbps_sent": 8 * sent.payload_bytes / seconds / 1000 if seconds else None,
        "source_bytes": sent.source_bytes,
        "wire_kbps_sent": 8 * line.sent_bytes / seconds / 1000 if seconds else None,
        "wire_kbps_received": 8 * line.received_bytes / seconds / 1000 if seconds else None,
        "packets_bad": received.packets_bad,
        "pictures_received": received.pictures_received,
        "sound": asdict(SoundStats() if sound is None else sound.stats()),
        "outages": call.outages,
        "reconnects": call.reconnects,
        "longest_outage_s": call.longest_outage_s if call.outages else None,
        "safety_words": " ".join(call.talk.words) or None,
        "cpu_cores": called.cost.cpu_cores,
        "rss_mb": called.cost.rss_mb,
        "seconds": seconds,
        "mode": sent.mode,
        "engine": ends.talker.graphs.engine,
        "profile": ends.profile.name,
        "output": None if called.output == "none" or not received.frames_fresh else called.output,
        "ended": called.session.state.sentence,
    }
    no_call = "the call did not begin"
    few = "fewer than two pictures were shown"
    reasons = dict.fromkeys(figures, no_call) | {
        "fps_received": few,
        "fps_shown": few,
        "longest_gap_ms": few,
        "latency_ms": "no picture was shown",
        "longest_outage_s": "the line was never lost",
        "output": "none was to be written" if received.frames_fresh else "no picture was shown",
    }
    return figures | {"why": {key: reasons[key] for key, value in figures.items() if value is None}}
