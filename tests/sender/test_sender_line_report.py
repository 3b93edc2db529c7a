"""What feedback says of the line: loss counted to the packet, rates, and queues told from slow senders and other
clocks."""

from collections.abc import Callable

import pytest

from codec.feedback import Feedback, Transit
from codec.time import TICK_CYCLE
from sender.coding import Packet
from sender.line_report import LineMeter, QueueMeter
from sender.rate import Report
from transport.impairment import ImpairedLine, Impairment

PACKET_BYTES = 100


class Line:
    """A sender of 25 packets a second, and a receiver that sends feedback four times a second."""

    def __init__(self, *, offset_ms: float = 12_345.0, began_s: float = 1000.0) -> None:
        self.meter = LineMeter()
        self.index = 0
        self.arrived = self.newest = 0
        self.bytes = 2**32 - 500
        self.ways_ms: list[tuple[float, int]] = []
        self.came: set[int] = set()
        self.offset_ms = offset_ms
        self.now_s = began_s

    def run(
        self,
        seconds: float,
        *,
        lose=lambda index: False,
        way_s=0.02,
        own_s=lambda index: 0.0,
        feeds=True,
        copies=1,
    ) -> list[Report]:
        reports, copy = [], 0
        for step in range(round(seconds * 25)):
            self.now_s += 0.04
            ticks = round(self.now_s * 60)
            packet = Packet(bytes(PACKET_BYTES), 1, ticks / 60)
            self.index += 1
            sent_s = ticks / 60 + own_s(self.index)
            self.meter.sent(packet, taken=True, at_s=sent_s, copies=copies)
            for number in range(copies):
                if number:
                    self.meter.sent_again()
                copy += 1
                if lose(self.index if copies == 1 else copy):
                    continue
                self.arrived += 1
                self.bytes += PACKET_BYTES
                self.newest = ticks
                self.came.add(ticks)
                self.ways_ms.append((1000 * (sent_s + way_s - ticks / 60), ticks))
            if feeds and step % 6 == 5 and (report := self.feed()) is not None:
                reports.append(report)
        return reports

    def feed(self) -> Report | None:
        transit = None
        if self.ways_ms:
            way_ms, ticks = min(self.ways_ms)
            transit = Transit(self.newest - ticks, round(way_ms + self.offset_ms) % 65536)
        self.ways_ms.clear()
        bitmap = sum(1 << i for i in range(32) if self.newest - i - 1 in self.came)
        feedback = Feedback(
            self.newest % TICK_CYCLE, bitmap, 0, 0, 0, self.arrived % 65536, self.bytes % 2**32, transit
        )
        return self.meter.take(feedback, at_s=self.now_s, sent_bytes=self.index * PACKET_BYTES)


def test_a_line_that_loses_from_the_first_packet_on_is_told_before_its_rates_are_known() -> None:
    line = Line()
    first = line.run(0.25, lose=lambda index: index in (2, 3))[0]
    assert first.loss == pytest.approx(1 / 3, abs=0.1)
    assert first.sent_bps == first.arrived_bps == first.queueing_s == 0
    assert Line().run(0.25) == []  # nothing is lost, and nothing else known


def test_a_good_line_has_no_loss_no_queue_and_its_rates() -> None:
    reports = Line().run(10)
    assert len(reports) > 30
    for report in reports:
        assert report.loss == 0
        assert report.queueing_s == pytest.approx(0, abs=0.002)
        assert report.sent_bps == pytest.approx(25 * 8 * PACKET_BYTES, rel=0.1)
        assert report.arrived_bps == pytest.approx(25 * 8 * PACKET_BYTES, rel=0.1)


def test_loss_is_counted_to_the_packet() -> None:
    line = Line()
    line.run(10)
    report = line.run(10, lose=lambda index: index % 5 == 0)[-1]
    assert report.loss == pytest.approx(0.2, abs=0.02)
    assert report.arrived_bps == pytest.approx(0.8 * report.sent_bps, rel=0.1)
    assert line.run(10)[-1].loss > 0.05  # it may come again
    assert line.run(15)[-1].loss == 0


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_runs_of_losses_are_told_from_scattered_ones_however_often_packets_go(copies: int) -> None:
    def chances(mean: float) -> Callable[[int], bool]:
        line = ImpairedLine(Impairment(loss=0.2, burst=mean), seed="losses")
        return lambda index: not line.arrivals_s(100, index / 25)

    for mean, least, most in ((1.0, 1.0, 1.6), (5.0, 3.0, 8.0)):
        line = Line()
        line.run(5)
        report = line.run(40, lose=chances(mean), copies=copies)[-1]
        assert least <= report.burst <= most
        assert 0.1 < report.loss < 0.5


def test_one_run_of_losses_proves_nothing() -> None:
    line = Line()
    line.run(5)
    reports = line.run(5, lose=lambda index: 140 <= index < 142)
    assert max(report.burst for report in reports) < 1.5


def test_what_was_lost_before_a_silence_is_not_forgotten() -> None:
    line = Line()
    line.run(10, lose=lambda index: index % 4 == 0)
    line.run(1.5, feeds=False)
    assert line.run(2)[-1].loss > 0.15


def test_counters_that_begin_anew_change_nothing() -> None:
    line = Line()
    line.arrived = 65530
    reports = line.run(10)
    assert all(report.loss == 0 and 0 < report.arrived_bps < 25_000 for report in reports)


def test_a_longer_way_is_a_queue_and_a_slow_sender_is_none() -> None:
    line = Line(offset_ms=65_530.0)  # the receiver's count wraps in between
    line.run(10)
    slow = line.run(5, own_s=lambda index: 0.3 + 0.2 * (index % 3))
    assert max(report.queueing_s for report in slow) < 0.01
    queued = line.run(2, way_s=0.22)
    assert queued[-1].queueing_s == pytest.approx(0.2, abs=0.005)
    assert line.run(2)[-1].queueing_s == pytest.approx(0, abs=0.005)


def test_a_way_that_is_longer_from_now_on_is_a_queue_for_some_seconds_only() -> None:
    line = Line()
    line.run(20)
    longer = [report.queueing_s for report in line.run(12, way_s=0.15)]
    assert longer[4] == pytest.approx(0.13, abs=0.005)
    assert max(longer[-16:]) < 0.01
    # What comes on top of that is one again, and back on the old way there is none.
    assert line.run(2, way_s=0.35)[-1].queueing_s == pytest.approx(0.2, abs=0.005)
    assert line.run(2)[-1].queueing_s == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize(
    ("way_s", "lose"),
    [
        (lambda index: 0.9 - 0.002 * index, lambda index: False),
        (lambda index: 0.12 + 0.001 * index, lambda index: False),
        (lambda index: 0.15, lambda index: index % 20 == 0),  # as full as it can be
    ],
    ids=["shrinks", "grows", "loses"],
)
def test_a_queue_that_changes_or_loses_packets_is_no_longer_way(
    way_s: Callable[[int], float], lose: Callable[[int], bool]
) -> None:
    line = Line()
    line.run(20)
    begins = line.index
    queueing_s = [
        report.queueing_s
        for _ in range(300)
        for report in line.run(0.24, way_s=way_s(line.index - begins), lose=lose)
    ]
    assert min(queueing_s[4:60]) > 0.08


def test_two_clocks_that_drift_apart_make_no_queue() -> None:
    meter = QueueMeter()
    queueing_s = [meter.update(20 + 0.2e-3 * at * 250 * 4 / 4, at / 4) for at in range(4 * 600)]
    assert max(queueing_s) < 0.02  # 200 parts in a million, for ten minutes


def test_a_receiver_that_counts_anew_makes_no_queue() -> None:
    meter = QueueMeter()
    for at in range(40):
        meter.update(500.0, at / 4)
    assert meter.update(500.0 + 20_000, 11.0) == 0
    assert meter.update(500.0 + 20_100, 11.25) == 0
    assert meter.update(500.0 + 20_100, 11.5) == pytest.approx(0.1)


def test_an_outage_is_no_loss_and_does_not_say_that_the_line_is_narrow() -> None:
    line = Line()
    before = line.run(10)[-1]
    line.run(0.12)
    line.run(2, lose=lambda index: True, feeds=False)
    line.ways_ms.clear()  # told, and the feedback lost
    assert line.feed() is None  # of what came before the outage
    after = line.run(5)
    assert len(after) > 10
    assert all(report.loss == 0 for report in after)
    assert all(report.arrived_bps == pytest.approx(before.arrived_bps, rel=0.1) for report in after)


@pytest.mark.parametrize(
    ("silence_s", "counted_s", "way_s"),
    [
        (60.0, 60.0 - TICK_CYCLE / 60, 0.02),  # the receiver takes it for a step back of 8 s
        (5.0, 5.0, 0.17),  # it was another line afterwards
    ],
)
def test_after_a_silence_no_longer_way_is_a_queue(silence_s: float, counted_s: float, way_s: float) -> None:
    line = Line()
    line.run(10)
    line.feed()
    line.now_s += silence_s
    line.offset_ms += 1000 * (silence_s - counted_s)
    after = line.run(10, way_s=way_s)
    assert len(after) > 10
    assert max(report.queueing_s for report in after) < 0.02
    assert line.run(2, way_s=way_s + 0.2)[-1].queueing_s == pytest.approx(0.2, abs=0.005)


def test_old_feedback_and_that_of_another_call_say_nothing() -> None:
    line = Line()
    assert line.feed() is None
    line.run(3)
    known = line.newest
    line.run(1, feeds=False)
    line.feed()
    line.newest = known
    line.ways_ms.append((20.0, known))
    assert line.feed() is None  # overtaken by what came first
    line.newest += 4000
    assert line.feed() is None
