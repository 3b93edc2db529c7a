"""What went wrong, in words for the person at the keyboard: the program's own exception, and everybody else's."""

# Every exception that a folder of the house defines is a sentence for the person at the keyboard.
HOUSE = frozenset({"codec", "models", "runtime", "transport", "sender", "receiver", "call", "bench"})


class CallError(Exception):
    """A call cannot be held or went wrong; the message says what, why and what to do, in a sentence or two."""


def explain(error: Exception) -> str:
    """Say in a sentence what went wrong."""
    if type(error).__module__.partition(".")[0] in HOUSE:
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}."
    return f"Something went wrong inside Visavis ({type(error).__name__}: {error}). --debug shows where."
