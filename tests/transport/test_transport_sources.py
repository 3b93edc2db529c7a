"""Streams of the other side's, of which there may be a few and not a million."""

import os
import struct
from typing import Any

import pylibsrtp
import pytest
from pylibsrtp import Policy, Session
from transport_sides import Pair, until

from transport.sources import MOST_SOURCES, FewSources


def packet(source: int, sequence: int = 1) -> bytes:
    return struct.pack(">BBHII", 0x80, 99, sequence, 0, source) + b"something"


def report(source: int) -> bytes:
    return struct.pack(">BBHI", 0x80, 201, 1, source)


def test_a_source_too_many_is_left_out_and_the_others_go_on() -> None:
    key = os.urandom(30)
    there = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND))
    here = FewSources(Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND)))
    with pytest.raises(pylibsrtp.Error):
        here.unprotect(bytes([0x80, 99]) + bytes(40))  # not authentic, and no source
    for source in range(MOST_SOURCES):
        assert here.unprotect(there.protect(packet(source))) == packet(source)
    for more in (MOST_SOURCES, MOST_SOURCES + 1):
        with pytest.raises(pylibsrtp.Error):
            here.unprotect(there.protect(packet(more)))
        with pytest.raises(pylibsrtp.Error):
            here.unprotect_rtcp(there.protect_rtcp(report(more)))
    assert here.unprotect(there.protect(packet(7, 2))) == packet(7, 2)
    assert here.unprotect_rtcp(there.protect_rtcp(report(7))) == report(7)


async def test_a_connection_takes_a_few_sources_and_its_motion_goes_on(pair: Pair) -> None:
    left, right = pair
    session: Any = right.peer._wire._sctp.transport._rx_srtp
    for source in range(2 * MOST_SOURCES):
        await left.peer._wire._sctp.transport._send_rtp(packet(source))
        if source % 16 == 0:
            left.peer.send_motion(b"moves")
            await until(lambda count=source // 16: len(right.motions) == count + 1)  # type: ignore[misc]
    assert len(session._known) == MOST_SOURCES
