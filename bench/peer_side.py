"""One side of a call over a real connection, as the peer bench needs it: it sends, it receives, or both, and notes when
each frame was captured and shown. It is also the process whose cost is measured: `python -m bench.peer_side` speaks
lines of JSON with its parent (`bench.peer`). It holds a call; it compares nothing."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.errors import BenchError
from call.duplex import Duplex
from call.ends import Ends, load_ends, make_sender
from call.link import Link
from call.options import Engine, Input
from codec.control import Message
from codec.hello import Goodbye, make_hello
from receiver.output import Nothing
from receiver.playout import Shown
from receiver.receiver import Receiver
from sender.capture import open_input
from sender.sender import Sender
from sender.settings import SenderSettings
from transport.description import Description
from transport.peer import Peer

Role = Literal["both", "sends", "receives"]
CONNECT_S = 30.0
LOOK_S = 1.0  # between the lines that the parent gets


@dataclass
class Notes:
    """When frames were captured and, where fresh, shown: (ticks, monotonic seconds), from any thread."""

    captured: list[tuple[int, float]] = field(default_factory=list)
    shown: list[tuple[int, float]] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)  # pictures shown, by kind
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on_frame(self, index: int, ticks: int, captured_s: float, picture: np.ndarray) -> None:
        """Note a frame that was captured."""
        with self._lock:
            self.captured.append((ticks, captured_s))

    def on_shown(self, shown: Shown, picture: np.ndarray, shown_s: float) -> None:
        """Note a picture that was shown."""
        with self._lock:
            self.kinds[shown.kind] = self.kinds.get(shown.kind, 0) + 1
            if shown.kind == "fresh":
                self.shown.append((shown.ticks, shown_s))

    def take(self) -> dict[str, Any]:
        """Return what was noted since the last time, and the counts so far."""
        with self._lock:
            taken = {"captured": self.captured, "shown": self.shown, "kinds": dict(self.kinds)}
            self.captured, self.shown = [], []
            return taken


class Side:
    """A side of a call, made and used on the event loop. `clip` plays over and over for `seconds`; a side without
    networks of its own has no `mirror`, and takes the clip's pictures as they are."""

    def __init__(self, ends: Ends, clip: Path, *, role: Role, seconds: float, mirror: bool) -> None:
        self.notes = Notes()
        self._role = role
        self._input = open_input(str(clip), repeat_s=seconds)
        hello = make_hello(ends.profile, ends.motion_format, frame_rate=self._input.frame_rate)
        self._receiver = Receiver(
            ends.talker,
            ends.motion_format,
            hello=hello,
            output=Nothing(),
            on_shown=self.notes.on_shown,
            residual=ends.residual,
        )
        if mirror:
            wanted = Input(str(clip), source="first")
            self._sender = make_sender(
                ends, self._input, wanted, hello=hello, on_frame=self.notes.on_frame, on_notice=_ignore
            )
        else:
            self._sender = Sender(
                ends.talker,
                self._input,
                motion_format=ends.motion_format,
                hello=hello,
                settings=SenderSettings(crop="full", source="first"),
                on_frame=self.notes.on_frame,
                on_notice=_ignore,
            )
        self._duplex = Duplex(self._sender, self._receiver, on_input_lost=_ignore)
        self._link: Link | None = None
        self.peer = self._make_peer()

    async def prepare(self) -> None:
        """Choose the source picture; raises InputError where there is no face."""
        if self._role != "receives":
            await self._sender.prepare()

    async def run(self) -> None:
        """Hold the call over the connected peer until the input ends or `stop`; raises what either end raises."""
        if self._link is not None:
            theirs = await self._link.greet()
            self._duplex.line.attach(self.peer)
            calling = asyncio.create_task(self._duplex.run(theirs))
            await self._duplex.begun.wait()
            self._link.trust(on_motion=self._duplex.on_motion, on_message=self._take)
            await calling
        elif self._role == "sends":
            await self._sender.run(self.peer)
        else:
            await self._receiver.run(self.peer)

    def stop(self) -> None:
        """Let `run` return."""
        if self._role != "receives":
            self._sender.stop()
        if self._role != "sends":
            self._receiver.stop()

    async def close(self) -> None:
        """Close the connection and the input."""
        await self.peer.close()
        self._input.stop()
        self._receiver.discard()

    def _take(self, message: Message, data: bytes) -> None:
        if isinstance(message, Goodbye):
            self.stop()
        else:
            self._duplex.on_control(data)

    def _make_peer(self) -> Peer:
        if self._role == "both":
            self._link = Link(Peer, mine=self._duplex.hello, sound=None)
            return self._link.peer
        if self._role == "sends":
            end: Sender | Receiver = self._sender
            return Peer(on_motion=_ignore, on_control=end.on_control, on_closed=end.on_closed)
        end = self._receiver
        return Peer(on_motion=end.on_motion, on_control=end.on_control, on_closed=end.on_closed)


def _ignore(what: object) -> None:
    """Take no notice."""


def resident_mb() -> float | None:
    """Return this process's resident memory in MB (10^6 bytes) as it is now; None where the system does not say it."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    return None


async def _measured(clip: Path, *, profile: str, engine: str, role: Role, seconds: float) -> None:
    """Hold one side, and tell the parent of it: an offer, then a line a second, and a last one."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue()
    ends = load_ends(Engine(profile=profile, engine=engine))
    threading.Thread(target=_listen, args=(loop, lines), daemon=True).start()
    side = Side(ends, clip, role=role, seconds=seconds, mirror=True)
    try:
        await side.prepare()
        _say(offer=asdict(await side.peer.create_offer()))
        await side.peer.complete(Description(**json.loads(await lines.get())["answer"]))
        await side.peer.connected(CONNECT_S)
        telling = asyncio.create_task(_tell(side))
        stopping = asyncio.create_task(_stop_when_told(side, lines))
        try:
            await side.run()
        finally:
            telling.cancel()
            stopping.cancel()
            _say(**_costs(side), ended=True)
    finally:
        await side.close()


async def _tell(side: Side) -> None:
    while True:
        _say(**_costs(side))
        await asyncio.sleep(LOOK_S)


async def _stop_when_told(side: Side, lines: asyncio.Queue[str]) -> None:
    await lines.get()
    side.stop()


def _costs(side: Side) -> dict[str, Any]:
    wire = side.peer.stats()
    return {
        "at_s": time.monotonic(),
        "cpu_s": time.process_time(),
        "rss_mb": resident_mb(),
        "sent_bytes": wire.sent_bytes,
        "received_bytes": wire.received_bytes,
        **side.notes.take(),
    }


def _listen(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str]) -> None:
    """Hand the parent's lines to the event loop; its end is a word to stop, too."""
    for line in sys.stdin:
        loop.call_soon_threadsafe(lines.put_nowait, line)
    loop.call_soon_threadsafe(lines.put_nowait, "")


def _say(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Be the measured side: CLIP PROFILE ENGINE ROLE SECONDS."""
    clip, profile, engine, role, seconds = sys.argv[1:]
    if role not in ("both", "receives"):
        raise BenchError(f"The measured side does both or receives, not {role!r}.")
    try:
        asyncio.run(
            _measured(
                Path(clip),
                profile=profile,
                engine=engine,
                role="both" if role == "both" else "receives",
                seconds=float(seconds),
            )
        )
    except Exception as error:  # whatever it is, the parent's user is told
        _say(why=str(error) or type(error).__name__)


if __name__ == "__main__":
    main()
