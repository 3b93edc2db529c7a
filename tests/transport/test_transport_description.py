"""Descriptions from strangers: used when they are sound, refused with a sentence when they are not."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport.description import MAX_SDP_BYTES, Description, IceServer, rtc_ice_servers
from transport.errors import TransportError

SDP = "\r\n".join(
    [
        "v=0",
        "o=- 3970000000 3970000000 IN IP4 0.0.0.0",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "a=msid-semantic:WMS *",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 192.0.2.2",
        "a=mid:0",
        "a=sctp-port:5000",
        "a=max-message-size:262144",
        "a=candidate:f 1 udp 2130706431 192.0.2.2 40000 typ host",
        "a=end-of-candidates",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuv",
        "a=fingerprint:sha-256 " + ":".join(["AB"] * 32),
        "a=setup:actpass",
        "",
    ]
)
AUDIO = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:1\r\na=rtpmap:111 opus/48000/2\r\n"


def test_a_description_survives_its_json() -> None:
    description = Description(type="offer", sdp=SDP)
    assert Description.from_json(description.to_json()) == description


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("m=application", "m=audio"),
        ("a=setup:actpass", AUDIO),
        ("a=sctp-port:5000", "a=sctp-port:70000"),
        ("a=sctp-port:5000\r\n", ""),
        ("a=ice-pwd:abcdefghijklmnopqrstuv", "a=ice-pwd:short"),
        ("a=ice-ufrag:abcd\r\n", ""),
        ("192.0.2.2 40000 typ", "192.0.2.2 99999 typ"),
        ("192.0.2.2 40000 typ", "somewhere.example 40000 typ"),
        ("a=candidate:f 1", "a=candidate:f 7"),
        ("a=candidate", "b=candidate"),
        ("a=end-of-candidates", "a=candidate:f 1 udp 1 192.0.2.2 40000 typ host\r\n" * 100),
        ("a=fingerprint", "b=fingerprint"),
        ("a=setup:actpass\r\n", ""),
        ("a=setup:actpass", "a=setup:sideways"),
        ("a=max-message-size:262144", "a=max-message-size:3"),
        ("a=max-message-size:262144", "a=max-message-size:-1"),
        ("BUNDLE 0", "BUNDLE 1 0"),
        ("a=mid:0\r\n", ""),
        ("s=-", "s=-" + "-" * MAX_SDP_BYTES),
        ("s=-", "s=\u00e9"),
        (SDP, ""),
        (SDP, "garbage"),
    ],
)
def test_an_unusable_description_is_refused_with_a_sentence(old: str, new: str) -> None:
    assert old in SDP
    with pytest.raises(TransportError, match=r"^The session|^A session"):
        Description(type="offer", sdp=SDP.replace(old, new, 1))


@pytest.mark.parametrize(
    "text",
    [b"", b"not JSON", b"\xff\xfe", b"[]", b"3", b"{}", b'{"type": "offer"}', b"[" * 60_000]
    + [json.dumps({"type": kind, "sdp": SDP}).encode() for kind in ("rollback", 7, None)],
)
def test_what_is_no_description_is_refused_with_a_sentence(text: bytes) -> None:
    with pytest.raises(TransportError):
        Description.from_json(text)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_description_is_sound_or_refused_and_nothing_else(data: st.DataObject) -> None:
    lines = SDP.split("\r\n")
    index = data.draw(st.integers(0, len(lines) - 1))
    cut = data.draw(st.integers(0, len(lines[index])))
    lines[index] = lines[index][:cut] + data.draw(st.text(max_size=12))
    with contextlib.suppress(TransportError):
        Description(type=data.draw(st.sampled_from(["offer", "answer"])), sdp="\r\n".join(lines))


def test_servers_that_are_none_are_refused() -> None:
    assert rtc_ice_servers([IceServer("stun:stun.example:3478")])[0].urls == "stun:stun.example:3478"
    for url in ("stun.example", "http://stun.example", "stun:", "turn:a b"):
        with pytest.raises(TransportError, match="STUN or TURN"):
            IceServer(url)
    for url in ("stun:stun.example:0", "turn:turn.example:65536", "turns:turn.example:99999?transport=tcp"):
        with pytest.raises(TransportError, match="port must be from 1 to 65535"):
            IceServer(url)
