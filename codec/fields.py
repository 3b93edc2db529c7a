"""What the messages of the reliable channel have in common: how long one may be, and the checks of a field.

Knows no message.
"""

MAX_CONTROL_BYTES = 1100
MAX_REASON_BYTES = 200


def within(name: str, value: int, most: int) -> None:
    """Check that a number is 0..most; raises ValueError with the number and what it is."""
    if not 0 <= value <= most:
        raise ValueError(f"{name} must be 0..{most}, not {value}")


def check_reason(reason: str) -> None:
    """Check what is shown to people as a reason; raises ValueError where it is too long or not printable."""
    if len(reason.encode()) > MAX_REASON_BYTES or not reason.isprintable():
        raise ValueError(f"a reason is at most {MAX_REASON_BYTES} bytes of printable text")


def decode_byte(body: bytes) -> int:
    """Return a body of one byte as its number; raises ValueError for any other length."""
    if len(body) != 1:
        raise ValueError(f"one byte was expected, not {len(body)}")
    return body[0]


def decode_nothing(body: bytes) -> None:
    """Check that a body is empty; raises ValueError where it is not."""
    if body:
        raise ValueError(f"nothing was expected behind the type, not {len(body)} bytes")
