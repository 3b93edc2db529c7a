"""The program with time limits that no slow machine overruns: what `tests.call.program` starts.

A silence is a lost line after so long as well, except where LOSES_LINES is set: for tests that kill a side, which the
other one must notice in its own time.
"""

import importlib
import os
import sys
from typing import Final

# The tests' folder is not on this process's path.
PATIENCE_S: Final = 120.0
LIMITS = {
    "call.link": ("CONNECT_LIMIT_S", "RETURN_CONNECT_LIMIT_S", "HELLO_LIMIT_S"),
    "call.loopback": ("MEETING_LIMIT_S",),
    "call.send": ("CONNECT_TIMEOUT_S",),
    "receiver.drawing": ("FINISH_S",),
    "receiver.receiver": ("HELLO_LIMIT_S",),
    "receiver.session": ("CONNECT_LIMIT_S",),
    "sender.greeting": ("HELLO_LIMIT_S",),
    "transport.listening": ("BODY_TIMEOUT_S", "MISSED_WAIT_S", "RETURN_WAIT_S"),
    "transport.serve": ("ENTER_LIMIT_S", "SEND_LIMIT_S"),
}
SILENCES = {"call.encounter": ("SILENCE_S",), "transport.peer": ("LINE_LOST_S",)}
# Pictures and sounds that wait to be written; what finds no room is left out.
MOST_QUEUED = 100_000
# Only these wait for another side.
CALLS = {"call", "loopback", "receive", "send", "serve"}


def be_patient(*, loses_lines: bool) -> None:
    """Lengthen the limits of this process."""
    for module, names in (LIMITS if loses_lines else LIMITS | SILENCES).items():
        for name in names:
            loaded = importlib.import_module(module)
            assert hasattr(loaded, name), f"{module} has no {name} any more"
            setattr(loaded, name, PATIENCE_S)
    signalling = importlib.import_module("transport.signalling")
    for post in (signalling.offer, signalling.post_offer):
        assert "timeout_s" in post.__kwdefaults__
        post.__kwdefaults__["timeout_s"] = PATIENCE_S
    # What is said last, for the other side to have it before the connection ends.
    for line in (
        importlib.import_module("transport.peer").Peer,
        importlib.import_module("call.duplex").CallLine,
    ):
        assert len(line.drain.__defaults__) == 1
        line.drain.__defaults__ = (PATIENCE_S,)
    writer = importlib.import_module("receiver.writer")
    assert hasattr(writer, "MAX_QUEUED")
    writer.MAX_QUEUED = MOST_QUEUED  # type: ignore[attr-defined]


if __name__ == "__main__":
    if CALLS & set(sys.argv[1:2]) and "--help" not in sys.argv:
        be_patient(loses_lines="LOSES_LINES" in os.environ)
    importlib.import_module("call.cli").main()
