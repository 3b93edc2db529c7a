"""The bad line that a call with itself can go over: its options as they are typed, and the relay that they make."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from call.flags import option
from call.options import Line

if TYPE_CHECKING:
    from transport.relay import Relay

_RATE_UNITS = {"": 1.0, "k": 1e3, "M": 1e6}
_TIME_UNITS = {"": 1.0, "s": 1.0, "ms": 1e-3}


def parse_rate(text: str) -> float:
    """Read a rate in bit/s: '50k', '1M', '20000'. Raises typer.BadParameter on anything else."""
    return _parse(str(text), _RATE_UNITS, "a rate; write it as 50k or 1M (bit/s)")


def parse_duration(text: str) -> float:
    """Read a time in seconds: '100ms', '2s', '0.1'. Raises typer.BadParameter on anything else."""
    return _parse(str(text), _TIME_UNITS, "a time; write it as 100ms or 2s")


def parse_outage(text: str) -> tuple[float, float]:
    """Read when a line is dead: '5s-7s'. Raises typer.BadParameter on anything else."""
    begins, dash, ends = str(text).partition("-")
    if not dash:
        raise typer.BadParameter(f"{text!r} is not an outage; write it as 5s-7s.")
    return parse_duration(begins), parse_duration(ends)


def _parse(text: str, units: dict[str, float], wanted: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)", text.strip())
    if match is None or match[2] not in units:
        raise typer.BadParameter(f"{text!r} is not {wanted}.")
    return float(match[1]) * units[match[2]]


Loss = Annotated[float, option("--loss", "Lose this share of the packets.", min=0, max=1)]
Burst = Annotated[float, option("--burst", "Lose so many in a row, in the mean.", min=1, max=1000)]
Delay = Annotated[
    float,
    option("--delay", "Hold every packet up, each way, as in 100ms.", parser=parse_duration, metavar="TIME"),
]
Jitter = Annotated[
    float, option("--jitter", "Hold each up by at most so much more.", parser=parse_duration, metavar="TIME")
]
LineRate = Annotated[
    float | None,
    option("--rate", "Carry so many bit/s each way, as in 50k or 1M.", parser=parse_rate, metavar="RATE"),
]
Outage = Annotated[
    Any, option("--outage", "Carry nothing at a time, as in 5s-7s.", parser=parse_outage, metavar="TIME-TIME")
]
Seed = Annotated[int, option("--seed", "Another seed loses other packets.")]


def check(line: Line) -> None:
    """Raise typer.BadParameter, with a sentence, where a line cannot be as it is asked for."""
    from transport.impairment import Impairment

    try:
        Impairment(**_figures(line))
    except ValueError as error:
        raise typer.BadParameter(f"The line cannot be like that: {error}.") from None


def make_relay(line: Line) -> "Relay":
    """Make the relay, the same in both directions; inside a running event loop."""
    from transport.impairment import Impairment
    from transport.relay import Relay

    impairment = Impairment(**_figures(line))
    return Relay(impairment, impairment, seed=line.seed)


def _figures(line: Line) -> dict[str, Any]:
    return {name: value for name, value in vars(line).items() if name != "seed"}
