"""`visavis loopback`: both ends of a call in one process, over real WebRTC on real UDP sockets, and its figures."""

import asyncio
import tempfile
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from call import console, options, quality
from call.ends import Ends, load_ends, make_hello, make_sender
from call.meter import Cost, Meter
from call.pairs import Pairs, Picture
from call.watch import Watch

if TYPE_CHECKING:
    from receiver.stats import ReceiverStats
    from sender.sender import Sender, SenderStats
    from transport.peer import WireStats

WATCH_PERIOD_S = 0.1


@dataclass(frozen=True)
class Held:
    """A call that was held: what each side and the wire counted, over `seconds` of wall time.

    `setup_bytes` went forward on the wire before the first motion: the meeting and the source picture.
    """

    watch: Watch
    sent: "SenderStats"
    received: "ReceiverStats"
    wire: "WireStats"
    setup_bytes: int
    seconds: float
    cost: Cost
    interrupted: bool


def run(wanted: options.Loopback, *, as_json: bool) -> None:
    """Hold the call, compare the pictures, print the figures."""
    ends = load_ends(wanted.engine)
    pairs = Pairs() if wanted.quality else None
    held = asyncio.run(hold(wanted, ends, pairs))
    figures = call_figures(wanted, held)
    with console.waiting("Comparing the pictures"):
        figures |= picture_figures(held.watch, pairs)
    if as_json:
        console.print_json(figures)
    else:
        console.print_figures("Loopback", figures)
    if held.interrupted:
        raise KeyboardInterrupt


async def hold(
    wanted: options.Loopback, ends: Ends, pairs: Pairs | None, *, limit_s: float | None = None
) -> Held:
    """Hold the call to the end of its input, or for `limit_s` seconds of motion.

    Raises the first error of either side. Ctrl-C (the task's cancellation) ends the call early and cleanly;
    what was measured until then comes back.
    """
    from receiver.output import open_output
    from receiver.receiver import Receiver
    from sender.capture import open_input
    from transport.meet import connect_in_process
    from transport.peer import Peer

    watch, hello, setup_bytes, interrupted = Watch(pairs), make_hello(ends), 0, False

    def on_frame(index: int, ticks: int, captured_s: float, picture: Picture) -> None:
        nonlocal setup_bytes
        if not watch.began:
            setup_bytes = sending_peer.stats().sent_bytes
        watch.on_frame(index, ticks, captured_s, picture)

    with open_input(wanted.input.spec, repeat_s=wanted.input.repeat_s) as opened:
        receiver = Receiver(
            ends.talker,
            ends.motion_format,
            hello=hello,
            output=open_output(wanted.output),
            on_shown=watch.on_shown,
            on_source=watch.on_source,
        )
        sender = make_sender(ends, opened, wanted.input, hello=hello, on_frame=on_frame)
        receiving_peer = Peer(
            on_motion=receiver.on_motion, on_control=receiver.on_control, on_closed=receiver.on_closed
        )
        sending_peer = Peer(
            on_motion=lambda data: None, on_control=sender.on_control, on_closed=sender.on_closed
        )
        meter, began_s = Meter(), time.monotonic()
        follower = asyncio.create_task(_follow(watch, sender, limit_s))
        try:
            await connect_in_process(sending_peer, receiving_peer)
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
    return Held(
        watch=watch,
        sent=sender.stats,
        received=receiver.stats(),
        wire=sending_peer.stats(),
        setup_bytes=setup_bytes,
        seconds=seconds,
        cost=cost,
        interrupted=interrupted,
    )


async def both(*ends: Coroutine[Any, Any, Any]) -> None:
    """Run both ends until each has ended; raises what failed first, once the other has ended too.

    An end that fails says goodbye, so the other one ends by itself.
    """
    tasks = [asyncio.ensure_future(end) for end in ends]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        failures = [error for task in done if (error := task.exception()) is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
    except asyncio.CancelledError:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    if failures:
        raise failures[0]


async def _follow(watch: Watch, sender: "Sender", limit_s: float | None) -> None:
    """Keep the live line up to date, and end the call when its time is over."""

    def describe() -> str:
        if not watch.began:
            return "Meeting, and sending the source picture"
        stats, latency_ms = sender.stats, watch.newest_latency_ms()
        kbps = stats.payload_bytes * 8 / 1000 / max(watch.age_s(), 1)
        return (
            f"{watch.age_s():5.1f} s  {stats.frames_sent} frames  {watch.frame_rate:.0f} a second  "
            f"{kbps:.1f} kbit/s  {console.show(latency_ms)} ms"
        )

    with console.LiveLine(describe) as line:
        while True:
            line.refresh()
            if limit_s is not None and watch.age_s() >= limit_s:
                sender.stop()
            await asyncio.sleep(WATCH_PERIOD_S)


def call_figures(wanted: options.Loopback, held: Held) -> dict[str, Any]:
    """Return MEASURES.md's figures of a loopback call, but for the pictures'.

    Payload is motion packets with their headers; the source picture stands beside it as `source_bytes`. Wire
    rates are all IP-level bytes of the call over its whole time, meeting and source picture included;
    `setup_bytes` says how many of the forward ones came before the first motion.
    """
    watch, sent, received = held.watch, held.sent, held.received
    talked_s = watch.seconds
    return {
        "frames_in": sent.frames_in,
        "frames_sent": sent.frames_sent,
        "frames_dropped": sent.frames_dropped,
        "frames_without_face": sent.no_face_frames,
        "frames_fresh": received.frames_fresh,
        "frames_interpolated": received.frames_interpolated,
        "frames_extrapolated": received.frames_extrapolated,
        "frames_late": received.frames_late,
        "fresh_fps": received.frames_fresh / talked_s if talked_s > 0 else None,
        "fresh_share": received.frames_fresh / sent.frames_in if sent.frames_in else None,
        "longest_gap_ms": received.longest_gap_ms,
        "payload_bytes_per_frame": sent.payload_bytes / sent.frames_sent if sent.frames_sent else None,
        "payload_kbps": sent.payload_bytes * 8 / talked_s / 1000 if talked_s > 0 else None,
        "source_bytes": sent.source_bytes,
        "wire_kbps_forward": held.wire.sent_bytes * 8 / held.seconds / 1000,
        "wire_kbps_back": held.wire.received_bytes * 8 / held.seconds / 1000,
        "setup_bytes": held.setup_bytes,
        "latency_ms_p50": watch.latency_ms("median"),
        "latency_ms_p95": watch.latency_ms("p95"),
        "cpu_cores": held.cost.cpu_cores,
        "rss_mb": held.cost.rss_mb,
        "seconds": held.seconds,
        "engine": wanted.engine.engine,
        "profile": wanted.engine.profile,
        "mode": "static" if wanted.input.rounding else "static, not rounded",
        "output": None if wanted.output == "none" else wanted.output,
    }


def picture_figures(watch: Watch, pairs: Pairs | None) -> dict[str, Any]:
    """Return how far the redrawn pictures, and the frozen source, are from the originals."""
    if pairs is None:
        return quality.not_measured("--no-quality")
    if watch.source is None:
        return quality.not_measured("no picture was shown")
    with tempfile.TemporaryDirectory(prefix="visavis-") as folder:
        films = pairs.write(Path(folder), source=watch.source, frame_rate=watch.frame_rate)
        return quality.not_measured("no picture was shown") if films is None else quality.compare(films)
