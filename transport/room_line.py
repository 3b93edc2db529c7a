"""One connection to the server in whose rooms two sides meet: messages to and fro over a WebSocket, and how the server
is reached. Knows no rooms and no peers."""

import asyncio
from contextlib import suppress

import aiohttp

from transport.errors import TransportError
from transport.reach import connect_reason
from transport.room_messages import MAX_MESSAGE_BYTES, Message, Refused, Turn, Wanted, read, write

REACH_LIMIT_S = 4.0  # a try; the line may be about to return
HEARTBEAT_S = 10.0
CLOSE_LIMIT_S = 0.2  # the connection that is left behind may be dead
MAX_WAITING = 32  # messages of a server that nobody has looked at


class OutOfReach(TransportError):
    """The server could not be reached now; later it may be."""


class RoomLine:
    """One connection to the server: a task reads it, so that it lives while nobody waits for a message."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._inbox: asyncio.Queue[Message | None] = asyncio.Queue()
        self._stirred = asyncio.Event()  # the other side wants to meet, or this connection has ended
        self._is_wanted = False
        self._reader = asyncio.create_task(self._read())

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will come."""
        return self._reader.done()

    async def say(self, message: Message) -> None:
        """Send a message; raises `ConnectionError` where the connection has ended."""
        await self._socket.send_str(write(message))

    async def hear(self) -> Message:
        """Return the next message; raises `ConnectionError` at the end, `TransportError` where the server refuses."""
        message = await self._inbox.get()
        if message is None:
            self._inbox.put_nowait(None)
            raise ConnectionError
        if isinstance(message, Turn):
            self._is_wanted = False  # what was wanted is what now begins
            if not self.is_closed:
                self._stirred.clear()
        if isinstance(message, Refused):
            raise TransportError(message.why)
        return message

    async def wanted(self) -> bool:
        """Wait until the other side wants to meet; False where the connection has ended before."""
        await self._stirred.wait()
        return self._is_wanted

    async def close(self) -> None:
        """End the connection and its task."""
        # Not `wait_for`, which in Python 3.11 forgets that it was cancelled where the connection has just ended.
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_LIMIT_S):
                await self._socket.close()
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        try:
            async for received in self._socket:
                if received.type is not aiohttp.WSMsgType.TEXT or self._inbox.qsize() >= MAX_WAITING:
                    break
                message = read(received.data)
                self._inbox.put_nowait(message)
                if isinstance(message, Wanted):
                    self._is_wanted = True
                    self._stirred.set()
        except TransportError:
            pass  # what speaks like this is no server of ours
        finally:
            self._inbox.put_nowait(None)
            self._stirred.set()


def make_session() -> aiohttp.ClientSession:
    """Make what `reach` connects with: it goes to the server that was named and nowhere else. One that could send it on
    would have this machine ask whatever can be reached from it.
    """
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse_redirect)
    return aiohttp.ClientSession(trace_configs=[trace])


async def _refuse_redirect(
    session: aiohttp.ClientSession, context: object, redirect: aiohttp.TraceRequestRedirectParams
) -> None:
    response = redirect.response
    response.close()
    raise aiohttp.WSServerHandshakeError(response.request_info, response.history, status=response.status)


async def reach(session: aiohttp.ClientSession, url: str, *, server: str) -> RoomLine:
    """Connect to a server's rooms at `url`; `server` is what errors call it.

    Raises `OutOfReach` where it may be reached later, and `TransportError` where it may not.
    """
    try:
        async with asyncio.timeout(REACH_LIMIT_S):
            socket = await session.ws_connect(
                url, heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES, compress=0
            )
    except TimeoutError:
        raise OutOfReach(f"The server {server} did not answer within {REACH_LIMIT_S:g} seconds.") from None
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError) as error:
        raise TransportError(f"The connection to {server} is not secure ({error}).") from error
    except aiohttp.WSServerHandshakeError as error:
        raise _refused_at_the_door(server, error.status) from error
    except aiohttp.ClientConnectorError as error:
        raise OutOfReach(f"Nobody answers at {server} ({connect_reason(error)}).") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise OutOfReach(f"The server {server} cannot be used ({error}).") from error
    return RoomLine(socket)


def _refused_at_the_door(server: str, status: int) -> TransportError:
    if status == 429:
        return OutOfReach(f"The server {server} has had too many calls from here; try again in a minute.")
    return TransportError(f"What answers at {server} is no Visavis server (HTTP status {status}).")
