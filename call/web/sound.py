"""The page's microphone and loudspeaker as the call sees them: bounded queues of 20-ms blocks of 960 samples.

Both hold mono PCM at 48 kHz. The browser captures and plays; here nothing is coded and nothing is heard. Both live on
the event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from call.errors import CallError

Block = npt.NDArray[np.int16]

SAMPLES = 960
BLOCK_S = 0.020
# What the browser hands over late it hands over in one go; more than this is better lost than heard late.
MICROPHONE_BLOCKS = 10
# A browser takes its time with the first block and stumbles now and then; then there is silence.
PATIENCE_S = 0.060
SPEAKER_BLOCKS = 25


class PageMicrophone:
    """What the page hears. Without a page, or with a microphone that it may not use, silence at the same pace."""

    def __init__(self) -> None:
        self._blocks: deque[Block] = deque(maxlen=MICROPHONE_BLOCKS)
        self._arrived = asyncio.Event()
        self._due: float | None = None

    def put(self, pcm: bytes) -> None:
        """Take a block from the page (little-endian int16); raises CallError where it is not of 960 samples."""
        if len(pcm) != 2 * SAMPLES:
            raise CallError(f"The page sent a block of sound of {len(pcm)} bytes instead of {2 * SAMPLES}.")
        self._blocks.append(np.frombuffer(pcm, "<i2").astype(np.int16))
        self._arrived.set()

    async def read(self) -> Block:
        """Wait for the next block (960 samples) and return it; silence where the page sends none in time."""
        due = time.monotonic() + PATIENCE_S if self._due is None else self._due
        while not self._blocks:
            self._arrived.clear()
            try:
                # Not `wait_for`: before Python 3.12 that forgets to be cancelled where a block comes just then, and
                # the call, which waits for this to end, would never end.
                async with asyncio.timeout(max(due - time.monotonic(), 0.0)):
                    await self._arrived.wait()
            except TimeoutError:
                # From the first missing block on, one every 20 ms, however late this coroutine is woken.
                self._due = max(due, time.monotonic() - PATIENCE_S) + BLOCK_S
                return np.zeros(SAMPLES, np.int16)
        self._due = time.monotonic() + PATIENCE_S
        return self._blocks.popleft()


class PageSpeaker:
    """What the page plays; `wake` is called when there is something. A page that does not fetch loses the oldest."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._blocks: deque[tuple[Block, float]] = deque(maxlen=SPEAKER_BLOCKS)

    def play(self, block: Block, at_s: float) -> None:
        """Let a block (960 samples) be heard at `at_s` (`time.monotonic`), together with the picture of that time."""
        self._blocks.append((block, at_s))
        self._wake()

    def take(self) -> list[tuple[Block, float]]:
        """Return what waits to be played, oldest first, and forget it."""
        blocks = list(self._blocks)
        self._blocks.clear()
        return blocks
