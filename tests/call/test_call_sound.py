"""The sound of a call from microphone to speaker, over two peers and real sockets."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import numpy as np
import numpy.typing as npt
import pytest

from call import sound_clock
from call.sound import CHOICES, LEAD_S, SHARE, SoundLink, cost_bps
from call.sound_clock import CaptureClock
from call.sound_files import Pacer, Silence
from codec.motion import Motion
from receiver.playout import Shown
from tests.patience import PATIENCE_S
from tests.virtual_time import in_virtual_time
from transport.meet import connect_in_process
from transport.peer import Peer
from transport.sound import BLOCK_S, NOISE_S, SoundLine

BLOCK = 960
RATE = 48_000
Samples = npt.NDArray[np.int16]


class Spoken:
    """A microphone that hears these samples over and over."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples
        self._pacer = Pacer()
        self._next = 0
        self.blocks = 0  # that were read
        self.halves_s: list[float] = []  # when the second half of them began to sound, each time
        self.late_s = float("inf")  # of all reads the quickest one was so late

    async def read(self) -> Samples:
        began_s = await self._pacer.wait()
        self.blocks += 1
        self.late_s = min(self.late_s, time.monotonic() - began_s - BLOCK_S)
        if self._next == len(self._samples) // 2:
            self.halves_s.append(began_s)
        block = self._samples[self._next : self._next + BLOCK]
        self._next = (self._next + BLOCK) % len(self._samples)
        return block

    async def say(self, blocks: int) -> None:
        """Wait until so many more have been read, and sent but for the last."""
        end = self.blocks + blocks
        async with asyncio.timeout(PATIENCE_S):
            while self.blocks < end:  # noqa: ASYNC110 -- a plain count
                await asyncio.sleep(0.02)


class Ended:
    """A microphone that was unplugged."""

    async def read(self) -> Samples:
        raise EOFError


class Heard:
    """A speaker that keeps what it plays."""

    def __init__(self) -> None:
        self.blocks: list[Samples] = []
        self.times_s: list[float] = []
        self.leads_s: list[float] = []

    def play(self, block: Samples, at_s: float) -> None:
        self.blocks.append(block)
        self.times_s.append(at_s)
        self.leads_s.append(at_s - time.monotonic())

    def loudness(self) -> npt.NDArray[np.float64]:
        return np.array([np.sqrt(np.mean(block.astype(float) ** 2)) for block in self.blocks])

    async def tone(self) -> None:
        """Wait until the tone is heard as it was spoken, for as long as a busy machine leaves no gap in it."""
        await self._wait(lambda heard: np.allclose(heard[-3:], 8000 / 2**0.5, rtol=0.15))

    async def silence(self) -> None:
        await self._wait(lambda last: last.max() < 1)

    async def _wait(self, reached: Callable[[npt.NDArray[np.float64]], bool]) -> None:
        self.blocks.clear()
        async with asyncio.timeout(PATIENCE_S):
            while len(self.blocks) < 10 or not reached(self.loudness()[-10:]):  # noqa: ASYNC110 -- a plain list
                await asyncio.sleep(0.02)


def tone(seconds: float = 1.0) -> Samples:
    return (8000 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * RATE)) / RATE)).astype(np.int16)


def ignore(data: object) -> None:
    """Take no interest."""


class Call:
    """Two links over two peers."""

    def __init__(self, mine: SoundLink, theirs: SoundLink) -> None:
        self.links = mine, theirs
        self.peers: list[Peer] = []
        self._running = [asyncio.create_task(link.run()) for link in self.links]

    async def connect(self) -> None:
        self.peers = [
            Peer(sound=link.new_line(), on_motion=ignore, on_control=ignore, on_closed=ignore)
            for link in self.links
        ]
        await connect_in_process(*self.peers, timeout_s=PATIENCE_S)
        for link, peer in zip(self.links, self.peers, strict=True):
            link.use(peer.sound)

    async def hang_up(self) -> None:
        for peer in self.peers:
            await peer.close()
        self.peers = []

    async def end(self) -> None:
        await self.hang_up()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


MakeCall = Callable[[SoundLink, SoundLink], Call]


@pytest.fixture
async def make_call() -> AsyncIterator[MakeCall]:
    calls: list[Call] = []

    def make(mine: SoundLink, theirs: SoundLink) -> Call:
        calls.append(Call(mine, theirs))
        return calls[-1]

    yield make
    for call in calls:
        await call.end()


async def test_what_one_says_the_other_hears_until_it_is_muted_and_again(make_call: MakeCall) -> None:
    heard, spoken = Heard(), Spoken(tone())
    mine, theirs = SoundLink(spoken, Silence()), SoundLink(Silence(), heard)
    await make_call(mine, theirs).connect()
    await heard.tone()
    assert 0.5 < mine.level < 1
    assert theirs.their_level == pytest.approx(mine.level, abs=0.1)
    assert theirs.level == 0.0
    mine.mute(True)
    await heard.silence()
    assert mine.muted
    await spoken.say(20)  # what follows speech is sent for a while
    sent, began_s = mine.stats().sent_packets, time.monotonic()
    await spoken.say(25)
    assert mine.level < 0.1
    # Silence is told of about once a second, however long the blocks have taken.
    assert mine.stats().sent_packets - sent <= 2 + (time.monotonic() - began_s) / NOISE_S
    mine.mute(False)
    await heard.tone()


async def test_nothing_passes_before_the_line_is_used_and_the_next_line_goes_on(make_call: MakeCall) -> None:
    heard = Heard()
    call = make_call(SoundLink(Spoken(tone()), Silence()), SoundLink(Silence(), heard))
    await call.connect()
    await heard.tone()
    for link in call.links:
        link.use(None)
    await heard.silence()
    assert call.links[0].stats().sent_packets == 0
    await call.hang_up()
    await call.connect()
    await heard.tone()


@in_virtual_time
async def test_the_speaker_gets_blocks_ahead_of_their_time_and_20_ms_apart() -> None:
    heard = Heard()
    link = SoundLink(Silence(), heard)
    running = asyncio.create_task(link.run())
    await asyncio.sleep(0.5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    steps = np.diff(heard.times_s)
    assert len(steps) > 20
    assert np.allclose(steps, BLOCK_S)
    assert np.allclose(heard.leads_s, LEAD_S)


async def test_a_clap_is_heard_with_the_capture_time_that_the_other_side_s_clock_gives_it(
    make_call: MakeCall,
) -> None:
    clap = np.zeros(2 * RATE, np.int16)
    clap[RATE : RATE + 300] = 20_000
    spoken = Spoken(clap)
    claps: list[float] = []

    def on_heard(block: Samples, ticks: float | None, heard_s: float) -> None:
        loud = np.abs(block) > 8_000
        if ticks is not None and loud.any():
            claps.append(ticks / 60 + int(np.argmax(loud)) / RATE)

    mine = SoundLink(spoken, Silence())
    theirs = SoundLink(Silence(), Silence(), on_heard=on_heard)
    await make_call(mine, theirs).connect()
    async with asyncio.timeout(PATIENCE_S):
        while (clock := mine.clock()) is None:  # noqa: ASYNC110 -- a microphone tells nobody
            await asyncio.sleep(0.02)
        theirs.take(clock)
        late_s = spoken.late_s  # what is known of the captures' time when the clock is told

        def apart_s(clap_s: float) -> float:
            # Capture times count modulo 4096 ticks; both clocks are this machine's.
            return min(
                ((clap_s - half_s - late_s + 34) % (4096 / 60) - 34 for half_s in spoken.halves_s),
                key=abs,
                default=34.0,
            )

        # A machine that stands still for seconds shifts the claps of the next second, and those alone.
        while not any(abs(apart_s(clap)) < 0.015 for clap in claps):  # noqa: ASYNC110 -- the list is plain
            await asyncio.sleep(0.05)


async def test_pictures_that_are_quicker_than_the_sound_are_held_and_the_error_is_told(
    make_call: MakeCall,
) -> None:
    holds_s: list[float] = []
    mine = SoundLink(Spoken(tone()), Silence())
    theirs = SoundLink(Silence(), Silence(), hold_picture=holds_s.append, speaker_latency_s=0.3)
    await make_call(mine, theirs).connect()
    async with asyncio.timeout(PATIENCE_S):
        while not holds_s or holds_s[-1] < 0.15 or theirs.lip_error_s is None:
            await asyncio.sleep(0.02)
            clock = mine.clock()
            if clock is not None:
                theirs.take(clock)
            ticks = int((time.monotonic() - 0.05) * 60)
            # Shown 50 ms after its capture, and as much later as was asked for.
            hold_s = holds_s[-1] if holds_s else 0.0
            theirs.see(Shown("fresh", ticks, 0, _still()), ticks / 60 + 0.05 + hold_s)


def _still() -> Motion:
    return Motion(np.zeros(3, np.float32), np.zeros(3, np.float32), np.zeros((20, 3), np.float32))


async def test_a_microphone_that_is_unplugged_leaves_the_call_hearing(make_call: MakeCall) -> None:
    heard = Heard()
    await make_call(SoundLink(Spoken(tone()), Silence()), SoundLink(Ended(), heard)).connect()
    await heard.tone()


async def test_a_speaker_that_fails_ends_the_sound_with_its_own_error() -> None:
    class Broken:
        def play(self, block: Samples, at_s: float) -> None:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        await SoundLink(Silence(), Broken()).run()


def test_samples_are_numbered_on_and_leap_where_the_microphone_left_some_out() -> None:
    clock = CaptureClock()
    assert clock.rtp_at(0.0) is None
    now_s = 100.0
    times = []
    for index in range(150):
        now_s += 0.02 if index != 30 else 0.02 + 1.0
        times.append(clock.take(now_s + (0.01 if index % 3 else 0.0)))
    steps = np.diff(times)
    leaps = np.flatnonzero(steps != BLOCK)
    assert len(leaps) == 1
    assert 30 <= leaps[0] <= 30 + sound_clock.PATIENCE_S / BLOCK_S + 3
    assert steps[leaps[0]] == pytest.approx(BLOCK + RATE, abs=600)
    ended = clock.rtp_at(now_s)
    assert ended is not None
    assert ended - times[-1] == pytest.approx(BLOCK, abs=600)


def test_blocks_that_waited_while_the_process_was_away_keep_their_times() -> None:
    clock = CaptureClock()
    # For a second nothing is read; then all that waited comes at once.
    times = [
        clock.take(max(100.0 + 0.02 * (index + 1), 102.0 if 50 <= index < 100 else 0.0))
        for index in range(200)
    ]
    assert set(np.diff(times)) == {BLOCK}
    assert clock.rtp_at(101.0) == pytest.approx(RATE, abs=10)


def test_a_clock_s_pair_holds_at_the_beginning_of_its_tick() -> None:
    clock = CaptureClock(latency_s=0.1)
    assert clock.pair(200.0) is None
    assert clock.take(200.12) == 0  # sounded from 200.00 to 200.02, and read 100 ms later
    pair = clock.pair(200.0 + 30.7 / 60)
    assert pair is not None
    assert pair.ticks == (200 * 60 + 30) % 4096
    assert pair.rtp == pytest.approx(24_000, abs=1)


@pytest.mark.parametrize(
    ("total_bps", "loses", "chosen"),
    [
        (None, True, (24_000, 20, True)),
        (200_000, True, (24_000, 20, True)),
        (100_000, False, (24_000, 20, True)),
        (60_000, True, (12_000, 60, True)),
        (45_000, True, (8_000, 60, True)),
        (45_000, False, (16_000, 60, True)),
        (30_000, True, (8_000, 60, False)),
        (1_000, True, (6_000, 60, False)),
    ],
)
def test_the_call_s_rate_and_its_losses_choose_sound_s(
    total_bps: float | None, loses: bool, chosen: tuple[int, int, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = SoundLink(Silence(), Silence())
    link.use(link.new_line())
    monkeypatch.setattr(SoundLine, "loses", loses)
    link.fit(total_bps)
    assert link._line is not None
    assert (link._line._rate_bps, link._line._frame_ms, link._line._may_repeat) == chosen
    if total_bps is not None and chosen != CHOICES[-1]:
        assert link.cost_bps <= SHARE * total_bps


def test_what_sound_costs_is_what_its_packets_weigh() -> None:
    assert cost_bps(8_000, 60, repeats=False) == pytest.approx(8_000 + 50 * 8 / 0.06)
    assert cost_bps(8_000, 60, repeats=True) == pytest.approx(16_000 + 55 * 8 / 0.06)
