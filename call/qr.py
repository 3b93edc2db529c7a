"""An invitation as a QR code, for a terminal and for a page, so that nobody has to type it."""

import io

import segno

# As much of the code may be unreadable before it is lost: little, as a screen is clean, and a small code fits in it.
ERROR_LEVEL = "l"


def terminal_qr(text: str) -> str:
    """Draw `text` as a QR code of half blocks, two modules a character; lines without a line end after the last.

    Dark modules are blanks, for a dark background; on a light one it is read by whoever knows inverted codes.
    """
    drawn = io.StringIO()
    _code(text).terminal(drawn, compact=True, border=2)
    return drawn.getvalue().rstrip("\n")


def svg_qr(text: str) -> str:
    """Return `text` as a QR code in an SVG element, dark on white, that scales with the place it is given."""
    return _code(text).svg_inline(border=4, dark="#000", light="#fff", omitsize=True)


def _code(text: str) -> segno.QRCode:
    return segno.make(text, error=ERROR_LEVEL, micro=False)
