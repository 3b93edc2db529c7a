"""What a room's server and sides say to each other: it comes back whole, and nothing else comes through."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import description, room_messages
from transport.errors import TransportError
from transport.room_messages import (
    MAX_MESSAGE_BYTES,
    MAX_SDP_BYTES,
    Enter,
    Entered,
    Left,
    Meet,
    Parted,
    Refused,
    Tell,
    Turn,
    Wanted,
    read,
    write,
)

SECRETS = st.text("0123456789abcdef", min_size=32, max_size=32)
TOKENS = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", min_size=4, max_size=32)
ROOMS = st.from_regex(room_messages._ROOM, fullmatch=True)
MESSAGES = st.one_of(
    st.builds(Enter, ROOMS, SECRETS, st.none() | TOKENS),
    st.builds(Enter, ROOMS, SECRETS, TOKENS, st.booleans()),
    st.builds(Entered, TOKENS),
    st.builds(Turn, st.booleans()),
    st.builds(Tell, st.sampled_from(["offer", "answer"]), st.text(st.characters(max_codepoint=127))),
    st.builds(Refused, st.text(st.characters(categories=["L", "N", "P"]), max_size=200)),
    st.sampled_from([Meet(), Wanted(), Parted(), Left()]),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(MESSAGES)
def test_a_message_comes_back(message: room_messages.Message) -> None:
    assert read(write(message)) == message


@given(st.text() | JSON.map(json.dumps))
def test_any_text_gives_a_message_or_an_error(text: str) -> None:
    try:
        message = read(text)
    except TransportError:
        return
    assert read(write(message)) == message


@given(
    MESSAGES,
    st.sampled_from(["kind", "room", "secret", "code", "again", "offers", "type", "sdp", "why", "x"]),
    JSON,
)
def test_a_field_with_anything_in_it_gives_a_message_or_an_error(
    message: room_messages.Message, name: str, value: Any
) -> None:
    changed = json.dumps(json.loads(write(message)) | {name: value})
    try:
        read(changed)
    except TransportError:
        return


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7",
        "null",
        "[" * 50_000,
        "{}",
        '{"kind": ["meet"]}',
        '{"kind": "Meet"}',
        '{"kind": "meet", "more": 1}',
        '{"kind": "enter", "room": "den"}',
        '{"kind": "enter", "room": "a b", "secret": "%s"}' % ("0" * 32),
        '{"kind": "enter", "room": "den", "secret": "%s", "again": true}' % ("0" * 32),
        '{"kind": "enter", "room": "den", "secret": "%s", "again": 1}' % ("0" * 32),
        '{"kind": "tell", "type": "rollback", "sdp": ""}',
        '{"kind": "tell", "type": "offer", "sdp": "\\ud800"}',
        '{"kind": "tell", "type": "offer", "sdp": "%s"}' % ("x" * (MAX_SDP_BYTES + 1)),
        '{"kind": "refused", "why": "\\u001b[2J"}',
        '{"kind": "entered", "code": null}',
        '{"kind": "turn", "offers": "yes"}',
    ],
)
def test_what_is_no_message_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(TransportError) as caught:
        read(text)
    assert str(caught.value).endswith(".")
    assert len(str(caught.value)) < 200


def test_the_longest_description_fits_into_a_message() -> None:
    assert description.MAX_SDP_BYTES == MAX_SDP_BYTES
    lines = "a=" + "x" * 10 + "\r\n"
    assert len(write(Tell("offer", (lines * 2000)[:MAX_SDP_BYTES]))) < MAX_MESSAGE_BYTES
