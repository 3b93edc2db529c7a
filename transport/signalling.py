"""How two peers of different machines meet: the receiver listens on HTTP, the sender posts its offer.

One request, `POST /offer` with a one-time token as bearer and the offer as JSON; the reply is the answer.
The token keeps strangers out. A caller that names a secret of its own with its first offer can come back with
it, from any address, for another offer and answer; for everybody else the token is spent. HTTP is not
encrypted: who can change it on its way can step between the two sides, so across an open network the exchange
belongs into a tunnel. Nothing is known of what the peers say once they are connected.
"""

import asyncio
import contextlib
import hmac
import json
import logging
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from transport.description import Description
from transport.errors import NotYetError, TransportError
from transport.peer import Peer
from transport.pin import Pin
from transport.reach import connect_reason, join_address, listen_sentence
from transport.tokens import SECRET_BYTES, is_secret, make_token

MAX_BODY_BYTES = 65_536
BODY_TIMEOUT_S = 5.0  # an offer is one or two packets
MAX_WRONG_TOKENS = 10  # a mistyped token now and then, not a search
SHUTDOWN_S = 0.2
# How long a caller that comes back waits at the door: its host has to let go of the lost line first.
RETURN_WAIT_S = 3.0
TOKEN_LENGTH = 6  # 2^30 values, of which a stranger may try ten

# aiohttp logs tracebacks of what a stranger can cause. Whoever wants them sets up logging.
logging.getLogger("aiohttp").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class _Caller:
    """Who was let in: the secret with which it may come back, if it named one, and its certificate."""

    secret: str | None
    pin: Pin


class OfferServer:
    """Listens for one caller. `start` it, let `answer_one` use a peer, again for each return, and `close` it."""

    def __init__(self) -> None:
        self._token = ""
        self._address = ""
        self._runner: web.AppRunner | None = None
        self._peer: Peer | None = None
        self._answered: asyncio.Future[None] | None = None
        self._peer_waits = asyncio.Event()
        self._knocked = asyncio.Event()
        self._caller: _Caller | None = None
        self._busy = False
        self._newest = 0
        self._wrong_tokens = 0

    @property
    def address(self) -> str:
        """Where the server listens, as host:port."""
        return self._address

    @property
    def token(self) -> str:
        """The token that lets one caller in."""
        return self._token

    async def start(self, host: str, *, port: int = 0, token: str | None = None) -> None:
        """Listen on `host` and `port` (0: any free one); without a `token` a random one is made.

        Raises `TransportError` when the port is taken or the address is not this machine's.
        """
        if token is not None and not (token and token.isascii() and token.isprintable()):
            raise TransportError("The token must be plain printable characters.")
        self._token = token or make_token(TOKEN_LENGTH)
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_post("/offer", self._receive_offer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as error:
            await runner.cleanup()
            raise TransportError(listen_sentence(host, port, error)) from error
        self._runner = runner
        self._address = join_address(host, runner.addresses[0][1])

    async def answer_one(self, peer: Peer) -> None:
        """Wait until a caller with the token has posted an offer, and answer it with `peer`.

        Broken requests and wrong tokens are refused and the wait goes on. Raises `TransportError` after
        `MAX_WRONG_TOKENS` wrong tokens and when `peer` cannot use the offer. The connection itself is
        awaited with `peer.connected`.
        """
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
        """Wait until the caller that was let in comes back while no peer is there to answer it."""
        await self._knocked.wait()

    async def close(self) -> None:
        """Stop listening, at once."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _receive_offer(self, request: web.Request) -> web.StreamResponse:
        refusal = self._check_token(request.headers.get("Authorization", ""))
        if refusal is not None:
            return _error(*refusal)
        try:
            body = await asyncio.wait_for(request.read(), BODY_TIMEOUT_S)
            offer, secret = Description.from_json(body), _read_secret(body)
        except TimeoutError:
            return _error(408, "The offer did not arrive in time.")
        except web.HTTPRequestEntityTooLarge:
            return _error(413, f"An offer has at most {MAX_BODY_BYTES} bytes.")
        except TransportError as error:
            return _error(400, str(error))
        if offer.type != "offer":
            return _error(400, "An offer was expected, not an answer.")
        refusal = self._check_caller(offer, secret) or await self._check_turn(request)
        if refusal is not None:
            return _error(*refusal)
        self._busy = True
        try:
            return await self._answer(request, offer, secret)
        finally:
            self._busy = False

    def _check_token(self, authorization: str) -> tuple[int, str] | None:
        """Say why a request is not even read, as status and sentence; None where it is."""
        if self._caller is None and self._wrong_tokens >= MAX_WRONG_TOKENS:
            return 429, "Too many wrong tokens were tried; ask for a new one."
        expected = f"Bearer {self._token}".encode()
        if hmac.compare_digest(authorization.encode(errors="replace"), expected):
            return None
        self._wrong_tokens += 1
        # Once somebody is in, the token opens nothing without the caller's secret: guessing it does not matter.
        if self._caller is None and self._wrong_tokens >= MAX_WRONG_TOKENS:
            self._settle(TransportError("Too many wrong tokens were tried; start again with a new one."))
        return 403, "The token is wrong."

    def _check_caller(self, offer: Description, secret: str | None) -> tuple[int, str] | None:
        """Say why this is not the caller that was let in; None where it is, or nobody was yet."""
        if self._caller is None:
            return None
        if secret is None or not hmac.compare_digest(secret, self._caller.secret or ""):
            return 403, "The token has been used; ask for a new one."
        try:
            self._caller.pin.check(offer)
        except TransportError as error:
            return 403, str(error)
        return None

    async def _check_turn(self, request: web.Request) -> tuple[int, str] | None:
        """Say why no peer is there for this request; a caller that comes back waits a moment for one."""
        self._newest += 1
        number = self._newest
        if self._peer is None and self._caller is not None:
            self._knocked.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._peer_waits.wait(), RETURN_WAIT_S)
            # An offer from an address that is no more would take the peer away from the one that lives.
            if number != self._newest or request.transport is None:
                return 409, "A newer offer has taken the place of this one."
        if self._busy:
            return 409, "Another caller is being answered."
        if self._peer is None:
            return 503, "Nobody is waiting for a call right now."
        return None

    async def _answer(
        self, request: web.Request, offer: Description, secret: str | None
    ) -> web.StreamResponse:
        """Let the peer answer the offer, note who has been let in, and send the answer."""
        peer = self._peer
        assert peer is not None
        caller = self._caller or _Caller(secret, Pin())
        try:
            caller.pin.check(offer)
            answer = await peer.accept(offer)
        except TransportError as error:
            self._settle(error)
            return _error(400, str(error))
        self._caller = caller
        return await self._deliver(request, answer)

    async def _deliver(self, request: web.Request, answer: Description) -> web.StreamResponse:
        """Send the answer, and let `answer_one` return only then, as its caller may close the server."""
        response = web.Response(text=answer.to_json(), content_type="application/json")
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:
            self._settle(TransportError("The caller hung up before it had its answer."))
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


async def offer(address: str, token: str, peer: Peer, *, timeout_s: float = 10.0) -> None:
    """Post `peer`'s offer to the server at `address` (host:port) and give `peer` the answer.

    Raises `TransportError` as `post_offer` does. The connection itself is awaited with `peer.connected`.
    """
    await peer.complete(await post_offer(address, token, await peer.create_offer(), timeout_s=timeout_s))


async def post_offer(
    address: str, token: str, offer: Description, *, secret: str | None = None, timeout_s: float = 10.0
) -> Description:
    """Post an offer to the server at `address` (host:port) and return the answer.

    With a `secret` (`make_secret`) the caller can come back later. Raises `TransportError` with a sentence where
    nobody listens there, the token is refused or the reply is not an answer; `NotYetError` where a later try may do.
    """
    host, port = _split_address(address)
    if not (token and token.isascii() and token.isprintable()):
        raise TransportError("The token must be plain printable characters.")
    body = json.dumps({"type": offer.type, "sdp": offer.sdp} | ({} if secret is None else {"secret": secret}))
    url = f"http://{join_address(host, port)}/offer"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as response,
        ):
            status, reply = response.status, await _read_capped(response.content)
    except TimeoutError:
        raise TransportError(f"{address} did not answer within {timeout_s:g} seconds.") from None
    except aiohttp.ClientConnectorError as error:
        raise TransportError(
            f"Nobody answers at {address} ({connect_reason(error)}): is the other side still waiting there, on the "
            "same network, and no firewall between?"
        ) from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise TransportError(
            f"What listens at {address} is no Visavis that waits for a call ({error})."
        ) from error
    if status == 503:
        raise NotYetError(f"{address} takes no call yet: {_reason(status, reply)}")
    if status != 200:
        raise TransportError(f"{address} refused the call: {_reason(status, reply)}")
    try:
        return Description.from_json(reply)
    except TransportError as error:
        raise TransportError(f"The reply of {address} is no answer: {error}") from error


async def _read_capped(stream: aiohttp.StreamReader) -> bytes:
    """Read a reply to its end; raises `ValueError` beyond `MAX_BODY_BYTES`."""
    body = bytearray()
    async for part in stream.iter_any():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise ValueError("its reply is too long")
    return bytes(body)


def _reason(status: int, reply: bytes) -> str:
    """Take the sentence out of a refusal, cut and cleaned, as it is a stranger's text."""
    try:
        value: Any = json.loads(reply)
    except (ValueError, RecursionError):
        value = None
    sentence = value.get("error") if isinstance(value, dict) else None
    if not isinstance(sentence, str):
        return f"HTTP status {status}."
    return "".join(character for character in sentence[:200] if character.isprintable())


def _read_secret(body: bytes) -> str | None:
    """Read what a caller wants to be known by, out of the JSON of its offer."""
    secret = json.loads(body).get("secret")
    if secret is not None and not is_secret(secret):
        raise TransportError(f"A caller's secret has {2 * SECRET_BYTES} hexadecimal digits.")
    return secret


def _error(status: int, sentence: str) -> web.Response:
    # The rest of the body is not read, so the connection is of no more use.
    response = web.json_response({"error": sentence}, status=status)
    response.force_close()
    return response


def _split_address(address: str) -> tuple[str, int]:
    host, colon, port = address.strip().removeprefix("http://").rstrip("/").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise TransportError(f"{address!r} is not an address; write it as host:port.")
    return host, int(port)
