"""The relay, and the impaired line in it: what it does to packets on paper and to two real peers."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from transport_sides import Pair, until

from transport.impairment import QUEUE_S, ImpairedLine, Impairment
from transport.meet import connect_in_process
from transport.relay import Relay


def fates(
    impairment: Impairment, count: int, *, seed: str = "1", spacing_s: float = 0.01
) -> list[list[float]]:
    """Return when each of `count` packets of 100 bytes arrives, as delays after it was sent."""
    line = ImpairedLine(impairment, seed=seed)
    sent_s = [index * spacing_s for index in range(count)]
    return [[each_s - at_s for each_s in line.arrivals_s(100, at_s)] for at_s in sent_s]


def runs_of_losses(arrivals: list[list[float]]) -> list[int]:
    letters = "".join("." if each else "x" for each in arrivals)
    return [len(run) for run in letters.split(".") if run]


def test_an_unimpaired_line_passes_everything_at_once() -> None:
    assert fates(Impairment(), 100) == [[0.0]] * 100


@pytest.mark.parametrize(("loss", "burst"), [(0.1, 1.0), (0.3, 1.0), (0.1, 5.0), (0.2, 5.0)])
def test_losses_have_the_share_and_the_length_asked_for(loss: float, burst: float) -> None:
    arrivals = fates(Impairment(loss=loss, burst=burst), 20_000)
    assert sum(not each for each in arrivals) / 20_000 == pytest.approx(loss, rel=0.12)
    runs = runs_of_losses(arrivals)
    independent = 1 / (1 - loss)
    assert sum(runs) / len(runs) == pytest.approx(burst if burst > 1 else independent, rel=0.1)


def test_the_nth_packet_s_chances_are_the_seed_s_whatever_the_timing() -> None:
    impairment = Impairment(loss=0.3, burst=2, jitter_s=0.05, duplicate=0.2)
    quick, slow = fates(impairment, 500), fates(impairment, 500, spacing_s=0.5)
    assert [len(each) for each in quick] == [len(each) for each in slow]
    assert [each for one in quick for each in one] == pytest.approx([each for one in slow for each in one])
    assert quick != fates(impairment, 500, seed="2")


def test_delay_and_jitter_stay_within_their_bounds_and_jitter_reorders() -> None:
    took = [each for (each,) in fates(Impairment(delay_s=0.1, jitter_s=0.05), 1000)]
    assert min(took) == pytest.approx(0.1, abs=0.002)
    assert max(took) == pytest.approx(0.15, abs=0.002)
    assert all(0.1 <= each <= 0.15 for each in took)
    arrivals = [index * 0.01 + each for index, each in enumerate(took)]
    assert arrivals != sorted(arrivals)


def test_some_packets_come_twice() -> None:
    twice = sum(len(each) == 2 for each in fates(Impairment(duplicate=0.2), 2000))
    assert twice == pytest.approx(400, rel=0.15)


def test_a_limited_rate_is_kept_over_any_second_and_its_queue_is_bounded() -> None:
    line = ImpairedLine(
        Impairment(rate_bps=80_000), seed="1"
    )  # a tenth of what is sent: 100 bytes a millisecond
    arrivals = [each for index in range(5000) for each in line.arrivals_s(100, index / 1000)]
    assert arrivals == sorted(arrivals)
    for start in range(4):
        passed = sum(100 for each in arrivals if start < each <= start + 1)
        assert passed <= 10_000 + 1500
    assert sum(100 for each in arrivals if 2 < each <= 4) == pytest.approx(20_000, rel=0.02)
    assert max(arrivals) <= 5 + QUEUE_S + 0.02
    assert line.counts.overflowed == 5000 - len(arrivals) > 3000


def test_nothing_passes_in_an_outage() -> None:
    arrivals = fates(Impairment(outage_s=(1.0, 3.0)), 500)
    assert [bool(each) for each in arrivals] == [True] * 100 + [False] * 200 + [True] * 200


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Impairment(loss=1.5),
        lambda: Impairment(loss=0.9, burst=2),
        lambda: Impairment(burst=0.5),
        lambda: Impairment(delay_s=-1),
        lambda: Impairment(rate_bps=10),
        lambda: Impairment(outage_s=(3, 1)),
    ],
)
def test_a_line_that_cannot_be_is_refused(wrong: Callable[[], Impairment]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        wrong()


@pytest.fixture
async def relays() -> AsyncIterator[Callable[..., Relay]]:
    """Make relays that are closed in the end."""
    made: list[Relay] = []

    def make(forward: Impairment, back: Impairment) -> Relay:
        made.append(Relay(forward, back, seed=3))
        return made[-1]

    yield make
    for relay in made:
        relay.close()


async def test_peers_meet_through_the_relay_and_their_counters_count_what_they_send(
    apart: Pair, relays: Callable[..., Relay]
) -> None:
    left, right = apart
    relay = relays(Impairment(), Impairment())
    await connect_in_process(left.peer, right.peer, relay=relay)
    for index in range(20):
        left.peer.send_motion(bytes([index]) * 40)
        await asyncio.sleep(0.005)
    await until(lambda: len(right.motions) == 20)
    right.peer.send_control(b"back")
    await until(lambda: left.controls == [b"back"])
    assert right.peer.stats().received_packets <= relay.forward.packets
    # The peers also ask at their other addresses, where the relay does not listen to them.
    assert relay.forward.passed_bytes <= left.peer.stats().sent_bytes
    assert relay.back.passed_bytes <= right.peer.stats().sent_bytes
    assert relay.forward.lost == relay.back.lost == 0


async def test_a_lossy_line_loses_motions_and_delivers_control_whole(
    apart: Pair, relays: Callable[..., Relay]
) -> None:
    left, right = apart
    relay = relays(Impairment(loss=0.1, delay_s=0.01), Impairment(loss=0.1))
    await connect_in_process(left.peer, right.peer, relay=relay)
    for index in range(200):
        left.peer.send_motion(index.to_bytes(2, "big") + bytes(40))
        if index % 40 == 0:
            left.peer.send_control(bytes([index]))
        await asyncio.sleep(0.005)
    await until(lambda: len(right.controls) == 5)
    assert right.controls == [bytes([index]) for index in range(0, 200, 40)]
    arrived = [int.from_bytes(motion[:2], "big") for motion in right.motions]
    assert len(set(arrived)) == len(arrived)
    assert 140 < len(arrived) < 200
    assert 0.03 < relay.forward.lost_share < 0.2
