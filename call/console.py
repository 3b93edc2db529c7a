"""What the program prints: tables and JSON on stdout, notices and the live line of a call on stderr.

Everything that a script reads goes to stdout and nothing else does. Knows figures by name only.
"""

import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from call.errors import CallError


class Notices(Console):
    """Stderr. Who closes a pipe on it reads no more, which is no end of what it tells of."""

    def on_broken_pipe(self) -> None:
        """Raise the BrokenPipeError that is being handled, where Rich would end the program."""
        raise


errors = Notices(stderr=True, highlight=False)
output = Console(highlight=False, soft_wrap=True)
# As they end or stand in the names that scripts call figures by.
UNITS = {"ms": "ms", "s": "s", "kbps": "kbit/s", "bytes": "bytes", "mb": "MB"}


def say(sentence: str) -> None:
    """Print a notice for the person at the keyboard (stderr), in one line, so that it can be copied whole.

    What cannot be printed comes with the next one that can.
    """
    # A terminal that was closed and a log on a full disk are no fault of the call's, and would be told of here.
    with suppress(OSError):
        errors.print(sentence, markup=False, soft_wrap=True)


def print_json(figures: Any) -> None:
    """Print figures as JSON on stdout; a figure that is not finite becomes null, as JSON has no other word."""
    with _told():
        json.dump(_finite(figures), sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        sys.stdout.flush()


def print_line(text: str) -> None:
    """Print a line below a table, on stdout."""
    with _told():
        output.print(text, markup=False)


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under their columns' names; numbers stand at the right."""
    with _told():
        output.print(make_table(title, columns, rows))


def print_figures(
    title: str,
    figures: Mapping[str, Any],
    names: Iterable[str] | None = None,
    *,
    words: Mapping[str, tuple[str, str]],
) -> None:
    """Print named figures as a table of two columns; reasons for what is not there stand below.

    names: those that are wanted, in this order, where the others are left to `--verbose` and `--json`; all, if not
    given. words: what a person calls some of them, and their units ('%' for a share); the others' names and units are
    read from what scripts call them.
    """
    shown = [name for name in figures if name != "why"] if names is None else list(names)
    said = {name: words[name] if name in words else in_words(name) for name in shown}
    print_table(
        title,
        ("figure", "value"),
        [(said[name][0], measured(figures[name], said[name][1])) for name in shown],
    )
    reasons: dict[str, list[str]] = {}
    for name, why in figures.get("why", {}).items():
        if name in shown:
            reasons.setdefault(why, []).append(said[name][0])
    for why, without in reasons.items():
        print_line(f"– {'; '.join(without)}: {why}")
    if len(shown) < len(figures) - ("why" in figures):
        print_line("– all figures: --verbose, or --json")


def in_words(name: str) -> tuple[str, str]:
    """Read a figure's name and unit from what scripts call it: 'peak_kbps_back' is 'peak back', in kbit/s."""
    parts = name.split("_")
    unit = next((part for part in parts[1:] if part in UNITS), None)
    return " ".join(part for part in parts if part != unit), UNITS.get(unit or "", "")


def measured(value: Any, unit: str) -> str:
    """Write one figure with its unit; shares, whose unit is '%', are from 0 to 1."""
    if value is None or not unit:
        return show(value)
    return f"{show(100 * value if unit == '%' else value)} {unit}"


def make_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Build the Rich table that `print_table` prints."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        # Text, so that brackets in a cell are not taken for markup.
        table.add_row(*(Text(show(cell)) for cell in row))
    return table


def show(value: Any) -> str:
    """Write one figure for a person: three or four digits that matter, a dash for what was not measured."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "–"
        if value != 0 and abs(value) < 10:
            return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"
        return f"{value:.1f}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {show(item)}" for key, item in value.items())
    return str(value)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show a spinner beside `what` on a terminal while the block runs, and nothing elsewhere."""
    if not errors.is_terminal:
        yield
        return
    with errors.status(what):
        yield


class LiveLine:
    """One line on stderr that follows a call while it runs; silent where stderr is no terminal."""

    # Twice a second is often enough to read and too seldom to cost anything.
    _PERIOD_S = 0.5

    def __init__(self, describe: Callable[[], str]) -> None:
        self._describe = describe
        self._spinner = Spinner("dots", Text(""))
        self._live = Live(
            self._spinner, console=errors, auto_refresh=True, refresh_per_second=8, transient=True
        )
        self._shown_s = 0.0

    def __enter__(self) -> "LiveLine":
        if errors.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def refresh(self) -> None:
        """Bring the line up to date; cheap to call often."""
        now_s = time.monotonic()
        if errors.is_terminal and now_s - self._shown_s >= self._PERIOD_S:
            self._shown_s = now_s
            self._spinner.update(text=Text(self._describe()))


@contextmanager
def _told() -> Iterator[None]:
    """Say of stdout that it takes no more: the system does not name it. Who has closed a pipe wants no more."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CallError(
            f"What is to be printed cannot be written ({error.strerror}): check where it goes."
        ) from error


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
