"""The options that several commands of the bench share. It knows the command line; it measures nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.clips import Clip, list_clips

Data = Annotated[
    Path, typer.Option("--data", help="A folder with clips/ and landmarks/, or a plain folder of videos.")
]
Profile = Annotated[str, typer.Option(help="Sizes and weights, by name or folder.")]
Engine = Annotated[str, typer.Option(help="What runs the networks.")]
Source = Annotated[str, typer.Option(help="The picture that is drawn from: first or chosen.")]
Every = Annotated[int, typer.Option(min=1, help="Judge every so manieth frame.")]
Clips = Annotated[str, typer.Option("--clips", help="Only these clips, by name, with commas between.")]
Json = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace the file that is to be written, if it is there already.")
]
Strangers = Annotated[int, typer.Option(min=1, help="How many people the contact sheet shows.")]

# People on each of the sheets of the best, median and worst clips.
RANKED = 4


def spare(*files: Path | None, overwrite: bool) -> None:
    """Raise OutputError where a file that a command is to write is there already: before it measures for an hour."""
    from receiver.parts import spare as spare_one

    for file in files:
        if file is not None and not overwrite:
            spare_one(file)


def choose_clips(data: Path, names: str) -> list[Clip]:
    """Read the option --clips; raise BenchError where a clip is not there."""
    return list_clips(data, names=[name.strip() for name in names.split(",") if name.strip()])
