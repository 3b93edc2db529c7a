"""A call between two processes of `visavis call --headless`, each in a network namespace of its own: started, held over
a bad line, disturbed, and ended, with what both have said and what the line has carried. It knows the command line and
the sentences of a call; what comes of it is judged by `bench.call`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.call_line import NamespaceLine
from bench.errors import BenchError
from call.call import WORDS
from call.encounter import BACK, LOST, ON
from transport.impairment import Impairment

PORT, CODE = 8765, "F7K2QX"
SIDES = ("host", "guest")
START_S = 180.0  # the networks are loaded on two sides of one machine at the same time
END_S = 60.0
CUT_S = 10.0
LOOK_S = 1.0
# However busy the machine, the line is to be as steady as one of wires.
LINE_NICENESS = -10


@dataclass
class Side:
    """One process of the call: the sentences that it has said, with the loop's time, and its own figures at the end."""

    process: asyncio.subprocess.Process
    said: list[tuple[float, str]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    on: asyncio.Event = field(default_factory=asyncio.Event)  # the call is, or the process is over

    async def listen(self) -> None:
        """Take what it says until it ends."""
        assert self.process.stderr is not None
        assert self.process.stdout is not None
        async for line in self.process.stderr:
            sentence = line.decode(errors="replace").strip()
            self.said.append((asyncio.get_running_loop().time(), sentence))
            if sentence == ON:
                self.on.set()
        printed = await self.process.stdout.read()
        with suppress(ValueError):  # it has failed, and said why
            self.figures = json.loads(printed)
        self.on.set()

    def back_s(self, line_s: float) -> float | None:
        """Return how long after the moment `line_s` it found back to the call; 0: the line was not lost to it; None: it
        did not."""
        found = [at_s for at_s, sentence in self.said if sentence == BACK and at_s > line_s]
        if found:
            return found[0] - line_s
        told = [sentence for _, sentence in self.said if sentence in (LOST, BACK)]
        return None if told and told[-1] == LOST else 0.0

    @property
    def words(self) -> set[str]:
        """The safety words that it has shown: one set of them, if all is well."""
        shown = {sentence.removeprefix(WORDS) for _, sentence in self.said if sentence.startswith(WORDS)}
        return shown | {str(self.figures.get("safety_words"))}

    @property
    def last_words(self) -> str:
        """What it has said last, for where it has failed."""
        return self.said[-1][1].rstrip(".") if self.said else "it said nothing"


@dataclass(frozen=True)
class Held:
    """A call that was held, host first: both sides, the bytes that each had sent after each second of it, the share of
    its packets that were lost, and when the line was whole again after what was done to it (the loop's time)."""

    sides: list[Side]
    sent_bytes: list[list[int]]
    lost_share: list[float]
    whole_s: dict[str, float]


async def hold(
    films: Sequence[Path],
    recordings: Sequence[Path],
    *,
    options: Sequence[str],
    seconds: float,
    line: Impairment,
    cut: bool,
    on_step: Callable[[str], None],
) -> Held:
    """Hold a call of so many seconds; `options` are for both sides' command lines.

    cut: after a third of it nothing passes for `CUT_S`, after two thirds the guest gets another address. Raises
    BenchError where there can be no such line, and where a side fails.
    """
    with NamespaceLine(line) as between:
        at = f"{between.address(0)}:{PORT}"
        ways = (("--listen", at, "--code", CODE), (at, CODE))
        sides: list[Side] = []
        listening: list[asyncio.Task[None]] = []
        try:
            on_step("loading")
            for number, way in enumerate(ways):
                files = ("--video", str(films[number]), "--output", str(recordings[number]))
                arguments = ("--headless", "--yes", "--json", "--seconds", f"{seconds:g}")
                sides.append(Side(await _start(between.within(number), *way, *files, *arguments, *options)))
                listening.append(asyncio.create_task(sides[-1].listen()))
            async with asyncio.timeout(START_S):
                for side in sides:
                    await side.on.wait()
            with _steady():
                sent_bytes, whole_s = await _watch(between, listening, seconds, cut=cut, on_step=on_step)
        except TimeoutError:
            raise BenchError("The call has not begun, or not ended, in its time.") from None
        finally:
            await _end(sides, listening)
        for name, side in zip(SIDES, sides, strict=True):
            if not side.figures:
                raise BenchError(f"The {name} has failed: {side.last_words}.")
        return Held(sides, sent_bytes, [between.sent(number).lost_share for number in (0, 1)], whole_s)


async def _watch(
    between: NamespaceLine,
    listening: Sequence[asyncio.Task[None]],
    seconds: float,
    *,
    cut: bool,
    on_step: Callable[[str], None],
) -> tuple[list[list[int]], dict[str, float]]:
    """Follow the call to its end, and disturb it where that is wanted."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    todo = [(seconds / 3, "cut"), (seconds / 3 + CUT_S, "whole"), (2 * seconds / 3, "move")] if cut else []
    sent_bytes: list[list[int]] = [[], []]
    whole_s: dict[str, float] = {}
    pending: set[asyncio.Task[None]] = set(listening)
    while pending:
        passed_s = loop.time() - began_s
        if passed_s > seconds + END_S:
            raise TimeoutError
        while todo and passed_s >= todo[0][0]:
            match todo.pop(0)[1]:
                case "cut":
                    between.cut(True)
                case "whole":
                    between.cut(False)
                    whole_s["cut"] = loop.time()
                case "move":
                    between.move(1)
                    whole_s["move"] = loop.time()
        for number, counted in enumerate(sent_bytes):
            counted.append(between.sent(number).offered_bytes)
        on_step(f"{passed_s:.0f} s")
        _, pending = await asyncio.wait(pending, timeout=LOOK_S)
    return sent_bytes, whole_s


async def _start(within: Sequence[str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(*within, sys.executable, "-P", "-m", "call.cli", "call", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": _import_path()},
    )


async def _end(sides: Sequence[Side], listening: Sequence[asyncio.Task[None]]) -> None:
    """Leave no process behind."""
    for side in sides:
        if side.process.returncode is None and not side.figures:
            side.process.terminate()
    if listening:
        _, late = await asyncio.wait(listening, timeout=END_S)
        for task in late:
            task.cancel()
    for side in sides:
        with suppress(ProcessLookupError):
            side.process.kill()
        await side.process.wait()


@contextmanager
def _steady() -> Iterator[None]:
    """Give this process, which is the line, the processor before its sides; they keep what they had."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(OSError):  # a container's root may not
        os.setpriority(os.PRIO_PROCESS, 0, LINE_NICENESS)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def _import_path() -> str:
    """Let both sides find what this process was started with, whatever folder it is in."""
    return os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
