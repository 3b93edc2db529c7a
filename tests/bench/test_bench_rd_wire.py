"""What streams cost, payload and wire."""

import numpy as np
import pytest

from bench.rd_wire import (
    ACKNOWLEDGEMENT_BYTES,
    RTP_PACKET_BYTES,
    conventional_cost,
    our_cost,
    rates,
    rtp_bytes,
)
from bench.talk import first_bytes
from codec.control import encode_control
from codec.picture import cut_picture, encode_picture
from sender.operating_points import PACKET_BYTES
from sender.present import HEADERS_BYTES
from sender.source import FINE_QUALITY


def test_a_frame_over_rtp_takes_as_many_headers_as_packets() -> None:
    assert RTP_PACKET_BYTES == 40 + 8 + 12 + 10
    assert rtp_bytes(100) == 170
    assert rtp_bytes(1200) == 1270
    assert rtp_bytes(1201) == 1201 + 2 * 70


def test_a_codecs_rate_is_its_stream_and_its_key_frame_can_be_spread_like_our_picture() -> None:
    figures = rates(conventional_cost([3000] + [100] * 49, seconds=2.0), size=100)
    assert figures["payload_kbps"] == figures["payload_kbps_clip"] == pytest.approx(8 * 7900 / 2 / 1000)
    assert figures["payload_kbps_call"] == pytest.approx(8 * (5000 / 2 + 3000 / 300) / 1000)
    assert figures["bpp"] == pytest.approx(8 * 7900 / (50 * 100 * 100))


def test_our_rate_counts_the_picture_over_five_minutes_and_over_the_clip() -> None:
    figures = rates(our_cost([20] * 50, once_bytes=3000, frames=50, seconds=2.0), size=100)
    assert figures["payload_kbps"] == figures["payload_kbps_call"]
    assert figures["payload_kbps"] == pytest.approx(8 * (1000 / 2 + 10) / 1000)
    assert figures["payload_kbps_clip"] == pytest.approx(8 * (1000 + 3000) / 2 / 1000)


def test_a_source_picture_counts_as_the_messages_that_it_crosses_in() -> None:
    shades = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    picture = shades.repeat(8, axis=0).repeat(8, axis=1)
    pieces = cut_picture(encode_picture(picture, quality=FINE_QUALITY), transfer=1, slot=0)
    assert len(pieces) > 1
    assert first_bytes(picture) == sum(len(encode_control(piece)) for piece in pieces)


def test_our_wire_pays_for_headers_of_every_packet() -> None:
    alone, bundled = (
        rates(our_cost(sizes, once_bytes=3000, frames=50, seconds=2.0), size=100)
        for sizes in ([20] * 50, [40] * 25)
    )
    saved = 25 * PACKET_BYTES / 2
    assert alone["wire_kbps"] - bundled["wire_kbps"] == pytest.approx(8 * saved / 1000)
    assert alone["payload_kbps"] == bundled["payload_kbps"]


def test_a_frozen_picture_costs_its_picture_alone() -> None:
    figures = rates(our_cost([], once_bytes=3000, frames=50, seconds=2.0), size=100)
    assert figures["payload_kbps"] == pytest.approx(8 * 3000 / 300 / 1000)
    pieces = 3 * (HEADERS_BYTES + ACKNOWLEDGEMENT_BYTES)
    assert figures["wire_kbps_clip"] == pytest.approx(8 * (3000 + pieces) / 2 / 1000)


def test_what_a_clip_makes_us_repair_counts_within_the_clip() -> None:
    plain, repaired = (
        rates(our_cost([20] * 50, once_bytes=3000, clip_bytes=size, frames=50, seconds=2.0), size=100)
        for size in (0, 2000)
    )
    assert repaired["payload_kbps"] - plain["payload_kbps"] == pytest.approx(8 * 2000 / 2 / 1000)
    pieces = 2 * (HEADERS_BYTES + ACKNOWLEDGEMENT_BYTES)
    assert repaired["wire_kbps"] - plain["wire_kbps"] == pytest.approx(8 * (2000 + pieces) / 2 / 1000)
