"""The signalling server: rooms of two over WebSocket, for laptops that cannot reach each other at first.

It passes on two descriptions for each meeting and stores nothing. A stranger can cost it little: connections, messages
and guesses are counted by address, messages are capped and checked, and who does not read is cut off. What the
rooms are is `lobby`'s; how much is too much, `limits`'.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from transport.errors import TransportError
from transport.limits import MESSAGES, MESSAGES_PER_S, Bucket, Limits
from transport.lobby import Lobby, Said, WrongCodeError
from transport.reach import join_address, listen_sentence, reachable_host
from transport.room_messages import MAX_MESSAGE_BYTES, Enter, Left, Message, Refused, read, write

MAX_PEERS = 10_000
ENTER_LIMIT_S = 5.0  # who connects says at once why
SEND_LIMIT_S = 5.0  # what does not fit into a side's buffers for so long is not read
HEARTBEAT_S = 30.0  # a side that answers no ping for half of it is gone
IDLE_S = 10.0  # for a connection that asks for nothing
MAX_FAULTS = 5
SWEEP_S = 15.0
SHUTDOWN_S = 1.0

# aiohttp logs tracebacks of what a stranger can cause. Whoever wants them sets up logging.
logging.getLogger("aiohttp").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Counts:
    """What a server has on its hands: rooms and connections now, meetings and refusals since its start."""

    rooms: int
    peers: int
    meetings: int
    refused: int


class RoomServer:
    """One signalling server. `start` it, look at its `counts`, and `close` it.

    `behind_proxy`: connections come from a proxy of one's own, which names the true address as the last one in
    X-Forwarded-For.
    """

    def __init__(self, *, behind_proxy: bool = False) -> None:
        self._behind_proxy = behind_proxy
        self._lobby = Lobby()
        self._limits = Limits()
        self._doors: set[web.WebSocketResponse] = set()
        self._refused = 0
        self._runner: web.AppRunner | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._address = ""

    @property
    def address(self) -> str:
        """What the two sides name as their server, as ws://host:port or wss://host:port; after `start`."""
        return self._address

    def counts(self) -> Counts:
        """Return what there is to count, and nothing of what is said."""
        return Counts(self._lobby.rooms, len(self._doors), self._lobby.meetings, self._refused)

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        """Listen on `host` and `port` (0: any free one), with `tls` over TLS.

        Raises `TransportError` when the port is taken or the address is not this machine's.
        """
        application = web.Application(client_max_size=1024)
        application.router.add_get("/room", self._welcome)
        application.router.add_get("/health", self._tell_health)
        runner = web.AppRunner(
            application, access_log=None, keepalive_timeout=IDLE_S, shutdown_timeout=SHUTDOWN_S
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, ssl_context=tls, backlog=1024).start()
        except (OSError, OverflowError) as error:
            await runner.cleanup()
            raise TransportError(listen_sentence(host, port, error)) from error
        self._runner = runner
        scheme = "ws" if tls is None else "wss"
        self._address = f"{scheme}://{join_address(reachable_host(host), runner.addresses[0][1])}"
        self._sweeper = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Tell everybody and stop, within about a second."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        farewells = [door.close(code=1001, message=b"The server is stopped.") for door in self._doors]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*farewells, return_exceptions=True), SHUTDOWN_S)
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _tell_health(self, request: web.Request) -> web.Response:
        counts = self.counts()
        return web.json_response({"rooms": counts.rooms, "peers": counts.peers})

    async def _welcome(self, request: web.Request) -> web.StreamResponse:
        address = self._address_of(request)
        # No page of the web has business here; a browser always says whose page it is.
        if "Origin" in request.headers:
            self._refused += 1
            return web.Response(status=403, text="Visavis is called from its own program, not from a page.")
        if len(self._doors) >= MAX_PEERS or not self._limits.open(address, time.monotonic()):
            self._refused += 1
            return web.Response(status=429, text="Too many connections; try again in a minute.")
        door = web.WebSocketResponse(
            max_msg_size=MAX_MESSAGE_BYTES, heartbeat=HEARTBEAT_S, compress=False, timeout=SHUTDOWN_S
        )
        self._doors.add(door)
        transport = request.transport
        try:
            await door.prepare(request)
            await self._serve(door, address)
        finally:
            self._doors.discard(door)
            self._limits.close(address)
            if transport is not None:
                # What a side does not read would otherwise be kept for it for as long as its system likes.
                asyncio.get_running_loop().call_later(SHUTDOWN_S, transport.abort)
            await self._say(self._lobby.lose(door, time.monotonic()))
        return door

    async def _serve(self, door: web.WebSocketResponse, address: str) -> None:
        """Let a side into its room and hear what it says, until it goes or is sent away."""
        try:
            wish = await asyncio.wait_for(_hear(door), ENTER_LIMIT_S)
            if not isinstance(wish, Enter):
                raise TransportError("Who comes in says into which room.")
            await self._say(self._lobby.enter(door, wish, address=address))
        except (TimeoutError, EOFError):
            return await _shut(door)
        except TransportError as error:
            self._refused += 1
            if isinstance(error, WrongCodeError):
                self._limits.guess(address, time.monotonic())
            return await self._say([(door, Refused(str(error)))])
        allowed, faults = Bucket(MESSAGES, MESSAGES_PER_S), 0
        while allowed.take(time.monotonic()) and faults < MAX_FAULTS:
            try:
                await self._say(self._lobby.hear(door, await _hear(door)))
            except EOFError:
                return None
            except TransportError as error:
                faults += 1
                await _send(door, Refused(str(error)))
        self._refused += 1
        return await _shut(door)

    async def _say(self, said: Said) -> None:
        """Say what the lobby wants said; who is refused, or whose room is no more, has no more business here."""
        for door, message in said:
            assert isinstance(door, web.WebSocketResponse)
            await _send(door, message)
            if isinstance(message, Refused) or (isinstance(message, Left) and not self._lobby.has(door)):
                await _shut(door)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self._lobby.sweep(time.monotonic())
            self._limits.sweep(time.monotonic())

    def _address_of(self, request: web.Request) -> str:
        if self._behind_proxy:
            return request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        return request.remote or ""


async def _hear(door: web.WebSocketResponse) -> Message:
    """Return the next message; raises `EOFError` at the end, `TransportError` for what is none."""
    received = await door.receive()
    if received.type is WSMsgType.TEXT:
        return read(received.data)
    if received.type is WSMsgType.BINARY:
        raise TransportError("A message is text.")
    raise EOFError


async def _send(door: web.WebSocketResponse, message: Message) -> None:
    """Send a message, or cut off a side that does not read what it is sent."""
    try:
        await asyncio.wait_for(door.send_str(write(message)), SEND_LIMIT_S)
    except TimeoutError:
        await _shut(door)
    except ConnectionError:
        pass  # its own task sees the end, too


async def _shut(door: web.WebSocketResponse) -> None:
    """End a connection, whether or not the other side goes along with it."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(door.close(code=1008, drain=False), 2 * SHUTDOWN_S)
