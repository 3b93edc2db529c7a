"""`visavis receive`: one direction, this end receiving: it waits for one sender and writes what is seen."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

from call import console, options
from call.address import Address, address_to_tell, parse_address
from call.ends import Ends, ice_servers, load_ends, make_hello
from call.errors import CallError

if TYPE_CHECKING:
    from receiver.receiver import Receiver
    from receiver.stats import ReceiverStats
    from transport.peer import WireStats

CONNECT_TIMEOUT_S = 20.0
WATCH_PERIOD_S = 0.1


def run(wanted: options.Receive, *, as_json: bool) -> None:
    """Wait, receive until either side ends the call, then print the figures."""
    ends = load_ends(wanted.engine)
    received, wire, seconds, interrupted = asyncio.run(_receive(wanted, ends))
    figures = _figures(received, wire, seconds, wanted.output)
    if as_json:
        console.print_json(figures)
    else:
        console.print_figures("Received", figures)
    if interrupted:
        raise KeyboardInterrupt


async def _receive(wanted: options.Receive, ends: Ends) -> "tuple[ReceiverStats, WireStats, float, bool]":
    from receiver.output import open_output
    from receiver.receiver import Receiver
    from transport.peer import Peer
    from transport.signalling import OfferServer

    address, began_s, interrupted = parse_address(wanted.listen), time.monotonic(), False
    server = OfferServer()
    await server.start(address.host, port=address.port, token=wanted.token)
    try:
        receiver = Receiver(
            ends.talker, ends.motion_format, hello=make_hello(ends), output=open_output(wanted.output)
        )
        peer = Peer(
            ice_servers=ice_servers(wanted.ice),
            on_motion=receiver.on_motion,
            on_control=receiver.on_control,
            on_closed=receiver.on_closed,
        )
        follower = asyncio.create_task(_follow(receiver))
        try:
            _invite(address, server)
            await _answered(server, peer, wanted.wait_s)
            await peer.connected(CONNECT_TIMEOUT_S)
            began_s = time.monotonic()
            await receiver.run(peer)
        except asyncio.CancelledError:
            interrupted = True
        finally:
            follower.cancel()
            await asyncio.gather(follower, peer.close(), return_exceptions=True)
    finally:
        await server.close()
    return receiver.stats(), peer.stats(), time.monotonic() - began_s, interrupted


def _invite(asked: Address, server: Any) -> None:
    """Print the line to type on the other machine."""
    bound = parse_address(server.address)
    told = address_to_tell(Address(asked.host, bound.port))
    console.say(f"Waiting at {told}. On the other side, type:")
    console.say(f"  visavis send camera --connect {told} --token {server.token}")


async def _answered(server: Any, peer: Any, wait_s: float | None) -> None:
    try:
        await asyncio.wait_for(server.answer_one(peer), wait_s)
    except TimeoutError:
        raise CallError(f"Nobody called within {wait_s:g} seconds.") from None


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


def _figures(received: "ReceiverStats", wire: "WireStats", seconds: float, output: str) -> dict[str, Any]:
    shown_s = received.shown_s
    return {
        "frames_fresh": received.frames_fresh,
        "frames_interpolated": received.frames_interpolated,
        "frames_extrapolated": received.frames_extrapolated,
        "frames_late": received.frames_late,
        "packets_bad": received.packets_bad,
        "fresh_fps": (received.frames_fresh - 1) / shown_s if shown_s > 0 else None,
        "longest_gap_ms": received.longest_gap_ms,
        "playout_delay_ms": received.playout_delay_ms,
        "wire_kbps_forward": wire.received_bytes * 8 / seconds / 1000,
        "wire_kbps_back": wire.sent_bytes * 8 / seconds / 1000,
        "seconds": seconds,
        "output": None if output == "none" or not received.frames_fresh else output,
        "ended": received.ended,
    }
