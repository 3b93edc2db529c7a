"""What lets a side in: tokens that people type from one screen into another machine, and secrets that programs keep."""

import re
import secrets

# Nothing that looks like something else.
TOKEN_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
SECRET_BYTES = 16

_SECRET = re.compile(f"[0-9a-f]{{{2 * SECRET_BYTES}}}")


def make_token(length: int) -> str:
    """Make a token of so many characters, one of 32 ** length."""
    return "".join(secrets.choice(TOKEN_LETTERS) for _ in range(length))


def make_secret() -> str:
    """Make the secret with which a side that lost its line is known again."""
    return secrets.token_hex(SECRET_BYTES)


def is_secret(value: object) -> bool:
    """Whether `make_secret` could have made this."""
    return isinstance(value, str) and _SECRET.fullmatch(value) is not None
