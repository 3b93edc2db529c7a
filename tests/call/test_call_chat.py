import pytest

from call.chat import NUMBERS, Chatting
from call.errors import CallError
from call.state import Line


def test_lines_of_both_sides_stand_in_the_order_in_which_they_came() -> None:
    one, other = Chatting(), Chatting()
    for chat in one.say("Hello"):
        assert other.take(chat)
    for chat in other.say("Good morning"):
        assert one.take(chat)
    assert one.lines == (Line(True, "Hello"), Line(False, "Good morning"))
    assert other.lines == (Line(False, "Hello"), Line(True, "Good morning"))


def test_what_a_lost_line_has_swallowed_is_said_again_and_nothing_twice() -> None:
    one, other = Chatting(), Chatting()
    said = [chat for text in ("a", "b", "c", "d") for chat in one.say(text)]
    for chat in said[:2]:
        other.take(chat)
    for chat in one.missing(other.taken):
        assert other.take(chat)
    assert [line.text for line in other.lines] == ["a", "b", "c", "d"]
    assert one.missing(other.taken) == []
    assert not other.take(said[1])
    assert len(other.lines) == 4


def test_numbers_begin_anew_without_a_line_being_lost() -> None:
    one, other = Chatting(), Chatting()
    one._next = other.taken = NUMBERS - 1
    for text in ("before", "after"):
        one.say(text)
    for chat in one.missing(other.taken):
        other.take(chat)
    assert [line.text for line in other.lines] == ["before", "after"]


@pytest.mark.parametrize("text", ["", "  \n ", "\x1b\x07", "x" * 501])
def test_empty_and_long_lines_are_refused_with_a_sentence(text: str) -> None:
    chatting = Chatting()
    with pytest.raises(CallError, match="1 to 500 characters"):
        chatting.say(text)
    assert chatting.lines == ()


def test_a_line_that_is_long_in_bytes_crosses_in_parts() -> None:
    one, other = Chatting(), Chatting()
    text = "\N{GRINNING FACE}" * 500
    for chat in one.say(text):
        assert other.take(chat)
    assert "".join(line.text for line in other.lines) == text
    assert one.lines == tuple(Line(True, line.text) for line in other.lines)


def test_line_ends_become_blanks_and_what_would_turn_the_text_around_is_left_out() -> None:
    (chat,) = Chatting().say("two\nlines \N{RIGHT-TO-LEFT OVERRIDE}and \ud800more")
    assert chat.text == "two lines and more"
