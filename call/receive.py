"""`visavis receive`: one direction, this end receiving: it waits for one sender and writes what is seen."""

import asyncio
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from call import console, options, running
from call.address import Address, address_to_tell, parse_address
from call.ends import Ends, ice_servers, load_ends, naming, remembered
from call.ways import way_out

if TYPE_CHECKING:
    from receiver.output import Output
    from receiver.receiver import Receiver
    from receiver.stats import ReceiverStats
    from transport.peer import WireStats

WATCH_PERIOD_S = 0.1
# What a person wants to know of what was received, in words and with its unit; `--verbose` and `--json` have
# the rest.
IN_SHORT = {
    "frames_fresh": ("frames shown fresh", ""),
    "fresh_fps": ("frames a second", ""),
    "longest_gap_ms": ("longest gap", "ms"),
    "playout_delay_ms": ("playout delay", "ms"),
    "wire_bytes_forward": ("wire, received", "bytes"),
    "wire_bytes_back": ("wire, sent", "bytes"),
    "seconds": ("duration", "s"),
    "output": ("written to", ""),
    "ended": ("how it ended", ""),
}


@dataclass(frozen=True)
class Received:
    """A call that was received, and whether Ctrl-C ended it or something went wrong after the first picture."""

    stats: "ReceiverStats"
    wire: "WireStats"
    interrupted: bool
    failure: Exception | None


def run(wanted: options.Receive, *, as_json: bool, verbose: bool = False) -> None:
    """Wait, receive until either side ends the call, then print the figures."""
    from receiver.output import unnamed_output

    asked = parse_address(wanted.listen)
    named = unnamed_output() if wanted.output is None else wanted.output
    with way_out(named, overwrite=wanted.overwrite) as output:
        ends = load_ends(wanted.engine)
        received = running.run(_receive(output, asked, wanted, ends))
    figures = _figures(received, named)
    if as_json:
        console.print_json(figures)
    elif received.stats.frames_fresh or not received.interrupted:
        console.print_figures("Received", figures, None if verbose else IN_SHORT, words=IN_SHORT)
    if received.failure is not None:
        raise received.failure
    if received.interrupted:
        raise KeyboardInterrupt


async def _receive(output: "Output", asked: Address, wanted: options.Receive, ends: Ends) -> Received:
    from receiver.errors import OtherSideError, OutputError
    from receiver.receiver import Receiver
    from receiver.session import make_hello, receive
    from runtime.view import View

    interrupted, failure = False, None
    receiver = Receiver(
        ends.talker,
        ends.motion_format,
        hello=make_hello(ends.profile, ends.motion_format),
        output=output,
        view=View(**asdict(wanted.view)),
        residual=ends.residual,
        remembered=remembered(wanted.remember),
    )
    wires: list[WireStats] = []
    follower = asyncio.create_task(_follow(receiver))
    try:
        await receive(
            receiver,
            host=asked.host,
            port=asked.port,
            code=wanted.code,
            ice_servers=ice_servers(wanted.ice),
            wait_s=wanted.wait_s,
            on_listening=lambda bound, code: _invite(asked, parse_address(bound), code, ends.profile.name),
            on_end=wires.append,
        )
    except asyncio.CancelledError:
        interrupted = True  # Ctrl-C: both sides have been told, and what was seen is written
    except (OtherSideError, OutputError) as error:
        if not receiver.stats().frames_fresh:
            raise
        failure = error  # what came until then is worth its figures
    finally:
        follower.cancel()
        await asyncio.gather(follower, return_exceptions=True)
    stats = receiver.stats()
    return Received(stats, wires[-1], interrupted, failure)


def _invite(asked: Address, bound: Address, code: str, profile: str) -> None:
    """Print the line to type on the other machine."""
    told = address_to_tell(Address(asked.host, bound.port))
    console.say(f"Waiting at {told}. On the other side, type:")
    console.say(f"  visavis send camera --connect {told} --code {code}{naming(profile)}")


async def _follow(receiver: "Receiver") -> None:
    def describe() -> str:
        stats = receiver.stats()
        if not stats.frames_fresh:
            return "Waiting for a sender"
        return f"{stats.frames_fresh} frames shown, {stats.frames_interpolated} bridged"

    with console.LiveLine(describe) as line:
        while True:
            line.refresh()
            await asyncio.sleep(WATCH_PERIOD_S)


def _figures(received: Received, output: str) -> dict[str, Any]:
    stats, wire, shown_s = received.stats, received.wire, received.stats.shown_s
    figures: dict[str, Any] = {
        "frames_fresh": stats.frames_fresh,
        "frames_interpolated": stats.frames_interpolated,
        "frames_extrapolated": stats.frames_extrapolated,
        "frames_late": stats.frames_late,
        "frames_skipped": stats.frames_skipped,
        "frames_unwritten": stats.frames_unwritten,
        "packets_bad": stats.packets_bad,
        "fresh_fps": (stats.frames_fresh - 1) / shown_s if shown_s > 0 else None,
        "longest_gap_ms": stats.longest_gap_ms,
        "playout_delay_ms": stats.playout_delay_ms,
        "wire_bytes_forward": wire.received_bytes,
        "wire_bytes_back": wire.sent_bytes,
        "seconds": shown_s,
        "output": None if output == "none" or not stats.frames_fresh else output,
        "ended": stats.ended,
    }
    reasons = {
        "fresh_fps": "fewer than two pictures were shown",
        "longest_gap_ms": "fewer than two pictures were shown",
        "output": "none was to be written" if stats.frames_fresh else "no picture was shown",
        "ended": "no call came about",
    }
    return figures | {"why": {key: why for key, why in reasons.items() if figures[key] is None}}
