"""The program as a person starts it, in a process of its own."""

import os
import signal
import subprocess
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import pytest

import call.encounter
import call.link
import transport.listening
import transport.meeting
import transport.peer
import transport.room_line
import transport.rooms
import transport.serve
import transport.signalling
from call import options
from call.ends import Ends, load_ends
from call.link import RETURN_LIMITS_S
from tests.call.program import PROGRAM, Start, Visavis
from tests.patience import PATIENCE_S

# A call that takes this long has hung; a little less than what ends the whole run.
LIMIT_S = 240


@pytest.fixture(scope="session")
def ends(profile_folder: Path) -> Ends:
    """The trained profile, loaded once."""
    return load_ends(options.Engine(str(profile_folder)))


@pytest.fixture
def environment() -> dict[str, str]:
    """An environment in which nobody's own settings count."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VISAVIS_")}
    return {**kept, "VISAVIS_CONFIG": os.devnull, "COLUMNS": "200"}


@pytest.fixture
def visavis(environment: dict[str, str]) -> Visavis:
    """The command in a process of its own, as from a shell."""

    def run(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*PROGRAM, *arguments],
            env={**environment, **(env or {})},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

    return run


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start the command and go on; what still runs when the test ends is killed."""
    started: list[subprocess.Popen[str]] = []
    # Where the tests run in the background or under nohup, what they start would ignore these.
    heeded = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in heeded.items()}

    def begin(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*PROGRAM, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()
    for number, handler in before.items():
        signal.signal(number, handler)


# By whom, how long something is waited for that takes a moment where nothing is wrong.
LIMITS = {
    call.encounter: ("SILENCE_S",),
    call.link: ("CONNECT_LIMIT_S", "RETURN_CONNECT_LIMIT_S", "HELLO_LIMIT_S"),
    transport.peer: ("LINE_LOST_S",),
    transport.listening: ("BODY_TIMEOUT_S", "RETURN_WAIT_S"),
    transport.meeting: ("RETURN_TIMEOUT_S",),
    transport.rooms: ("REACH_LIMIT_S", "EXCHANGE_LIMIT_S"),
    transport.room_line: ("REACH_LIMIT_S", "HEARTBEAT_S"),
    transport.serve: ("ENTER_LIMIT_S", "SEND_LIMIT_S", "HEARTBEAT_S"),
}


class PatientTries:
    """How long each try to come back may take. One whose time is over is cut off, in the middle of an exchange as well,
    which somebody who comes for the first time takes for a no."""

    def __getitem__(self, place: int) -> float:
        return RETURN_LIMITS_S[place]  # which the old connection waits for

    def __iter__(self) -> Iterator[float]:
        return repeat(PATIENCE_S)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no silence of a slow and busy machine look like a lost line, and no try to meet be given up early."""
    for module, names in LIMITS.items():
        for name in names:
            monkeypatch.setattr(module, name, PATIENCE_S)
    monkeypatch.setitem(transport.signalling.post_offer.__kwdefaults__, "timeout_s", PATIENCE_S)
    monkeypatch.setattr(call.link, "RETURN_LIMITS_S", PatientTries())
