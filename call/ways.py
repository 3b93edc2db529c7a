"""What goes into a call and what comes out of it, opened before the networks are loaded: who named a wrong file is told
at once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from call import console
from call.errors import CallError
from call.options import Input

if TYPE_CHECKING:
    from receiver.output import Output
    from sender.capture import Input as OpenInput


@contextmanager
def way_in(wanted: Input) -> Iterator["OpenInput"]:
    """Open what is sent, and see whether a source picture's file is a picture; raises InputError with a sentence."""
    from sender.capture import open_input
    from sender.clips import read_picture

    if wanted.source not in ("first", "chosen"):
        read_picture(Path(wanted.source))
    with open_input(wanted.spec, realtime=not wanted.fast, repeat_s=wanted.repeat_s) as opened:
        yield opened


@contextmanager
def way_out(output: str, *, overwrite: bool = False) -> Iterator["Output"]:
    """Open what a person named to be written, and say what an earlier call has left there; raises OutputError with a
    sentence, also where there is something already and `overwrite` does not say to replace it. What holds no picture by
    the end is removed."""
    from receiver.output import left_by_earlier_calls, open_output

    if (left := left_by_earlier_calls(output)) is not None:
        console.say(left)
    opened = open_output(output, overwrite=overwrite)
    try:
        yield opened
    finally:
        opened.discard()


def spare_input(spec: str, output: str) -> None:
    """Raise CallError where the output would take the input's place."""
    taken, written = Path(spec).expanduser(), Path(output)
    if taken.is_file() and written.is_file() and taken.samefile(written):
        raise CallError(f"{output} is the input itself: give --output another name.")
