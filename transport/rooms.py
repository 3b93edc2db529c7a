"""How the two sides of a call meet in a room of a signalling server (`visavis serve`): a `Meeting` by WebSocket.

Who opens the room is given a code for the other side. The server sees both addresses and both certificates'
fingerprints and nothing of the call; whether it is honest is told by the safety words.
"""

import asyncio
import re
from contextlib import suppress

import aiohttp

from transport.codes import ROOM_CODE_LENGTH, make_code, make_secret
from transport.description import Description
from transport.errors import LeftError, TransportError
from transport.peer import Peer
from transport.room_line import REACH_LIMIT_S, OutOfReach, RoomLine, make_session, reach
from transport.room_messages import Enter, Entered, Left, Meet, Tell, Turn, check_room, check_room_code

EXCHANGE_LIMIT_S = 10.0  # both sides are there: offer and answer are a matter of seconds
PAUSE_S, LONGEST_PAUSE_S = 1.0, 15.0

_LEFT = "The other side has left the room."
_SCHEMES = {"https": "wss", "http": "ws", "wss": "wss", "ws": "ws", "": "wss"}


class RoomMeeting:
    """A `Meeting` in a room: without a `code` this side opens the room, with one it comes to who has.

    `server_url` is as `visavis serve` prints it, ws:// or wss:// with host and port.
    """

    def __init__(self, server_url: str, room: str, code: str | None = None) -> None:
        self._url = _room_url(server_url)
        self._server = server_url
        self._room = check_room(room)
        self._code = None if code is None else check_room_code(code.strip().upper())
        self._secret = make_secret()
        self._has_entered = self._has_met = self._is_fresh = False
        self._invites, self._opens = code is None, False
        self._session: aiohttp.ClientSession | None = None
        self._line: RoomLine | None = None
        self._entering = asyncio.Lock()
        self._entered_s = float("-inf")
        self._pause_s = 0.0  # before the next connection, where the last one has ended

    @property
    def address(self) -> str:
        """The server, as it was named."""
        return self._server

    @property
    def room(self) -> str:
        """The room's name."""
        return self._room

    @property
    def code(self) -> str:
        """The code that lets one other side in, once; after `open`. Another one after `reopen`."""
        return self._code or ""

    @property
    def invites(self) -> bool:
        """Whether the code is for another side to come with: this one has opened the room, or opened it again."""
        return self._invites

    async def open(self) -> None:
        """Enter the room. Raises `TransportError` where the server is not there or does not let this side in."""
        self._session = make_session()
        await self._enter()
        self._is_fresh = True

    async def meet(self, peer: Peer) -> None:
        """Wait until the other side wants to meet, too; then bring the two peers together.

        While nobody has come yet, a server that is lost is waited for. Later the try fails, so that the next one is
        made with a peer that knows this machine's addresses of then.
        """
        if not self._is_fresh:
            await self._enter()  # the old connection may be dead without a sign, or hold what is out of date
        self._is_fresh = False
        while (turn := await self._wait_for_turn()) is None:
            if self._has_met:
                raise OutOfReach(f"The connection to the server {self._server} was lost.")
            await self._come_in()
        try:
            async with asyncio.timeout(EXCHANGE_LIMIT_S):
                await self._exchange(peer, turn)
        except (ConnectionError, TimeoutError):
            raise TransportError("The exchange with the other side was cut off in the middle.") from None
        self._has_met = True

    async def knocked(self) -> None:
        """Wait until the other side wants to meet and this one has not asked for it; keeps in touch with the server."""
        while True:
            try:
                await self._come_in()
            except TransportError:  # a server that does not want us now; the call goes on without it
                await asyncio.sleep(LONGEST_PAUSE_S)
            if self._line is not None and await self._line.wanted():
                return

    def admit(self) -> None:
        """Let in who was met last."""
        self._opens = False

    def reopen(self, *, new_code: bool) -> None:
        """Let another side come; the server learns of it when this one wants to meet next."""
        self._invites = self._opens = True
        if new_code:
            self._code = make_code(ROOM_CODE_LENGTH)

    async def close(self) -> None:
        """Leave the room for good, and tell the other side."""
        if self._line is not None:
            with suppress(ConnectionError):
                await self._line.say(Left())
            await self._line.close()
        if self._session is not None:
            await self._session.close()

    async def _wait_for_turn(self) -> Turn | None:
        """Say that this side wants to meet, and wait until both do; None where the connection ends before."""
        line = self._line
        assert line is not None
        with suppress(ConnectionError):
            await line.say(Meet())
            while True:
                match await line.hear():
                    case Turn() as turn:
                        return turn
                    case Left():
                        raise LeftError(_LEFT)
                    case _:  # the other side comes and goes until it wants to meet
                        continue
        return None

    async def _exchange(self, peer: Peer, turn: Turn) -> None:
        line = self._line
        assert line is not None
        if turn.offers:
            await line.say(_tell(await peer.create_offer()))
        message = await line.hear()
        if isinstance(message, Left):
            raise LeftError(_LEFT)
        if not isinstance(message, Tell):
            raise TransportError("The other side was interrupted while the two met.")
        theirs = Description(message.type, message.sdp)
        if turn.offers:
            await peer.complete(theirs)
        else:
            await line.say(_tell(await peer.accept(theirs)))

    async def _come_in(self) -> None:
        """Enter as soon as the server can be reached, unless this side is in; `TransportError` where it is refused."""
        if self._line is not None and self._line.is_closed:
            # A server that lets this side in and closes at once is asked less and less often.
            lasted_s = asyncio.get_running_loop().time() - self._entered_s
            longer_s = min(max(2 * self._pause_s, PAUSE_S), LONGEST_PAUSE_S)
            self._pause_s = 0.0 if lasted_s > LONGEST_PAUSE_S else longer_s
            await asyncio.sleep(self._pause_s)
        pause_s = PAUSE_S
        while True:
            try:
                return await self._enter(anew=False)
            except OutOfReach:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _enter(self, *, anew: bool = True) -> None:
        """Reach the server and go in, over a new connection even where there is one if it has to be `anew`."""
        async with self._entering:
            if self._line is not None:
                if not anew and not self._line.is_closed:
                    return
                await self._line.close()
            if self._session is None:
                raise TransportError("The meeting has not been opened.")
            self._line = line = await reach(self._session, self._url, server=self._server)
            try:
                async with asyncio.timeout(REACH_LIMIT_S):
                    again = self._has_entered
                    await line.say(Enter(self._room, self._secret, self._code, again, self._opens))
                    entered = await line.hear()
            except (ConnectionError, TimeoutError):
                raise OutOfReach(f"The server {self._server} does not answer.") from None
            if not isinstance(entered, Entered):
                raise TransportError(f"What answers at {self._server} is no Visavis server.")
            self._code = entered.code
            self._has_entered = True
            self._entered_s = asyncio.get_running_loop().time()


def _tell(description: Description) -> Tell:
    return Tell(description.type, description.sdp)


def _room_url(server_url: str) -> str:
    """Return the address of the server's rooms; raises `TransportError` for what is none."""
    found = re.fullmatch(
        r"(?:(\w+)://)?(\[[0-9A-Fa-f:.]+\]|[^\s:/?#@\[\]]+)(:\d{1,5})?((?:/[^\s?#]*)?)", server_url.strip()
    )
    scheme = _SCHEMES.get((found[1] or "").lower()) if found else None
    if found is None or scheme is None or (found[3] and not 0 < int(found[3][1:]) < 65_536):
        raise TransportError(f"{server_url!r} is not a server; write it as wss://host:port.")
    return f"{scheme}://{found[2]}{found[3] or ''}{found[4].rstrip('/')}/room"
