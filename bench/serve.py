"""The signalling server under load: a server in a process of its own, so many rooms of two over real WebSockets, and
how long an offer takes to its answer. What the rooms' two sides say is as long as it is in a call; no call is held.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from bench.errors import BenchError
from call.serve import allow_many_files
from transport.codes import make_secret
from transport.errors import TransportError
from transport.room_messages import Enter, Entered, Left, Meet, Message, Tell, Turn, Wanted, read, write

SDP = "v=0\r\n" + "a=candidate:0 1 udp 2130706431 192.168.1.5 50000 typ host\r\n" * 12  # some 700 bytes
START_LIMIT_S = 30.0
CONNECTING = 50  # at a time: people do not come all at once
ANSWER_LIMIT_S = 20.0
GARBAGE = ("", "{", "[]", '{"kind": "tell"}', '{"kind": "enter", "room": 7}', "\ud7ff" * 100, "[" * 10_000)
LEAVE_LIMIT_S = 10.0
SETTLE_S = 1.5  # a server keeps what was not read for a second


@dataclass
class _Side:
    socket: aiohttp.ClientWebSocketResponse

    async def say(self, message: Message) -> None:
        await self.socket.send_str(write(message))

    async def hear(self, kind: type[Message]) -> Message:
        """Return the next message of this kind; raises BenchError where the server says anything unexpected."""
        while True:
            received = await self.socket.receive(ANSWER_LIMIT_S)
            if received.type is not aiohttp.WSMsgType.TEXT:
                raise BenchError("The server cut a connection off.")
            message = read(received.data)
            if isinstance(message, kind):
                return message
            if not isinstance(message, Wanted):
                raise BenchError(f"The server said {message} where {kind.__name__} was due.")


@dataclass
class _Load:
    """What came of it: round trips in seconds, and exchanges that failed."""

    round_trips_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


async def run_serve(rooms: int, *, seconds: float, every_s: float, strangers: int) -> dict[str, Any]:
    """Fill a server with so many rooms for so many seconds; in each the two sides meet again every `every_s`.

    `strangers` more connections send garbage all the while. When all have left, the rooms are filled once more, which
    must not cost more memory than before. Round trips are milliseconds from a side's offer to the other one's answer;
    memory is the server's, in MB, None where the system does not say. Raises BenchError where no server starts.
    """
    load = _Load()
    loop = asyncio.get_running_loop()
    allow_many_files()
    # A client of aiohttp has a hundred connections at most unless it is told otherwise.
    connector = aiohttp.TCPConnector(limit=0)
    async with _server() as (url, pid), aiohttp.ClientSession(connector=connector) as session:
        before_mb, began_s = _memory_mb(pid), loop.time()
        pairs = await _fill_all(session, url, rooms)
        entered_s = loop.time() - began_s
        end_s, cpu_s = loop.time() + seconds, _cpu_s(pid)
        await asyncio.gather(
            *(
                _meet_again(pair, load, every_s=every_s, end_s=end_s, seed=seed)
                for seed, pair in enumerate(pairs)
            ),
            *(_disturb(session, url, number, end_s=end_s) for number in range(strangers)),
        )
        busy = None if cpu_s is None else ((_cpu_s(pid) or 0) - cpu_s) / (loop.time() - end_s + seconds)
        full, full_mb = await _health(session, url), _memory_mb(pid)
        await _leave_all(session, url, pairs)
        left, left_mb = await _health(session, url), _memory_mb(pid)
        pairs = await _fill_all(session, url, rooms)
        again_mb = _memory_mb(pid)
        await _leave_all(session, url, pairs)
    trips_ms = np.array(load.round_trips_s) * 1000
    unknown = "this system does not say how much memory and time a process takes"
    return {
        "rooms": full["rooms"],
        "peers": full["peers"],
        "rooms_left": left["rooms"],
        "entered_s": entered_s,
        "exchanges": len(load.round_trips_s),
        "exchanges_failed": len(load.failures),
        "round_trip_p50_ms": float(np.percentile(trips_ms, 50)) if len(trips_ms) else None,
        "round_trip_p95_ms": float(np.percentile(trips_ms, 95)) if len(trips_ms) else None,
        "server_core_share": busy,
        "memory_before_mb": before_mb,
        "memory_full_mb": full_mb,
        "memory_left_mb": left_mb,
        "memory_full_again_mb": again_mb,
        "why": {"memory": unknown} if before_mb is None else {},
    }


async def _health(session: aiohttp.ClientSession, url: str) -> dict[str, int]:
    async with session.get(f"{url.replace('ws://', 'http://')}/health") as reply:
        return dict(await reply.json())


async def _fill_all(session: aiohttp.ClientSession, url: str, rooms: int) -> list[tuple[_Side, _Side]]:
    places = asyncio.Semaphore(CONNECTING)
    return await asyncio.gather(*(_fill(session, url, number, places) for number in range(rooms)))


async def _leave_all(session: aiohttp.ClientSession, url: str, pairs: Sequence[tuple[_Side, _Side]]) -> None:
    for host, _ in pairs:
        await host.say(Left())
    await asyncio.gather(*(side.socket.close() for pair in pairs for side in pair))
    with suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_LIMIT_S):
            while (await _health(session, url))["peers"]:  # noqa: ASYNC110 -- it is another process
                await asyncio.sleep(0.1)
    await asyncio.sleep(SETTLE_S)


@asynccontextmanager
async def _server() -> AsyncIterator[tuple[str, int]]:
    """Run `visavis serve` behind a proxy that is us, so that each side has its own address; yields URL and process."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "call.cli", "serve", "--host", "127.0.0.1", "--port", "0", "--behind-proxy"),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        said = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_LIMIT_S):
                while b"Ctrl-C" not in said and (line := await process.stderr.readline()):
                    said += line
        found = re.search(rb"ws://[\d.:]+", said)
        if found is None:
            raise BenchError(f"The server did not start: {said.decode(errors='replace').strip()}")
        yield found[0].decode().rstrip("."), process.pid
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def _connect(session: aiohttp.ClientSession, url: str, number: int) -> _Side:
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return _Side(await session.ws_connect(f"{url}/room", headers={"X-Forwarded-For": address}))


async def _fill(
    session: aiohttp.ClientSession, url: str, number: int, places: asyncio.Semaphore
) -> tuple[_Side, _Side]:
    """Let two sides into a room; returns the one that opened it first."""
    async with places:
        host = await _connect(session, url, 2 * number)
        await host.say(Enter(f"room-{number}", make_secret()))
        entered = await host.hear(Entered)
        assert isinstance(entered, Entered)
        guest = await _connect(session, url, 2 * number + 1)
        await guest.say(Enter(f"room-{number}", make_secret(), entered.code))
        await guest.hear(Entered)
        return host, guest


async def _meet_again(
    pair: tuple[_Side, _Side], load: _Load, *, every_s: float, end_s: float, seed: int
) -> None:
    """Let the two sides of a room exchange offer and answer until the end, each room at times of its own."""
    loop, (host, guest) = asyncio.get_running_loop(), pair
    draw = random.Random(seed)
    await asyncio.sleep(draw.uniform(0, every_s))
    while loop.time() < end_s:
        try:
            await asyncio.gather(host.say(Meet()), guest.say(Meet()))
            await asyncio.gather(host.hear(Turn), guest.hear(Turn))
            began_s = loop.time()
            await guest.say(Tell("offer", SDP))
            await host.hear(Tell)
            await host.say(Tell("answer", SDP))
            await guest.hear(Tell)
            load.round_trips_s.append(loop.time() - began_s)
        except (BenchError, TransportError, ConnectionError, TimeoutError) as error:
            load.failures.append(str(error))
            return
        await asyncio.sleep(draw.uniform(0.5, 1.5) * every_s)


async def _disturb(session: aiohttp.ClientSession, url: str, number: int, *, end_s: float) -> None:
    """Connect, send what no side sends, and come again when thrown out."""
    loop, draw = asyncio.get_running_loop(), random.Random(number)
    while loop.time() < end_s:
        with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
            stranger = await _connect(session, url, 1_000_000 + number)
            while loop.time() < end_s and not stranger.socket.closed:
                await stranger.socket.send_str(draw.choice(GARBAGE))
                await asyncio.sleep(0.05)
            await stranger.socket.close()
        await asyncio.sleep(0.5)


def _memory_mb(pid: int) -> float | None:
    """Return what a process holds in memory, where the system has /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else None


def _cpu_s(pid: int) -> float | None:
    """Return the processor's seconds that a process has had, where the system has /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
