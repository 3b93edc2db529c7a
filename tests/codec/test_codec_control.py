from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.commitment import SafetyCommit, SafetyReveal
from codec.control import decode_control, encode_control
from codec.errors import BitstreamError
from codec.feedback import EARLIER, Feedback, ReadyTransfers, Transit
from codec.fields import MAX_CONTROL_BYTES
from codec.hello import Goodbye, Hello, HelloMismatch, compare, make_hello
from codec.ordered import OrderedMotion
from codec.time import Clock
from codec.transfer import PictureOffer, PicturePiece, PictureReady, PictureRefused

HELLO = Hello(1, "laptop-256", b"g" * 32, b"f" * 32, 256, 25.0, 0, b"s" * 16)
PRINTABLE = st.text(st.characters(categories=["L", "N", "P"]), max_size=50)
HELLOS = st.builds(
    Hello,
    st.just(1),
    PRINTABLE.filter(lambda name: 1 <= len(name.encode()) <= 64),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
    st.integers(1, 65535),
    st.integers(1, 65535).map(lambda rate: rate / 100),
    st.integers(0, 2**32 - 1),
    st.binary(min_size=16, max_size=16),
)
PIECES = st.integers(1, 1024).flatmap(
    lambda count: st.builds(
        PicturePiece,
        st.integers(0, 65535),
        st.integers(0, 3),
        st.integers(0, count - 1),
        st.just(count),
        st.binary(min_size=32, max_size=32),
        st.binary(min_size=1, max_size=960),
    )
)
FEEDBACKS = st.builds(
    Feedback,
    st.none() | st.integers(0, 4095),
    st.integers(0, 2**32 - 1),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.none() | st.integers(0, 3),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.none() | st.builds(Transit, st.integers(0, 254), st.integers(0, 65535)),
    st.none() | st.builds(ReadyTransfers, st.integers(0, 65535), st.integers(0, 127)),
)
MESSAGES = st.one_of(
    HELLOS,
    PIECES,
    FEEDBACKS,
    st.builds(PictureOffer, st.integers(0, 65535), st.integers(0, 3), st.binary(min_size=32, max_size=32)),
    st.builds(PictureReady, st.integers(0, 65535), st.integers(0, 3)),
    st.builds(PictureRefused, st.integers(0, 65535), PRINTABLE),
    st.builds(Goodbye, PRINTABLE, st.booleans()),
    st.builds(OrderedMotion, st.binary(min_size=3, max_size=1099)),
    st.builds(SafetyCommit, st.binary(min_size=32, max_size=32)),
    st.builds(SafetyReveal, st.binary(min_size=16, max_size=16)),
    st.builds(Clock, st.integers(0, 4095), st.integers(0, 2**32 - 1)),
)


@given(MESSAGES)
def test_a_message_comes_back(message):
    data = encode_control(message)
    assert len(data) <= MAX_CONTROL_BYTES
    assert decode_control(data) == message


@given(
    st.one_of(
        st.binary(max_size=300), st.tuples(st.sampled_from([*range(1, 8), 30, 31]), st.binary(max_size=200))
    )
)
def test_any_bytes_give_a_message_or_a_bitstream_error(data):
    data = data if isinstance(data, bytes) else bytes([data[0]]) + data[1]
    try:
        message = decode_control(data)
    except BitstreamError:
        return
    assert encode_control(message) == data


@given(MESSAGES, st.integers(0, 2**16), st.integers(1, 255), st.integers(0, 300))
def test_a_damaged_message_gives_a_message_or_a_bitstream_error(message, position, value, length):
    data = bytearray(encode_control(message))
    data[position % len(data)] ^= value
    for damaged in (data, data[:length]):
        try:
            decode_control(bytes(damaged))
        except BitstreamError:
            continue


def test_feedback_fills_no_more_than_seven_words_of_a_packet():
    transit, ready = Transit(254, 65535), ReadyTransfers(65535, 127)
    most = Feedback(4095, 2**32 - 1, 65535, 2**32 - 1, 3, 65535, 2**32 - 1, transit, ready)
    assert len(encode_control(most)) <= 28


def test_feedback_names_the_transfers_that_are_ready_across_the_end_of_their_numbers():
    ready = ReadyTransfers(1, 0b1000101)
    assert ready.transfers == [1, 0, 65534, 65530]
    named = [transfer for transfer in range(65536) if transfer in ready]
    assert sorted(named) == sorted(ready.transfers)
    assert max((1 - transfer) % 65536 for transfer in named) <= EARLIER


@pytest.mark.parametrize("ready", [b"\0\x01\0", b"\0\0\x02", b"\0\x05\xfe"])
def test_transfers_that_are_ready_before_none_are_refused(ready):
    none_yet = encode_control(Feedback(None, 0, 0, 0, None))
    assert none_yet.endswith(bytes(3))
    with pytest.raises(BitstreamError, match="ready"):
        decode_control(none_yet[:-3] + ready)


@pytest.mark.parametrize(
    "data", [b"", bytes(MAX_CONTROL_BYTES + 1), b"\0", b"\x07ab", b"\x08abc", b"\x06\x1b[2J", b"\x06\xff"]
)
def test_empty_long_unknown_and_unprintable_messages_are_refused(data):
    with pytest.raises(BitstreamError):
        decode_control(data)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PicturePiece(0, 4, 0, 1, bytes(32), b"x"),
        lambda: PicturePiece(0, 0, 1, 1, bytes(32), b"x"),
        lambda: PicturePiece(0, 0, 0, 1025, bytes(32), b"x"),
        lambda: PicturePiece(0, 0, 0, 1, bytes(31), b"x"),
        lambda: PicturePiece(0, 0, 0, 1, bytes(32), b""),
        lambda: SafetyCommit(bytes(31)),
        lambda: SafetyReveal(bytes(17)),
        lambda: Goodbye("x" * 201),
        lambda: Goodbye("two\nlines"),
        lambda: Feedback(4096, 0, 0, 0, None),
        lambda: Feedback(0, 0, 0, 0, None, arrived_packets=65536),
        lambda: Transit(255, 0),
        lambda: ReadyTransfers(65536),
        lambda: ReadyTransfers(0, 128),
        lambda: Clock(4096, 0),
        lambda: Clock(0, 2**32),
        lambda: replace(HELLO, frame_rate=float("nan")),
        lambda: replace(HELLO, profile=""),
        lambda: replace(HELLO, graphs_hash=b""),
    ],
)
def test_messages_that_could_not_be_sent_cannot_be_made(make):
    with pytest.raises(ValueError, match=" "):
        make()


@dataclass(frozen=True)
class Profile:
    name: str = "laptop-256"
    graphs_hash: bytes = b"g" * 32
    picture_size: int = 256


@pytest.mark.parametrize(("rate", "said"), [(29.97, 29.97), (0.0, 0.01), (1e6, 655.35)])
def test_a_hello_tells_the_frame_rate_as_far_as_it_can_be_said(motion_format, rate, said):
    made = make_hello(Profile(), motion_format, frame_rate=rate)
    assert made.frame_rate == said
    assert decode_control(encode_control(made)) == made
    assert made.resumption_secret != make_hello(Profile(), motion_format, frame_rate=rate).resumption_secret


def test_peers_that_differ_only_in_what_is_their_own_can_talk():
    compare(HELLO, replace(HELLO, frame_rate=30.0, capabilities=7, resumption_secret=b"t" * 16))


@pytest.mark.parametrize(
    ("change", "ours", "theirs"),
    [
        ({"version": 2}, "version 1", "version 2"),
        ({"profile": "paper-512"}, "'laptop-256'", "'paper-512'"),
        ({"picture_size": 512}, "256", "512"),
        ({"graphs_hash": b"h" * 32}, "67676767", "68686868"),
        ({"format_hash": b"h" * 32}, "66666666", "68686868"),
    ],
)
def test_a_mismatch_is_one_sentence_with_both_values(change, ours, theirs):
    with pytest.raises(HelloMismatch) as caught:
        compare(HELLO, replace(HELLO, **change))
    sentence = str(caught.value)
    assert ours in sentence
    assert theirs in sentence
    assert sentence.endswith(".")
    assert ". " not in sentence


def test_a_longer_hello_of_a_later_version_can_still_be_named():
    later = decode_control(encode_control(replace(HELLO, version=9)) + b"what version 9 adds")
    with pytest.raises(HelloMismatch, match="version 9"):
        compare(HELLO, later)
    with pytest.raises(BitstreamError):
        decode_control(encode_control(HELLO) + b"x")
