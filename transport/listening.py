"""How a side listens for one guest: a small HTTP server to which the guest posts its offer (`transport.signalling`).

A code keeps strangers out, and who may come with it is `transport.guests`'. Nothing is known of what the peers say once
they are connected.
"""

import asyncio
import contextlib
import json
import logging

from aiohttp import web

from transport.codes import SECRET_BYTES, check_code, is_secret
from transport.description import Description
from transport.errors import TransportError
from transport.guests import Guest, Guests, NewCodeError, Refusal
from transport.peer import Peer
from transport.pin import certificate_of
from transport.reach import join_address, listen_sentence
from transport.signalling import MAX_BODY_BYTES

BODY_TIMEOUT_S = 5.0  # an offer is one or two packets
IDLE_S = 10.0  # for a connection that asks for nothing
SHUTDOWN_S = 0.2
# How long a guest that comes back waits at the door: its host has to let go of the lost line first.
RETURN_WAIT_S = 3.0
# A guest that was killed may be there again before its line is missed.
MISSED_WAIT_S = 5.0
WRONG_CODE_S = 0.5  # nobody who mistypes a code minds

# aiohttp logs tracebacks of what a stranger can cause. Whoever wants them sets up logging.
logging.getLogger("aiohttp").addHandler(logging.NullHandler())


class OfferServer:
    """Listens for one guest. `start` it, let `answer_one` use a peer, again for each return, and `close` it.

    `guests` says who may come; `answer_one` uses up its code.
    """

    def __init__(self) -> None:
        self.guests = Guests()
        self._address = ""
        self._runner: web.AppRunner | None = None
        self._peer: Peer | None = None
        self._answered: asyncio.Future[None] | None = None
        self._peer_waits = asyncio.Event()
        self._knocked = asyncio.Event()
        self._busy = False
        self._newest = 0

    @property
    def address(self) -> str:
        """Where the server listens, as host:port."""
        return self._address

    @property
    def code(self) -> str:
        """The code that lets one guest in."""
        return self.guests.code

    async def start(self, host: str, *, port: int = 0, code: str | None = None) -> None:
        """Listen on `host` and `port` (0: any free one); without a `code` a random one is made.

        Raises `TransportError` when the port is taken or the address is not this machine's.
        """
        self.guests = Guests(None if code is None else check_code(code))
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_post("/offer", self._receive_offer)
        runner = web.AppRunner(
            application, access_log=None, keepalive_timeout=IDLE_S, shutdown_timeout=SHUTDOWN_S
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as error:
            await runner.cleanup()
            raise TransportError(listen_sentence(host, port, error)) from error
        self._runner = runner
        self._address = join_address(host, runner.addresses[0][1])

    async def answer_one(self, peer: Peer) -> None:
        """Wait until a guest that may come has posted an offer, and answer it with `peer`.

        Broken requests and wrong codes are refused and the wait goes on. Raises `NewCodeError` after too many wrong
        codes and `TransportError` when `peer` cannot use the offer; both leave the server as it was, for another
        wait. The connection itself is awaited with `peer.connected`.
        """
        self.guests.miss()
        self._answered = asyncio.get_running_loop().create_future()
        self._peer = peer
        self._knocked.clear()
        self._peer_waits.set()
        try:
            await self._answered
        finally:
            self._peer = None
            self._peer_waits.clear()

    async def knocked(self) -> None:
        """Wait until a guest that was answered comes again while no peer is there to answer it."""
        await self._knocked.wait()

    async def close(self) -> None:
        """Stop listening, at once."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _receive_offer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._let_in(request)
        except Refusal as refusal:
            return _error(refusal.status, str(refusal))
        except TransportError as error:
            return _error(403, str(error))

    async def _let_in(self, request: web.Request) -> web.StreamResponse:
        code = await self._check_code(request)
        offer, secret = await _read(request)
        address = request.remote or ""
        if self.guests.may_be_missed_soon(code, secret=secret, address=address):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._peer_waits.wait(), MISSED_WAIT_S)
        guest = self.guests.recognise(code, offer, secret=secret, address=address)
        await self._take_turn(request)
        self._busy = True
        try:
            return await self._answer(request, offer, guest)
        finally:
            self._busy = False

    async def _check_code(self, request: web.Request) -> str:
        """Return the code that a request brings, before more is read of it; raises `Refusal`."""
        code = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            self.guests.check(code, address=request.remote or "", now_s=asyncio.get_running_loop().time())
        except NewCodeError as error:
            self._settle(error)
            raise Refusal(403, "The code is wrong.") from None
        except Refusal:
            await asyncio.sleep(WRONG_CODE_S)
            raise
        return code

    async def _take_turn(self, request: web.Request) -> None:
        """Wait for the peer that answers, where a guest comes back; raises `Refusal` where there is none."""
        self._newest += 1
        number = self._newest
        if self._peer is None and self.guests.has_any:
            self._knocked.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._peer_waits.wait(), RETURN_WAIT_S)
            # An offer from an address that is no more would take the peer away from the one that lives.
            if number != self._newest or request.transport is None:
                raise Refusal(409, "A newer offer has taken the place of this one.")
        if self._busy:
            raise Refusal(503, "Somebody else is being answered.")
        if self._peer is None:
            raise Refusal(503, "Nobody is waiting for a call right now.")

    async def _answer(self, request: web.Request, offer: Description, guest: Guest) -> web.StreamResponse:
        """Let the peer answer the offer, note who has been answered, and send the answer."""
        peer = self._peer
        assert peer is not None
        try:
            answer = await peer.accept(offer)
        except TransportError as error:
            self._check_still_waits(peer)
            self._settle(error)
            raise Refusal(400, str(error)) from error
        self._check_still_waits(peer)
        self.guests.answered(guest)
        return await self._deliver(request, answer)

    def _check_still_waits(self, peer: Peer) -> None:
        """Raise `Refusal` where a peer was let go of while it answered: the next one may do it."""
        if self._peer is not peer:
            raise Refusal(503, "Nobody is waiting for a call right now.")

    async def _deliver(self, request: web.Request, answer: Description) -> web.StreamResponse:
        """Send the answer, and let `answer_one` return only then, as its caller may close the server."""
        response = web.Response(text=answer.to_json(), content_type="application/json")
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            self._settle(TransportError("The other side hung up before it had its answer."))
        else:
            self._settle(None)
        return response

    def _settle(self, error: TransportError | None) -> None:
        if self._answered is None or self._answered.done():
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)


async def _read(request: web.Request) -> tuple[Description, str | None]:
    """Read the offer and the secret that its side wants to be known by; raises `Refusal`."""
    try:
        body = await asyncio.wait_for(request.read(), BODY_TIMEOUT_S)
        offer = Description.from_json(body)
        certificate_of(offer)
    except TimeoutError:
        raise Refusal(408, "The offer did not arrive in time.") from None
    except web.HTTPRequestEntityTooLarge:
        raise Refusal(413, f"An offer has at most {MAX_BODY_BYTES} bytes.") from None
    except TransportError as error:
        raise Refusal(400, str(error)) from error
    secret = json.loads(body).get("secret")
    if secret is not None and not is_secret(secret):
        raise Refusal(400, f"A guest's secret has {2 * SECRET_BYTES} hexadecimal digits.")
    if offer.type != "offer":
        raise Refusal(400, "An offer was expected, not an answer.")
    return offer, secret


def _error(status: int, sentence: str) -> web.Response:
    # The rest of the body is not read, so the connection is of no more use.
    response = web.json_response({"error": sentence}, status=status)
    response.force_close()
    return response
