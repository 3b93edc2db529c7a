"""The program as the tests start it, and what they read from it."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Protocol

# -P: the tests' folder must not stand in front of what is installed.
PROGRAM = (sys.executable, "-P", str(Path(__file__).with_name("patient_program.py")))


class Visavis(Protocol):
    """Run `visavis` with arguments and wait for its end."""

    def __call__(
        self, *arguments: str, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Return what it printed and its exit code."""


class Start(Protocol):
    """Start `visavis` with arguments."""

    def __call__(self, *arguments: str) -> subprocess.Popen[str]:
        """Return the running process."""


def invitation(receiver: subprocess.Popen[str]) -> list[str]:
    """Read what a receiver tells its user to type, as the options for `send`."""
    assert receiver.stderr is not None
    read = ""
    for line in receiver.stderr:
        read += line
        if found := re.search(r"visavis send camera (--connect \S+ --code \S+)", line):
            return found[1].split()
    raise AssertionError(f"no invitation was printed, but: {read}")


def sentence_of(result: subprocess.CompletedProcess[str]) -> str:
    """Check that a command failed as it should, with a sentence and no traceback, and return what it said."""
    assert result.returncode == 1, (result.returncode, result.stdout, result.stderr)
    assert "Traceback" not in result.stderr
    said = [line for line in result.stderr.splitlines() if line.startswith("visavis: ")]
    assert len(said) == 1, result.stderr
    return said[0]
