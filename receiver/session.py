"""A receiving call from the first knock to the last byte: listen, answer one caller, receive, hang up.

It joins a receiver to the transport, and knows no options and no printing.
"""

import asyncio
from collections.abc import Callable, Sequence

from codec import hello
from codec.format import MotionFormat
from codec.hello import Hello
from receiver.errors import ReceiverError
from receiver.receiver import Receiver
from runtime.profile import Profile
from transport.description import IceServer
from transport.listening import OfferServer
from transport.peer import Peer, WireStats

CONNECT_LIMIT_S = 20.0
FRAME_RATE = 30.0  # a receiver sends no frames; this is what it could show


def make_hello(profile: Profile, motion_format: MotionFormat) -> Hello:
    """Say what this side is: the hello of a receiver with this profile."""
    return hello.make_hello(profile, motion_format, frame_rate=FRAME_RATE)


async def receive(
    receiver: Receiver,
    *,
    host: str,
    port: int,
    code: str | None = None,
    ice_servers: Sequence[IceServer] = (),
    wait_s: float | None = None,
    on_listening: Callable[[str, str], None],
    on_end: Callable[[WireStats], None],
) -> None:
    """Wait for one sender at `host` and `port` and hold the call.

    Parameters
    ----------
    code
        What the sender must name; None has one made.
    wait_s
        Give up when nobody has called for so long; None waits for ever.
    on_listening
        Called once with the address (host:port) and the code, for the person who starts the sender.
    on_end
        Called once, however the call ends, with what it cost on the wire.

    Cancelling ends the call cleanly within a second. The receiver's own figures are its `stats`.

    Raises TransportError where the port is taken or no connection comes about, ReceiverError for what the
    receiver finds wrong; each is a sentence.
    """
    server = OfferServer()
    peer = Peer(
        ice_servers=ice_servers,
        on_motion=receiver.on_motion,
        on_control=receiver.on_control,
        on_closed=receiver.on_closed,
    )
    try:
        await server.start(host, port=port, code=code)
        on_listening(server.address, server.code)
        try:
            async with asyncio.timeout(wait_s):
                await server.answer_one(peer)
        except TimeoutError:
            raise ReceiverError(f"Nobody called within {wait_s:g} seconds.") from None
        await peer.connected(CONNECT_LIMIT_S)
        await server.close()
        await receiver.run(peer)
    finally:
        receiver.discard()
        await peer.close()
        await server.close()
        on_end(peer.stats())
