"""The text chat of a call: its lines in order, none lost and none twice, whatever happens to the line between.

Knows no connection: what is to be said is handed back.
"""

from __future__ import annotations

from collections import deque

from call.errors import CallError
from call.state import Line
from codec.conversation import MAX_CHAT_BYTES, MAX_CHAT_CHARACTERS, Chat, is_printable

NUMBERS = 0x10000  # they begin anew
# What is kept: to be shown, and to be said again. More is not said within one outage.
MOST_LINES = 200


class Chatting:
    """Both sides' lines, the newest last."""

    def __init__(self) -> None:
        self.taken = 0  # of the other side's, modulo NUMBERS
        self._lines: deque[Line] = deque(maxlen=MOST_LINES)
        self._said: deque[Chat] = deque(maxlen=MOST_LINES)
        self._next = 0

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines to show."""
        return tuple(self._lines)

    def say(self, text: str) -> list[Chat]:
        """Take a line of this side's; return what is to be sent: two or three messages where it is long in bytes.

        Raises CallError where it is empty or longer than 500 characters. Line ends become blanks, and what cannot be
        shown is left out.
        """
        text = " ".join(text.split())
        text = "".join(character for character in text if is_printable(character))
        if not 1 <= len(text) <= MAX_CHAT_CHARACTERS:
            raise CallError(f"A line of chat has 1 to {MAX_CHAT_CHARACTERS} characters, not {len(text)}.")
        messages = []
        for part in _parts(text):
            messages.append(Chat(self._next, part))
            self._lines.append(Line(True, part))
            self._next = (self._next + 1) % NUMBERS
        self._said.extend(messages)
        return messages

    def take(self, chat: Chat) -> bool:
        """Take a line of the other side's; False where it has come before."""
        if chat.number != self.taken:
            return False
        self.taken = (self.taken + 1) % NUMBERS
        self._lines.append(Line(False, chat.text))
        return True

    def missing(self, taken: int) -> list[Chat]:
        """Return what the other side, which has taken so many lines, has not got."""
        behind = (self._next - taken) % NUMBERS
        return [chat for chat in self._said if (self._next - chat.number) % NUMBERS <= behind]


def _parts(text: str) -> list[str]:
    """Cut a line into parts that each fit into a message."""
    parts, part, size = [], "", 0
    for character in text:
        width = len(character.encode(errors="replace"))
        if size + width > MAX_CHAT_BYTES:
            parts.append(part)
            part, size = "", 0
        part, size = part + character, size + width
    return [*parts, part]
