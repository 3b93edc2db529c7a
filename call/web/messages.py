"""What crosses between page and program: the call's state out, wishes in, both as JSON text.

The first message of a state tells all of it, the later ones only the fields that changed. What comes in is checked
before it is believed, although only our own page should ever send it. Knows no sockets and no pictures.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from call.errors import CallError
from call.state import CallState, Wishes

TURN_DEG = 30.0  # as far as a head is turned
TEXT_LENGTH = 500
LIMIT_KBPS = (1.0, 100_000.0)


def tell(state: CallState, *, told: CallState | None, talked_s: float | None = None) -> str | None:
    """Return the JSON of what is new since the state `told`, or all of it; None where nothing is.

    With each phase comes `talked_s`, how long the call has lasted by then.
    """
    news: dict[str, Any] = {
        field.name: getattr(state, field.name)
        for field in fields(state)
        if told is None or getattr(state, field.name) != getattr(told, field.name)
    }
    if "phase" in news:
        news["talked_s"] = talked_s
    return json.dumps(news, default=asdict) if news else None


def grant(text: str, wishes: Wishes) -> None:
    """Hand a wish of the page on; raises CallError where the text is none."""
    match _parse(text):
        case {"wish": "agree", "yes": bool(yes)}:
            wishes.agree(yes)
        case {"wish": "accept", "yes": bool(yes)}:
            wishes.accept(yes)
        case {"wish": "hang_up"}:
            wishes.hang_up()
        case {"wish": "mute", "on": bool(on)}:
            wishes.mute(on)
        case {"wish": "camera", "on": bool(on)}:
            wishes.camera(on)
        case {"wish": "turn", "yaw": yaw, "pitch": pitch}:
            wishes.turn(_number(yaw, -TURN_DEG, TURN_DEG), _number(pitch, -TURN_DEG, TURN_DEG))
        case {"wish": "new_source"}:
            wishes.new_source()
        case {"wish": "repair"}:
            wishes.repair()
        case {"wish": "limit", "kbps": None}:
            wishes.limit(None)
        case {"wish": "limit", "kbps": kbps}:
            wishes.limit(_number(kbps, *LIMIT_KBPS))
        case {"wish": "thrifty", "on": bool(on)}:
            wishes.thrifty(on)
        case {"wish": "record", "on": bool(on)}:
            wishes.record(on)
        case {"wish": "say", "text": str(line)} if line.strip() and len(line) <= TEXT_LENGTH:
            wishes.say(line.strip())
        case {"wish": "ordinary_video", "on": bool(on)}:
            wishes.ordinary_video(on)
        case _:
            raise CallError("The page asked for something that a call does not know.")


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise CallError("The page sent something that is no JSON.") from None


def _number(value: object, least: float, most: float) -> float:
    # NaN, which JSON's reader lets in, lies between no two numbers; True is a number only to Python.
    if isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most:
        return float(value)
    raise CallError(f"The page sent a number that is not between {least:g} and {most:g}.")
