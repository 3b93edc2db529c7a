import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.control import decode_control, encode_control
from codec.conversation import Accept, Chat, Decline, Name, Ring, Status, Unmet, Wish, is_printable
from codec.errors import BitstreamError
from codec.fields import MAX_CONTROL_BYTES

PRINTABLE = st.text(st.characters(categories=["L", "N", "P", "S"]), max_size=50)
BYTES, WORDS = st.integers(0, 255), st.integers(0, 65535)
MESSAGES = st.one_of(
    st.builds(Chat, WORDS, PRINTABLE.filter(bool)),
    st.builds(Status, BYTES, WORDS),
    st.builds(Wish, BYTES),
    st.builds(Unmet, BYTES),
    st.builds(Ring, BYTES),
    st.builds(Name, PRINTABLE.filter(bool).map(lambda text: text[:40])),
    st.just(Accept()),
    st.builds(Decline, PRINTABLE),
)


@given(MESSAGES)
def test_a_message_comes_back(message):
    data = encode_control(message)
    assert len(data) <= MAX_CONTROL_BYTES
    assert decode_control(data) == message


@given(st.integers(20, 29), st.binary(max_size=1100))
def test_any_bytes_give_a_message_or_a_bitstream_error(kind, body):
    data = bytes([kind]) + body
    try:
        message = decode_control(data)
    except BitstreamError:
        return
    assert encode_control(message) == data


def test_the_longest_line_of_chat_fits_into_a_message():
    chat = Chat(65535, "\N{GRINNING FACE}" * 250)
    assert decode_control(encode_control(chat)) == chat


def test_emoji_of_several_parts_are_printable_and_what_moves_the_text_is_not():
    assert is_printable("\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}")
    for text in ("a\nb", "\x1b[2J", "\N{RIGHT-TO-LEFT OVERRIDE}x", "\N{LINE SEPARATOR}"):
        assert not is_printable(text)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Chat(0, ""),
        lambda: Chat(0, "x" * 501),
        lambda: Chat(0, "\N{GRINNING FACE}" * 251),
        lambda: Chat(0, "two\nlines"),
        lambda: Chat(65536, "x"),
        lambda: Status(256),
        lambda: Status(0, 65536),
        lambda: Wish(256),
        lambda: Unmet(256),
        lambda: Ring(-1),
        lambda: Name(""),
        lambda: Name("x" * 41),
        lambda: Name("two\nlines"),
        lambda: Name("\N{RIGHT-TO-LEFT OVERRIDE}x"),
        lambda: Decline("x" * 201),
        lambda: Decline("\x07"),
    ],
)
def test_messages_that_could_not_be_sent_cannot_be_made(make):
    with pytest.raises(ValueError, match=" "):
        make()


@pytest.mark.parametrize(
    "data", [b"\x14\0", b"\x14\0\0", b"\x14\0\0\xff", b"\x15\0", b"\x16", b"\x17\0\0", b"\x18\0", b"\x19\x07"]
)
def test_short_long_and_unprintable_messages_are_refused(data):
    with pytest.raises(BitstreamError):
        decode_control(data)
