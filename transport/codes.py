"""What lets a side in: codes that people type from one screen into another machine, and secrets that programs keep."""

import re
import secrets

from transport.errors import TransportError

# Nothing that looks like something else.
CODE_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
SECRET_BYTES = 16
ROOM_CODE_LENGTH = 8  # 2^40 values: a server has many guests, whose wrong ones `limits` counts

_SECRET = re.compile(f"[0-9a-f]{{{2 * SECRET_BYTES}}}")


def make_code(length: int) -> str:
    """Make a code of so many characters, one of 32 ** length."""
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(length))


def make_secret() -> str:
    """Make the secret with which a side that lost its line is known again."""
    return secrets.token_hex(SECRET_BYTES)


def is_secret(value: object) -> bool:
    """Whether `make_secret` could have made this."""
    return isinstance(value, str) and _SECRET.fullmatch(value) is not None


def check_code(code: str) -> str:
    """Return a code as it is compared, where people type small letters and a blank before or behind; raises
    `TransportError` for what no person could type."""
    code = code.strip().upper()
    if not code or not code.isascii() or not code.isprintable():
        raise TransportError("The code must be plain letters and digits, as the other side shows it.")
    return code
