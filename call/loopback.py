"""`visavis loopback`: both ends of a call in one process, over real WebRTC on real UDP sockets, and its figures."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from call import console, line, options, quality, running
from call.ends import Ends, load_ends, make_sender, remembered
from call.loopback_figures import IN_SHORT, Held, all_figures, call_figures, picture_figures
from call.meter import Meter
from call.pairs import Pairs, Picture
from call.watch import Watch
from call.ways import spare_input, way_in, way_out

if TYPE_CHECKING:
    from receiver.output import Output
    from sender.capture import Input as OpenInput
    from sender.sender import Sender
    from sender.stats import SenderStats
    from transport.relay import Relay

WATCH_PERIOD_S = 0.1
SLOW_SHARE = 0.1  # of the frames, left out for want of time, from which a person is told so
# A lost packet of the meeting is repeated after up to 3 s, and the repetition may be lost as well.
MEETING_LIMIT_S = 30.0
# A demo does not wait for longer than this for a face to come before its camera.
NOBODY_S = 20.0


def run(wanted: options.Loopback, *, as_json: bool, verbose: bool = False) -> None:
    """Hold the call, compare the pictures, print the figures."""
    spare_input(wanted.input.spec, wanted.output)
    if wanted.line is not None:
        line.check(wanted.line)
    unjudged = why_unjudged(wanted)
    pairs = Pairs() if unjudged is None else None
    with way_in(wanted.input) as opened, way_out(wanted.output, overwrite=wanted.overwrite) as output:
        ends = load_ends(wanted.engine)
        held = running.run(hold_between(opened, output, wanted, ends, pairs))
    if pairs is None:
        pictures = quality.not_measured(unjudged or "")
    elif held.interrupted:  # who presses Ctrl-C does not want to wait for the judges
        pictures = quality.not_measured("the call was interrupted")
    else:
        with console.waiting("Comparing the pictures"):
            pictures = picture_figures(held.watch, pairs)
    figures = all_figures(call_figures(wanted, ends, held), pictures)
    if as_json:
        console.print_json(figures)
    elif held.watch.began or not held.interrupted:
        shown = {name: value for name, value in figures.items() if name != "rate_decisions"}
        console.print_figures("Loopback", shown, None if verbose else IN_SHORT, words=IN_SHORT)
        tell_if_slow(figures)
    if held.interrupted:
        raise KeyboardInterrupt


def tell_if_slow(figures: dict[str, Any]) -> None:
    """Say in words that a call was drawn too slowly, where it was."""
    left_out = figures["frames_dropped"] + figures["frames_skipped"]  # by the sender, and by the receiver
    if left_out > SLOW_SHARE * figures["frames_in"]:
        console.say(
            f"This machine had no time for {left_out / figures['frames_in']:.0%} of the frames: `visavis doctor` says "
            "what it can do, and other programs may hold it back."
        )


def why_unjudged(wanted: options.Loopback) -> str | None:
    """Say why a call's pictures are not to be compared with what the camera saw; None where they are."""
    if not wanted.quality:
        return "the pictures were not compared, as --no-quality says"
    if wanted.view != options.View():
        return "the head was turned on purpose, so the pictures cannot be compared with the camera's"
    return None


async def hold(
    wanted: options.Loopback,
    ends: Ends,
    pairs: Pairs | None,
    *,
    limit_s: float | None = None,
    nobody_s: float | None = None,
) -> Held:
    """Open what goes in and what comes out, and hold the call between them; see `hold_between`."""
    with way_in(wanted.input) as opened, way_out(wanted.output, overwrite=wanted.overwrite) as output:
        return await hold_between(opened, output, wanted, ends, pairs, limit_s=limit_s, nobody_s=nobody_s)


async def hold_between(
    opened: "OpenInput",
    output: "Output",
    wanted: options.Loopback,
    ends: Ends,
    pairs: Pairs | None,
    *,
    limit_s: float | None = None,
    nobody_s: float | None = None,
    watch: Watch | None = None,
    relay: "Relay | None" = None,
) -> Held:
    """Hold the call to the end of its input, or for `limit_s` seconds of motion; a call in which no face comes within
    `nobody_s` ends too, without a frame. A `watch` and a `relay` of the caller's stand in for the call's own.

    Raises the first error of either side. Ctrl-C (the task's cancellation) ends the call early and cleanly;
    what was measured until then comes back.
    """
    from codec.hello import make_hello
    from receiver.receiver import Receiver
    from runtime.view import View
    from transport.meet import connect_in_process
    from transport.peer import Peer

    watch = Watch(pairs, live=not wanted.input.fast) if watch is None else watch
    setup_bytes, interrupted = 0, False

    def on_frame(index: int, ticks: int, captured_s: float, picture: Picture) -> None:
        nonlocal setup_bytes
        if not watch.began:
            setup_bytes = sending_peer.stats().sent_bytes
        watch.on_frame(index, ticks, captured_s, picture)

    hello = make_hello(ends.profile, ends.motion_format, frame_rate=opened.frame_rate)
    receiver = Receiver(
        ends.talker,
        ends.motion_format,
        hello=hello,
        output=output,
        on_shown=watch.on_shown,
        on_source=watch.on_source,
        view=View(**asdict(wanted.view)),
        residual=ends.residual,
        remembered=remembered(wanted.remember),
    )
    sender = make_sender(ends, opened, wanted.input, hello=hello, on_frame=on_frame, remember=wanted.remember)
    receiving_peer = Peer(
        on_motion=receiver.on_motion, on_control=receiver.on_control, on_closed=receiver.on_closed
    )
    sending_peer = Peer(on_motion=lambda data: None, on_control=sender.on_control, on_closed=sender.on_closed)
    if relay is None and wanted.line is not None:
        relay = line.make_relay(wanted.line)
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
        await asyncio.gather(follower, sending_peer.close(), receiving_peer.close(), return_exceptions=True)
        if relay is not None:
            relay.close()
    return Held(
        watch=watch,
        sent=sender.stats,
        received=receiver.stats(),
        wire=sending_peer.stats(),
        relay=relay,
        setup_bytes=setup_bytes,
        began_s=began_s,
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


def progress(watch: Watch, sent: "SenderStats") -> str:
    """Say in a line how a call fares: what is sent, what motion alone costs, and how late the newest picture was."""
    if not watch.began:
        return "Meeting, and sending the source picture"
    kbps = sent.payload_bytes * 8 / 1000 / max(watch.seconds, 1)
    latency_ms = watch.newest_latency_ms()
    latency = "" if latency_ms is None else f"  latency {latency_ms:.0f} ms"
    return (
        f"{watch.age_s():5.1f} s  {sent.frames_sent} frames sent, {watch.frame_rate:.0f} a second  "
        f"motion {kbps:.1f} kbit/s{latency}"
    )


async def _follow(watch: Watch, sender: "Sender", limit_s: float | None, nobody_s: float | None) -> None:
    """Keep the live line up to date, and end the call when its time is over."""
    began_s = time.monotonic()
    with console.LiveLine(lambda: progress(watch, sender.stats)) as live_line:
        while True:
            live_line.refresh()
            over = limit_s is not None and watch.age_s() >= limit_s
            nobody = nobody_s is not None and not watch.began and time.monotonic() - began_s >= nobody_s
            if over or nobody:
                sender.stop()
            await asyncio.sleep(WATCH_PERIOD_S)
