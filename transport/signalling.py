"""How two peers of different machines meet: the receiver listens on HTTP, the sender posts its offer.

One request, `POST /offer` with a one-time token as bearer and the offer as JSON; the reply is the answer.
The token keeps strangers out. HTTP is not encrypted: who can change it on its way can step between the
two sides, so across an open network the exchange belongs into a tunnel. Nothing is known of what the peers
say once they are connected.
"""

import asyncio
import errno
import hmac
import json
import secrets
from typing import Any

import aiohttp
from aiohttp import web

from transport.description import Description
from transport.errors import TransportError
from transport.peer import Peer

MAX_BODY_BYTES = 65_536
BODY_TIMEOUT_S = 5.0  # an offer is one or two packets
MAX_WRONG_TOKENS = 10  # a mistyped token now and then, not a search
SHUTDOWN_S = 0.2
# A token is typed from one screen into another machine: nothing that looks like something else. Of its 2^30
# values a stranger may try ten.
TOKEN_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
TOKEN_LENGTH = 6


class OfferServer:
    """Listens for one caller at a time. `start` it, let `answer_one` use a peer, and `close` it."""

    def __init__(self) -> None:
        self._token = ""
        self._address = ""
        self._runner: web.AppRunner | None = None
        self._peer: Peer | None = None
        self._answered: asyncio.Future[None] | None = None
        self._busy = False
        self._used = False
        self._wrong_tokens = 0

    @property
    def address(self) -> str:
        """Where the server listens, as host:port."""
        return self._address

    @property
    def token(self) -> str:
        """The token that one caller may use once."""
        return self._token

    async def start(self, host: str, *, port: int = 0, token: str | None = None) -> None:
        """Listen on `host` and `port` (0: any free one); without a `token` a random one is made.

        Raises `TransportError` when the port is taken or the address is not this machine's.
        """
        if token is not None and not (token and token.isascii() and token.isprintable()):
            raise TransportError("The token must be plain printable characters.")
        self._token = token or "".join(secrets.choice(TOKEN_LETTERS) for _ in range(TOKEN_LENGTH))
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.router.add_post("/offer", self._receive_offer)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as error:
            await runner.cleanup()
            raise TransportError(_listen_sentence(host, port, error)) from error
        self._runner = runner
        self._address = _join_address(host, runner.addresses[0][1])

    async def answer_one(self, peer: Peer) -> None:
        """Wait until a caller with the token has posted an offer, and answer it with `peer`.

        Broken requests and wrong tokens are refused and the wait goes on. Raises `TransportError` after
        `MAX_WRONG_TOKENS` wrong tokens and when `peer` cannot use the offer. The connection itself is
        awaited with `peer.connected`.
        """
        self._answered = asyncio.get_running_loop().create_future()
        self._peer = peer
        try:
            await self._answered
        finally:
            self._peer = None

    async def close(self) -> None:
        """Stop listening, at once."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _receive_offer(self, request: web.Request) -> web.StreamResponse:
        refusal = self._refusal(request.headers.get("Authorization", ""))
        if refusal is not None:
            return _error(*refusal)
        self._busy = True
        try:
            return await self._answer(request)
        finally:
            self._busy = False

    def _refusal(self, authorization: str) -> tuple[int, str] | None:
        """Say why a request is not even read, as status and sentence; None where it is."""
        if self._wrong_tokens >= MAX_WRONG_TOKENS:
            return 429, "Too many wrong tokens were tried; ask for a new one."
        expected = f"Bearer {self._token}".encode()
        if not hmac.compare_digest(authorization.encode(errors="replace"), expected):
            self._wrong_tokens += 1
            if self._wrong_tokens >= MAX_WRONG_TOKENS:
                self._settle(TransportError("Too many wrong tokens were tried; start again with a new one."))
            return 403, "The token is wrong."
        if self._used:
            return 403, "The token has been used; ask for a new one."
        if self._busy:
            return 409, "Another caller is being answered."
        if self._peer is None:
            return 503, "Nobody is waiting for a call right now."
        return None

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Read the offer, let the peer answer it, and send the answer."""
        peer = self._peer
        assert peer is not None
        try:
            body = await asyncio.wait_for(request.read(), BODY_TIMEOUT_S)
            offer = Description.from_json(body)
        except TimeoutError:
            return _error(408, "The offer did not arrive in time.")
        except web.HTTPRequestEntityTooLarge:
            return _error(413, f"An offer has at most {MAX_BODY_BYTES} bytes.")
        except TransportError as error:
            return _error(400, str(error))
        if offer.type != "offer":
            return _error(400, "An offer was expected, not an answer.")
        try:
            answer = await peer.accept(offer)
        except TransportError as error:
            self._settle(error)
            return _error(400, str(error))
        return await self._deliver(request, answer)

    async def _deliver(self, request: web.Request, answer: Description) -> web.StreamResponse:
        """Send the answer, and let `answer_one` return only then, as its caller may close the server."""
        self._used = True
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

    Raises `TransportError` with a sentence where nobody listens there, the token is refused or the reply is
    not an answer. The connection itself is awaited with `peer.connected`.
    """
    host, port = _split_address(address)
    if not (token and token.isascii() and token.isprintable()):
        raise TransportError("The token must be plain printable characters.")
    body = (await peer.create_offer()).to_json()
    url = f"http://{_join_address(host, port)}/offer"
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
        raise TransportError(f"Nobody answers at {address} ({error.strerror or error}).") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise TransportError(f"What listens at {address} is no Visavis receiver ({error}).") from error
    if status != 200:
        raise TransportError(f"{address} refused the call: {_reason(status, reply)}")
    try:
        answer = Description.from_json(reply)
    except TransportError as error:
        raise TransportError(f"The reply of {address} is no answer: {error}") from error
    await peer.complete(answer)


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


def _error(status: int, sentence: str) -> web.Response:
    # The rest of the body is not read, so the connection is of no more use.
    response = web.json_response({"error": sentence}, status=status)
    response.force_close()
    return response


def _listen_sentence(host: str, port: int, error: Exception) -> str:
    code = getattr(error, "errno", None)
    if code == errno.EADDRINUSE:
        return f"Port {port} of {host} is in use by another program; choose another port."
    if code == errno.EACCES:
        return f"Port {port} may not be used without special rights; choose one above 1023."
    return f"This machine cannot listen on {host} port {port} ({error})."


def _split_address(address: str) -> tuple[str, int]:
    host, colon, port = address.strip().removeprefix("http://").rstrip("/").rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise TransportError(f"{address!r} is not an address; write it as host:port.")
    return host, int(port)


def _join_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
