"""The one exception of the program's own: what went wrong in words for the person at the keyboard."""


class CallError(Exception):
    """A call cannot be held or went wrong; the message says what, why and what to do, in a sentence or two."""
