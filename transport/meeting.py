"""How the two sides of a call find each other, and find each other again: what every way has in common, and the
direct way, where one laptop listens and the other comes to it.

A meeting joins peers and knows nothing of what they say. It outlives them: after a lost line both sides make a new
peer each and meet again. Who comes back must know the first exchange's secret and have its certificate; whether a side
that was started anew is the same person, only the two persons can tell.
"""

import asyncio
from typing import Protocol

from transport.codes import check_code, make_secret
from transport.errors import NotYetError
from transport.listening import OfferServer
from transport.peer import Peer
from transport.reach import join_address, reachable_host
from transport.signalling import post_offer

# One try to come back: where the line is still cut, the next one should be ready when it returns.
RETURN_TIMEOUT_S = 5.0
# The host shows its code before its person has agreed to everything; a guest that is quicker waits for that.
PATIENCE_S, ASK_AGAIN_S = 120.0, 0.5


class Meeting(Protocol):
    """A way for two sides to meet, over and over for as long as the call lasts.

    The owner makes each `Peer` with the same certificate, calls `meet`, then `peer.connected`. When the line is
    lost, or `knocked` returns, it closes that peer and meets again with a new one, until that works. Who has been met
    is somebody else where the other side was started anew, which what the peers say shows.
    """

    async def open(self) -> None:
        """Prepare: listen, or reach the server. Raises `TransportError` with a sentence for the user."""

    async def meet(self, peer: Peer) -> None:
        """Bring `peer` and the other side's peer together by offer and answer; to be called once for each peer.

        The side that invites waits here for as long as it takes; the other one tries once. Raises
        `TransportError` with a sentence where it cannot be done now; a later try with a new peer may succeed, but for
        `TurnedAwayError` and `LeftError`. Cancelling is clean.
        """

    async def knocked(self) -> None:
        """Wait until the other side wants to meet again while no `meet` is under way here.

        It has noticed before us that the line is gone. Side by side with the call, and with `peer.connected`.
        """

    def admit(self) -> None:
        """Let in who was met last: nobody else can come until `reopen`."""

    def reopen(self, *, new_code: bool) -> None:
        """Let somebody else come as well: who was met last is not wanted, or has been away for long. Who was let in may
        come back all the same."""

    async def close(self) -> None:
        """Leave for good."""


class DirectHost:
    """The side that listens, and lets one guest in who knows the code: a `Meeting` without a server.

    `port` 0 takes any free one; a `code` is made where none is given.
    """

    def __init__(self, host: str, port: int, *, code: str | None = None) -> None:
        self._host = host
        self._port = port
        self._chosen = code
        self._server = OfferServer()

    @property
    def address(self) -> str:
        """What the other side types, as host:port; after `open`."""
        port = int(self._server.address.rpartition(":")[2])
        return join_address(reachable_host(self._host), port)

    @property
    def code(self) -> str:
        """What lets the next guest in, once; after `open`. Another one after too many wrong ones or `reopen`."""
        return self._server.code

    async def open(self) -> None:
        """Listen. Raises `TransportError` where the port is taken or the address is not this machine's."""
        await self._server.start(self._host, port=self._port, code=self._chosen)

    async def meet(self, peer: Peer) -> None:
        """Wait for the guest, and answer it with `peer`; raises `NewCodeError` where the code is a new one now."""
        await self._server.answer_one(peer)

    async def knocked(self) -> None:
        """Wait until the guest has come back while nothing was there to answer it."""
        await self._server.knocked()

    def admit(self) -> None:
        """Let in who was answered last."""
        self._server.guests.admit()

    def reopen(self, *, new_code: bool) -> None:
        """Let another guest come."""
        self._server.guests.reopen(new_code=new_code)

    async def close(self) -> None:
        """Stop listening."""
        await self._server.close()


class DirectGuest:
    """The side that comes to a listening one, at its address (host:port) with its code: a `Meeting`."""

    def __init__(self, address: str, code: str) -> None:
        self._address = address
        self._code = check_code(code)
        self._secret = make_secret()
        self._has_met = False

    async def open(self) -> None:
        """Do nothing: the host is asked when there is something to say."""

    async def meet(self, peer: Peer) -> None:
        """Bring `peer`'s offer to the host, and the answer back."""
        offer = await peer.create_offer()
        limit = {"timeout_s": RETURN_TIMEOUT_S} if self._has_met else {}
        loop = asyncio.get_running_loop()
        patient_until_s = loop.time() + (0.0 if self._has_met else PATIENCE_S)
        while True:
            try:
                answer = await post_offer(self._address, self._code, offer, secret=self._secret, **limit)
                break
            except NotYetError:
                if loop.time() > patient_until_s:
                    raise
                await asyncio.sleep(ASK_AGAIN_S)
        await peer.complete(answer)
        self._has_met = True

    async def knocked(self) -> None:
        """Wait for ever: a host does not know where its guest is, and waits for it instead."""
        await asyncio.Event().wait()

    def admit(self) -> None:
        """Do nothing: the host lets in."""

    def reopen(self, *, new_code: bool) -> None:
        """Do nothing: who comes to a host finds whoever is there."""

    async def close(self) -> None:
        """Do nothing: nothing is held open."""
