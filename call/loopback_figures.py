"""A loopback call that was held, and its figures under the names that stand in its JSON."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from call import options, quality
from call.ends import Ends
from call.meter import Cost
from call.pairs import Pairs
from call.watch import Watch

if TYPE_CHECKING:
    from receiver.stats import ReceiverStats
    from sender.stats import SenderStats
    from transport.peer import WireStats
    from transport.relay import Relay

# A source picture lasts a call, and a call lasts minutes (MEASURES.md, 'Picture quality'): the bench counts so too.
SOURCE_SPREAD_S = 300.0

# What a person wants to know of a call, in words and with its unit; `--verbose` and `--json` have
# the rest.
IN_SHORT = {
    "frames_in": ("frames captured", ""),
    "frames_fresh": ("frames shown fresh", ""),
    "fresh_share": ("share shown fresh", "%"),
    "longest_gap_ms": ("longest gap", "ms"),
    "latency_ms_p50": ("latency, median", "ms"),
    "latency_ms_p95": ("latency, 95 percent", "ms"),
    "payload_bytes_per_frame": ("motion", "bytes a frame"),
    "payload_kbps": ("motion, and the picture over five minutes", "kbit/s"),
    "wire_kbps_forward": ("wire, there", "kbit/s"),
    "wire_kbps_back": ("wire, back", "kbit/s"),
    "face_lpips": ("face LPIPS, redrawn", ""),
    "face_lpips_frozen": ("face LPIPS, frozen picture", ""),
    "cpu_cores": ("processor cores, both ends", ""),
    "output": ("written to", ""),
}


@dataclass(frozen=True)
class Held:
    """A call that was held: what each side and the wire counted, over `seconds` of wall time from `began_s` on
    (monotonic), when the peers began to meet.

    `setup_bytes` went forward on the wire before the first motion: the meeting and the source picture. `relay` has
    the counts of the bad line, if there was one.
    """

    watch: Watch
    sent: "SenderStats"
    received: "ReceiverStats"
    wire: "WireStats"
    relay: "Relay | None"
    setup_bytes: int
    began_s: float
    seconds: float
    cost: Cost
    interrupted: bool


def call_figures(wanted: options.Loopback, ends: Ends, held: Held) -> dict[str, Any]:
    """Return MEASURES.md's figures of a loopback call, but for the pictures'; `why` has a reason for each null.

    `payload_bytes_per_frame` and `motion_kbps` are motion packets with their headers; `payload_kbps` counts the source
    picture (`source_bytes`) too, spread over five minutes. Wire rates are all IP-level bytes of the call over its
    whole time, meeting and source picture included; `setup_bytes` says how many of the forward ones came before the
    first motion; `peak_kbps_...` are the highest rates over any five seconds of the call, everything counted;
    `lost_share_...` are of each direction's packets on an impaired line. `shown_share` is that of display ticks, one a
    frame of the camera, with a new picture that is fresh or interpolated (`receiver.stats`). `first_face_s` is the time
    from the beginning of the meeting to the first picture, `recovery_ms` from the end of an outage to the first fresh
    motion that was captured since it began. As fast as it goes, a frame's
    time is the clip's: rates of motion and payload are what they are when it plays, there is no latency, and
    `fresh_fps` is how fast pictures were drawn.
    """
    watch, sent, received = held.watch, held.sent, held.received
    talked_s = watch.seconds
    motion_kbps = sent.payload_bytes * 8 / talked_s / 1000 if talked_s > 0 else None
    fresh_fps = received.frames_fresh / talked_s if talked_s > 0 else None
    if wanted.input.fast:
        fresh_fps = (received.frames_fresh - 1) / received.shown_s if received.shown_s > 0 else None
    source_kbps = sent.source_bytes * 8 / SOURCE_SPREAD_S / 1000
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
        "frames_unwritten": received.frames_unwritten,
        "fresh_fps": fresh_fps,
        "fresh_share": received.frames_fresh / sent.frames_in if sent.frames_in else None,
        "shown_share": received.shown_share,
        "longest_gap_ms": received.longest_gap_ms,
        "payload_bytes_per_frame": sent.payload_bytes / sent.frames_sent if sent.frames_sent else None,
        "motion_kbps": motion_kbps,
        "payload_kbps": None if motion_kbps is None else motion_kbps + source_kbps,
        "source_bytes": sent.source_bytes,
        **rate_figures(sent),
        **mirror_figures(sent),
        "wire_kbps_forward": held.wire.sent_bytes * 8 / held.seconds / 1000,
        "wire_kbps_back": held.wire.received_bytes * 8 / held.seconds / 1000,
        "peak_kbps_forward": held.wire.peak_sent_bps / 1000,
        "peak_kbps_back": held.wire.peak_received_bps / 1000,
        "setup_bytes": held.setup_bytes,
        "lost_share_forward": None if held.relay is None else held.relay.forward.lost_share,
        "lost_share_back": None if held.relay is None else held.relay.back.lost_share,
        "first_face_s": None if watch.first_shown_s is None else watch.first_shown_s - held.began_s,
        "recovery_ms": _recovery_ms(wanted, held),
        "latency_ms_p50": watch.latency_ms("median"),
        "latency_ms_p95": watch.latency_ms("p95"),
        "cpu_cores": held.cost.cpu_cores,
        "rss_mb": held.cost.rss_mb,
        "seconds": held.seconds,
        "engine": ends.talker.graphs.engine,
        "profile": ends.profile.name,
        "mode": sent.mode,
        "output": None if wanted.output == "none" or not received.frames_fresh else wanted.output,
    }
    no_latency = "the clip was sent as fast as it goes" if wanted.input.fast else "no frame was shown"
    reasons = {
        "fresh_fps": "fewer than two frames came through",
        "fresh_share": "no frame was captured in the call",
        "shown_share": "fewer than two pictures were shown",
        "longest_gap_ms": "fewer than two pictures were shown",
        "payload_bytes_per_frame": "no frame was sent",
        "motion_kbps": "fewer than two frames were sent",
        "payload_kbps": "fewer than two frames were sent",
        "lost_share_forward": "the line was not impaired",
        "lost_share_back": "the line was not impaired",
        "first_face_s": "no picture was shown",
        "recovery_ms": "there was no outage"
        if _outage_s(wanted) is None
        else "no fresh motion was shown after it",
        "latency_ms_p50": no_latency,
        "latency_ms_p95": no_latency,
        "mode": "the call ended before the peers had met",
        "mode_shares": "no frame was coded",
        **dict.fromkeys(
            ("rate_believed_kbps", "rate_changes", "rate_decisions"),
            "the clip was sent as fast as it goes" if wanted.input.fast else "no motion could be sent",
        ),
        **dict.fromkeys(mirror_figures(sent), "the source picture is not the camera's, so no mirror looked"),
        "mirror_distance": "the mirror has not looked",
        "mirror_face_distance": "the mirror has not looked",
        "output": "none was to be written" if received.frames_fresh else "no picture was shown",
    }
    return figures | {"why": {key: why for key, why in reasons.items() if figures[key] is None}}


def _outage_s(wanted: options.Loopback) -> tuple[float, float] | None:
    return None if wanted.line is None else wanted.line.outage_s


def _recovery_ms(wanted: options.Loopback, held: Held) -> float | None:
    outage_s = _outage_s(wanted)
    if outage_s is None or held.relay is None:
        return None
    began_s, ended_s = (held.relay.began_s + at_s for at_s in outage_s)
    recovery_s = held.watch.recovery_s(began_s, ended_s)
    return None if recovery_s is None else 1000 * recovery_s


def rate_figures(sent: "SenderStats") -> dict[str, Any]:
    """Return how frames were coded, and what was decided for the line: the newest decisions, and how often they
    changed; None where there were none."""
    coded, rate = sum(sent.frames_by_mode.values()), sent.rate
    return {
        "frames_left_out": sent.frames_left_out,
        "mode_shares": {mode: frames / coded for mode, frames in sent.frames_by_mode.items()} or None,
        "rate_believed_kbps": None if rate is None else rate.believed_bps / 1000,
        "rate_changes": None if rate is None else rate.changes,
        "rate_decisions": None if rate is None else rate.decisions,
    }


def mirror_figures(sent: "SenderStats") -> dict[str, Any]:
    """Return what the sender's mirror saw and did; None everywhere where there was none."""
    mirror = sent.mirror
    return {
        "mirror_looks": None if mirror is None else mirror.looks,
        "mirror_skipped": None if mirror is None else mirror.skipped,
        "mirror_distance": None if mirror is None else mirror.distance,
        "mirror_face_distance": None if mirror is None else mirror.face,
        "repairs": None if mirror is None else mirror.repairs,
        "residual_repairs": None if mirror is None else mirror.corrections,
        "pictures_returned_to": None if mirror is None else mirror.returns,
        "gallery_pictures": None if mirror is None else mirror.added,
    }


def all_figures(call: Mapping[str, Any], pictures: Mapping[str, Any]) -> dict[str, Any]:
    """Put a call's figures and its pictures' together, and the reasons for what neither could measure."""
    return {**call, **pictures, "why": {**call["why"], **pictures["why"]}}


def picture_figures(watch: Watch, pairs: Pairs) -> dict[str, Any]:
    """Return how far the redrawn pictures, and the frozen source, are from the originals."""
    if watch.source is None:
        return quality.not_measured("no picture was shown")
    with tempfile.TemporaryDirectory(prefix="visavis-") as folder:
        films = pairs.write(Path(folder), source=watch.source, frame_rate=watch.frame_rate)
        return quality.not_measured("no picture was shown") if films is None else quality.compare(films)
