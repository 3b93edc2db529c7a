"""`visavis send`: one direction, this end sending, to a receiver that listens."""

import asyncio
import time
from typing import TYPE_CHECKING, Any

from call import console, options, running
from call.address import Address, parse_address
from call.ends import Ends, ice_servers, load_ends, make_sender
from call.ways import way_in

if TYPE_CHECKING:
    from sender.capture import Input as OpenInput
    from sender.sender import Sender
    from sender.stats import SenderStats
    from transport.peer import WireStats

CONNECT_TIMEOUT_S = 20.0
WATCH_PERIOD_S = 0.1
# What a person wants to know of what was sent, in words and with its unit; `--verbose` and `--json` have
# the rest.
IN_SHORT = {
    "frames_sent": ("frames sent", ""),
    "frames_dropped": ("frames dropped", ""),
    "payload_bytes_per_frame": ("motion", "bytes a frame"),
    "wire_kbps_forward": ("wire, there", "kbit/s"),
    "wire_kbps_back": ("wire, back", "kbit/s"),
    "seconds": ("duration", "s"),
}


def run(wanted: options.Send, *, as_json: bool, verbose: bool = False) -> None:
    """Send until the input ends, the other side leaves, or Ctrl-C; then print the figures."""
    address = parse_address(wanted.connect)
    with way_in(wanted.input) as opened:
        ends = load_ends(wanted.engine)
        began_s = time.monotonic()
        sent, wire, interrupted, failure = running.run(_send(opened, address, wanted, ends))
    figures = _figures(sent, wire, time.monotonic() - began_s)
    if as_json:
        console.print_json(figures)
    elif sent.frames_sent or not interrupted:
        console.print_figures("Sent", figures, None if verbose else IN_SHORT, words=IN_SHORT)
    if failure is not None:
        raise failure
    if interrupted:
        raise KeyboardInterrupt


async def _send(
    opened: "OpenInput", address: Address, wanted: options.Send, ends: Ends
) -> "tuple[SenderStats, WireStats, bool, Exception | None]":
    from codec.hello import make_hello
    from sender.errors import SenderError
    from transport.errors import TransportError
    from transport.peer import Peer
    from transport.signalling import offer

    interrupted, failure = False, None
    hello = make_hello(ends.profile, ends.motion_format, frame_rate=opened.frame_rate)
    sender = make_sender(ends, opened, wanted.input, hello=hello, remember=wanted.remember)
    peer = Peer(
        ice_servers=ice_servers(wanted.ice),
        on_motion=lambda data: None,
        on_control=sender.on_control,
        on_closed=sender.on_closed,
    )
    follower = asyncio.create_task(_follow(sender))
    try:
        # The source picture is chosen first: an input without a face must not ring at anybody's door.
        await sender.prepare()
        await offer(str(address), wanted.code, peer)
        await peer.connected(CONNECT_TIMEOUT_S)
        await sender.run(peer)
    except asyncio.CancelledError:
        interrupted = True
    except (SenderError, TransportError) as error:
        if not sender.stats.frames_sent:
            raise
        failure = error  # what went until then is worth its figures
    finally:
        follower.cancel()
        await asyncio.gather(follower, peer.close(), return_exceptions=True)
    return sender.stats, peer.stats(), interrupted, failure


async def _follow(sender: "Sender") -> None:
    def describe() -> str:
        stats = sender.stats
        if not stats.frames_sent:
            return "Choosing the source picture, and meeting the other side"
        return f"{stats.frames_sent} frames  {stats.payload_bytes / stats.frames_sent:.1f} bytes a frame"

    with console.LiveLine(describe) as line:
        while True:
            line.refresh()
            await asyncio.sleep(WATCH_PERIOD_S)


def _figures(sent: "SenderStats", wire: "WireStats", seconds: float) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "frames_in": sent.frames_in,
        "frames_sent": sent.frames_sent,
        "frames_dropped": sent.frames_dropped,
        "frames_without_face": sent.no_face_frames,
        "payload_bytes_per_frame": sent.payload_bytes / sent.frames_sent if sent.frames_sent else None,
        "source_bytes": sent.source_bytes,
        "wire_kbps_forward": wire.sent_bytes * 8 / seconds / 1000,
        "wire_kbps_back": wire.received_bytes * 8 / seconds / 1000,
        "seconds": seconds,
    }
    return figures | {"why": {} if sent.frames_sent else {"payload_bytes_per_frame": "no frame was sent"}}
