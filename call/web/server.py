"""The page of a call: served to this machine's browser on 127.0.0.1, with one WebSocket for everything that lives.

`Page` shows the state, pictures and sound that it is given and hands the person's wishes on. One tab at a time: the
newest takes over, and the old one says so. Without any tab the call goes on, and a tab that is opened again sees it as
it is then. Knows no network but its own, and nothing of how a call is held.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from call.errors import CallError
from call.state import CallState, Wishes
from call.web.guard import guard, seal
from call.web.messages import grant
from call.web.outbox import ENDED, FILMED, MICROPHONE, PREVIEW, REDRAWN, Outbox
from call.web.pictures import Developer, Picture
from call.web.sound import PageMicrophone, PageSpeaker

HOST = "127.0.0.1"
STATIC = Path(__file__).parent / "static"
PUBLIC = "/static/"
SVG = "http://www.w3.org/2000/svg"
# Told here, because what a machine's registry says of .js is not always so.
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
# The largest thing that a page has to say: a line of chat with every sign escaped; a block of sound is 1,921 bytes.
MAX_MESSAGE = 4096
# Why a page gets nothing more; it says so and does not come back by itself.
TAKEN_OVER = "taken over"
OVER = "over"
FAREWELL_S = 1.0
HEARTBEAT_S = 10.0
# A page that is loaded again is back by then.
GONE_S = 3.0


@dataclass(frozen=True)
class Tab:
    """The browser tab that shows the call: its WebSocket, the task that writes to it, and whether it has gone."""

    socket: web.WebSocketResponse
    writing: asyncio.Task[None]
    gone: asyncio.Event

    async def dismiss(self, reason: str) -> None:
        """Say why nothing more will come and let the page end the line; one that does not is left behind.

        An end from this side would cut off what is still on its way: a socket that is closed with sound unread in it
        takes back what it has sent.
        """
        self.writing.cancel()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(FAREWELL_S):
                await self.socket.send_str(json.dumps({"farewell": reason}))
                await self.gone.wait()
        await self.end(WSCloseCode.GOING_AWAY, b"")

    async def end(self, code: int, message: bytes) -> None:
        """End the line from this side, if it has not ended."""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(FAREWELL_S):
                await self.socket.close(code=code, message=message)


class Page:
    """One call's page.

    `wishes` gets what the person asks for. `port` 0 takes a free one. `on_gone` is called where no tab shows the page
    any more, and the call goes on. `microphone` gives what the page hears and `speaker` takes what it shall play; both,
    and `show`, belong to the event loop, pictures may come from any thread.
    """

    def __init__(
        self,
        wishes: Wishes,
        *,
        token: str | None = None,
        port: int = 0,
        on_gone: Callable[[], None] = lambda: None,
    ) -> None:
        self.microphone = PageMicrophone()
        self._wishes = wishes
        self._token = token or secrets.token_urlsafe(16)
        self._port = port
        self._on_gone = on_gone
        self._outbox = Outbox()
        self._tab: Tab | None = None
        self._runner: web.AppRunner | None = None
        self._face = Developer(self._deliver)
        self._own = Developer(self._deliver)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._missing: asyncio.TimerHandle | None = None

    @property
    def speaker(self) -> PageSpeaker:
        """Takes the sound that the page shall play."""
        return self._outbox.speaker

    async def start(self) -> str:
        """Begin to listen and return the address to open, its token included.

        Raises CallError where nothing can listen there.
        """
        self._loop = asyncio.get_running_loop()
        application = web.Application(middlewares=[guard(lambda: self._port, self._token, public=PUBLIC)])
        application.on_response_prepare.append(seal)
        application.router.add_get("/", _file(STATIC / "index.html"))
        application.router.add_get("/socket", self._serve_tab)
        application.router.add_get("/invitation.svg", self._serve_invitation)
        for path in sorted(STATIC.iterdir()):
            application.router.add_get(PUBLIC + path.name, _file(path))
        # No access log: it would hold the token.
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=FAREWELL_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, HOST, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise CallError(
                f"The page cannot be served on port {self._port}: {error.strerror}. Name another port."
            ) from error
        self._port = self._runner.addresses[0][1]
        self._face.start()
        self._own.start()
        return f"http://{HOST}:{self._port}/?token={self._token}"

    def show(self, state: CallState) -> None:
        """Show the call's state."""
        self._outbox.show(state)

    def picture(self, rgb: Picture, *, redrawn: bool = True) -> None:
        """Show the other's face (HxWx3 RGB), now; with `redrawn` it carries the badge, ordinary video does not.

        The array must not be changed afterwards.
        """
        self._face.put(REDRAWN if redrawn else FILMED, rgb)

    def preview(self, rgb: Picture) -> None:
        """Show the own picture (HxWx3 RGB) as it goes to the other side; not changed afterwards."""
        self._own.put(PREVIEW, rgb)

    async def close(self) -> None:
        """Let the page show the last state, and stop serving."""
        await asyncio.to_thread(self._face.close)
        await asyncio.to_thread(self._own.close)
        if (tab := self._tab) is not None:
            tab.writing.cancel()
            # Whole, as nobody knows how far the writing had come.
            self._outbox.start_over()
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(FAREWELL_S):
                    await self._send(tab.socket)
            await tab.dismiss(OVER)
        if self._runner is not None:
            await self._runner.cleanup()

    def _deliver(self, kind: int, jpeg: bytes) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._outbox.picture, kind, jpeg)

    async def _serve_invitation(self, request: web.Request) -> web.StreamResponse:
        state = self._outbox.state
        if state is None or state.invitation is None:
            raise web.HTTPNotFound(reason="Nobody is invited now.")
        from call.qr import svg_qr

        # An element of a page becomes a picture of its own.
        drawing = svg_qr(state.invitation.command).replace("<svg", f'<svg xmlns="{SVG}"', 1)
        return web.Response(text=drawing, content_type=TYPES[".svg"])

    async def _serve_tab(self, request: web.Request) -> web.StreamResponse:
        if "Origin" not in request.headers:
            raise web.HTTPForbidden(reason="Only the page itself may open this.")
        socket = web.WebSocketResponse(
            max_msg_size=MAX_MESSAGE, compress=False, heartbeat=HEARTBEAT_S, timeout=FAREWELL_S
        )
        await socket.prepare(request)
        previous = self._tab
        if previous is not None:
            previous.writing.cancel()
        self._outbox.start_over()
        self._tab = tab = Tab(socket, asyncio.create_task(self._write(socket)), asyncio.Event())
        leaving = asyncio.create_task(previous.dismiss(TAKEN_OVER)) if previous is not None else None
        try:
            async for message in socket:
                if self._tab is tab:
                    self._take(message)
        except CallError as error:
            await tab.end(WSCloseCode.POLICY_VIOLATION, str(error).encode())
        finally:
            tab.gone.set()
            tab.writing.cancel()
            if self._tab is tab:
                self._tab = None
                if self._missing is not None:
                    self._missing.cancel()
                self._missing = asyncio.get_running_loop().call_later(GONE_S, self._miss)
            if leaving is not None:
                await leaving
        return socket

    def _miss(self) -> None:
        state = self._outbox.state
        if self._tab is None and state is not None and state.phase not in ENDED:
            self._on_gone()

    async def _write(self, socket: web.WebSocketResponse) -> None:
        with suppress(ConnectionError):
            while True:
                await self._outbox.wait()
                await self._send(socket)

    async def _send(self, socket: web.WebSocketResponse) -> None:
        for message in self._outbox.take():
            if isinstance(message, str):
                await socket.send_str(message)
            else:
                await socket.send_bytes(message)

    def _take(self, message: WSMessage) -> None:
        if message.type is WSMsgType.TEXT:
            grant(message.data, self._wishes)
        elif message.type is WSMsgType.BINARY and message.data[:1] == bytes([MICROPHONE]):
            self.microphone.put(message.data[1:])
        elif message.type is WSMsgType.BINARY:
            raise CallError("The page sent something that is neither a wish nor sound.")


def _file(path: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    body = path.read_bytes()

    async def reply(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=TYPES[path.suffix], charset="utf-8")

    return reply
