"""`visavis loopback`: both ends of a call in one process, over real WebRTC on real UDP sockets, and its figures."""

import asyncio
import tempfile
import time
from collections.abc import Coroutine, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from call import console, line, options, quality
from call.ends import Ends, load_ends, make_sender, remembered
from call.errors import CallError
from call.meter import Cost, Meter
from call.pairs import Pairs, Picture
from call.watch import Watch

if TYPE_CHECKING:
    from receiver.stats import ReceiverStats
    from sender.sender import Sender, SenderStats
    from transport.peer import WireStats
    from transport.relay import Relay

WATCH_PERIOD_S = 0.1
# A lost packet of the meeting is repeated after up to 3 s, and the repetition may be lost as well.
MEETING_LIMIT_S = 30.0
# A demo does not wait for longer than this for a face to come before its camera.
NOBODY_S = 20.0
# A source picture lasts a call, and a call lasts minutes (MEASURES.md, 'Picture quality'): the bench counts so too.
SOURCE_SPREAD_S = 300.0


@dataclass(frozen=True)
class Held:
    """A call that was held: what each side and the wire counted, over `seconds` of wall time.

    `setup_bytes` went forward on the wire before the first motion: the meeting and the source picture. `relay` has
    the counts of the bad line, if there was one.
    """

    watch: Watch
    sent: "SenderStats"
    received: "ReceiverStats"
    wire: "WireStats"
    relay: "Relay | None"
    setup_bytes: int
    seconds: float
    cost: Cost
    interrupted: bool


def run(wanted: options.Loopback, *, as_json: bool) -> None:
    """Hold the call, compare the pictures, print the figures."""
    spare_input(wanted.input.spec, wanted.output)
    if wanted.line is not None:
        line.check(wanted.line)
    ends = load_ends(wanted.engine)
    as_it_is = wanted.view == options.View()
    pairs = Pairs() if wanted.quality and as_it_is else None
    held = asyncio.run(hold(wanted, ends, pairs))
    if held.interrupted:  # who presses Ctrl-C does not want to wait for the judges
        pictures = quality.not_measured("the call was interrupted")
    else:
        with console.waiting("Comparing the pictures"):
            pictures = picture_figures(held.watch, pairs)
    figures = all_figures(call_figures(wanted, ends, held), pictures)
    if as_json:
        console.print_json(figures)
    else:
        console.print_figures(
            "Loopback", {name: value for name, value in figures.items() if name != "rate_decisions"}
        )
    if held.interrupted:
        raise KeyboardInterrupt


def spare_input(spec: str, output: str) -> None:
    """Raise CallError where the output would take the input's place."""
    taken, written = Path(spec).expanduser(), Path(output)
    if taken.is_file() and written.is_file() and taken.samefile(written):
        raise CallError(f"{output} is the input itself: give --output another name.")


async def hold(
    wanted: options.Loopback,
    ends: Ends,
    pairs: Pairs | None,
    *,
    limit_s: float | None = None,
    nobody_s: float | None = None,
) -> Held:
    """Hold the call to the end of its input, or for `limit_s` seconds of motion; a call in which no face comes within
    `nobody_s` ends too, without a frame.

    Raises the first error of either side. Ctrl-C (the task's cancellation) ends the call early and cleanly;
    what was measured until then comes back.
    """
    from codec.hello import make_hello
    from receiver.output import open_output
    from receiver.receiver import Receiver
    from runtime.view import View
    from sender.capture import open_input
    from transport.meet import connect_in_process
    from transport.peer import Peer

    watch, setup_bytes, interrupted = Watch(pairs, live=not wanted.input.fast), 0, False

    def on_frame(index: int, ticks: int, captured_s: float, picture: Picture) -> None:
        nonlocal setup_bytes
        if not watch.began:
            setup_bytes = sending_peer.stats().sent_bytes
        watch.on_frame(index, ticks, captured_s, picture)

    with open_input(
        wanted.input.spec, realtime=not wanted.input.fast, repeat_s=wanted.input.repeat_s
    ) as opened:
        hello = make_hello(ends.profile, ends.motion_format, frame_rate=opened.frame_rate)
        receiver = Receiver(
            ends.talker,
            ends.motion_format,
            hello=hello,
            output=open_output(wanted.output),
            on_shown=watch.on_shown,
            on_source=watch.on_source,
            view=View(**asdict(wanted.view)),
            residual=ends.residual,
            remembered=remembered(wanted.remember),
        )
        sender = make_sender(
            ends, opened, wanted.input, hello=hello, on_frame=on_frame, remember=wanted.remember
        )
        receiving_peer = Peer(
            on_motion=receiver.on_motion, on_control=receiver.on_control, on_closed=receiver.on_closed
        )
        sending_peer = Peer(
            on_motion=lambda data: None, on_control=sender.on_control, on_closed=sender.on_closed
        )
        relay = None if wanted.line is None else line.make_relay(wanted.line)
        meter, began_s = Meter(), time.monotonic()
        follower = asyncio.create_task(_follow(watch, sender, limit_s, nobody_s))
        try:
            await connect_in_process(sending_peer, receiving_peer, relay=relay, timeout_s=MEETING_LIMIT_S)
            await both(sender.run(sending_peer), receiver.run(receiving_peer))
        except asyncio.CancelledError:
            interrupted = True
        finally:
            follower.cancel()
            receiver.discard()
            cost, seconds = meter.read(), time.monotonic() - began_s
            await asyncio.gather(
                follower, sending_peer.close(), receiving_peer.close(), return_exceptions=True
            )
            if relay is not None:
                relay.close()
    return Held(
        watch=watch,
        sent=sender.stats,
        received=receiver.stats(),
        wire=sending_peer.stats(),
        relay=relay,
        setup_bytes=setup_bytes,
        seconds=seconds,
        cost=cost,
        interrupted=interrupted,
    )


async def both(*ends: Coroutine[Any, Any, Any]) -> None:
    """Run both ends until each has ended; raises what failed, rather the cause than its echo on the other side.

    An end that fails says goodbye, so the other one ends by itself.
    """
    import receiver.errors
    import sender.errors

    echoes = (sender.errors.OtherSideError, receiver.errors.OtherSideError)
    tasks = [asyncio.ensure_future(end) for end in ends]
    try:
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    failures = [result for result in ended if isinstance(result, BaseException)]
    if failures:
        raise min(failures, key=lambda failure: isinstance(failure, echoes))


async def _follow(watch: Watch, sender: "Sender", limit_s: float | None, nobody_s: float | None) -> None:
    """Keep the live line up to date, and end the call when its time is over."""

    def describe() -> str:
        if not watch.began:
            return "Meeting, and sending the source picture"
        stats, latency_ms = sender.stats, watch.newest_latency_ms()
        kbps = stats.payload_bytes * 8 / 1000 / max(watch.seconds, 1)
        latency = "" if latency_ms is None else f"  {console.show(latency_ms)} ms"
        return (
            f"{watch.age_s():5.1f} s  {stats.frames_sent} frames  {watch.frame_rate:.0f} a second  "
            f"{kbps:.1f} kbit/s{latency}"
        )

    began_s = time.monotonic()
    with console.LiveLine(describe) as live_line:
        while True:
            live_line.refresh()
            over = limit_s is not None and watch.age_s() >= limit_s
            nobody = nobody_s is not None and not watch.began and time.monotonic() - began_s >= nobody_s
            if over or nobody:
                sender.stop()
            await asyncio.sleep(WATCH_PERIOD_S)


def call_figures(wanted: options.Loopback, ends: Ends, held: Held) -> dict[str, Any]:
    """Return MEASURES.md's figures of a loopback call, but for the pictures'; `why` has a reason for each null.

    `payload_bytes_per_frame` and `motion_kbps` are motion packets with their headers; `payload_kbps` counts the source
    picture (`source_bytes`) too, spread over five minutes. Wire rates are all IP-level bytes of the call over its
    whole time, meeting and source picture included; `setup_bytes` says how many of the forward ones came before the
    first motion; `lost_share_...` are of each direction's packets on an impaired line. As fast as it goes, a frame's
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
        "longest_gap_ms": received.longest_gap_ms,
        "payload_bytes_per_frame": sent.payload_bytes / sent.frames_sent if sent.frames_sent else None,
        "motion_kbps": motion_kbps,
        "payload_kbps": None if motion_kbps is None else motion_kbps + source_kbps,
        "source_bytes": sent.source_bytes,
        **rate_figures(sent),
        **mirror_figures(sent),
        "wire_kbps_forward": held.wire.sent_bytes * 8 / held.seconds / 1000,
        "wire_kbps_back": held.wire.received_bytes * 8 / held.seconds / 1000,
        "setup_bytes": held.setup_bytes,
        "lost_share_forward": None if held.relay is None else held.relay.forward.lost_share,
        "lost_share_back": None if held.relay is None else held.relay.back.lost_share,
        "latency_ms_p50": watch.latency_ms("median"),
        "latency_ms_p95": watch.latency_ms("p95"),
        "cpu_cores": held.cost.cpu_cores,
        "rss_mb": held.cost.rss_mb,
        "seconds": held.seconds,
        "engine": ends.talker.graphs.engine,
        "profile": ends.profile.name,
        "mode": sent.mode,
        "output": None if wanted.output == "none" else wanted.output,
    }
    no_latency = "the clip was sent as fast as it goes" if wanted.input.fast else "no frame was shown"
    reasons = {
        "fresh_fps": "fewer than two frames came through",
        "fresh_share": "no frame was captured in the call",
        "longest_gap_ms": "fewer than two pictures were shown",
        "payload_bytes_per_frame": "no frame was sent",
        "motion_kbps": "fewer than two frames were sent",
        "payload_kbps": "fewer than two frames were sent",
        "lost_share_forward": "the line was not impaired",
        "lost_share_back": "the line was not impaired",
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
        "output": "none was to be written",
    }
    return figures | {"why": {key: why for key, why in reasons.items() if figures[key] is None}}


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


def picture_figures(watch: Watch, pairs: Pairs | None) -> dict[str, Any]:
    """Return how far the redrawn pictures, and the frozen source, are from the originals."""
    if pairs is None:
        return quality.not_measured("it was not asked for, or the head is seen otherwise than it is")
    if watch.source is None:
        return quality.not_measured("no picture was shown")
    with tempfile.TemporaryDirectory(prefix="visavis-") as folder:
        films = pairs.write(Path(folder), source=watch.source, frame_rate=watch.frame_rate)
        return quality.not_measured("no picture was shown") if films is None else quality.compare(films)
