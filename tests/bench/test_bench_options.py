"""The benches' options as their help tells them."""

from typing import Any

import pytest
import typer.main

from bench.__main__ import app
from call.line import parse_duration, parse_rate

UNITS = {"TIME": parse_duration, "RATE": parse_rate}


def options_with_units() -> list[Any]:
    """Return all options of all commands whose value is typed with a unit, and that have one if not given."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return [
        pytest.param(option, id=f"{name} {option.name}")
        for name, command in commands.items()
        for option in command.params
        if option.metavar in UNITS and option.default
    ]


@pytest.mark.parametrize("option", options_with_units())
def test_a_default_is_shown_as_it_is_typed(option: Any) -> None:
    assert isinstance(option.show_default, str)
    assert UNITS[option.metavar](option.show_default) == option.default
