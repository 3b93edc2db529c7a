"""`python -m bench` and `visavis bench`: the benches' command line. It reads options, loads what a command needs when
the command is asked for, shows progress and prints; it measures nothing itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench import report
from bench.clips import Clip, backbones_folder, list_clips, read_picture, read_sequence, write_picture
from bench.errors import BenchError

app = typer.Typer(
    help="Measure: quality, rate, a pair of films, a contact sheet.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Data = Annotated[
    Path, typer.Option("--data", help="A folder with clips/ and landmarks/, or a plain folder of videos.")
]
Profile = Annotated[str, typer.Option(help="Sizes and weights, by name or folder.")]
Engine = Annotated[str, typer.Option(help="What runs the networks.")]
Source = Annotated[str, typer.Option(help="The picture that is drawn from: first or chosen.")]
Every = Annotated[int, typer.Option(min=1, help="Judge every so manieth frame.")]
Clips = Annotated[str, typer.Option("--clips", help="Only these clips, by name, with commas between.")]
Json = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
Strangers = Annotated[int, typer.Option(min=1, help="How many people the contact sheet shows.")]


def choose_clips(data: Path, names: str) -> list[Clip]:
    """Read the option --clips; raise BenchError where a clip is not there."""
    return list_clips(data, names=[name.strip() for name in names.split(",") if name.strip()])


@app.command()
def quality(
    data: Data,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    source: Source = "first",
    every: Every = 5,
    clips: Clips = "",
    sheet_file: Annotated[
        Path | None, typer.Option("--sheet", help="Write a contact sheet here too.")
    ] = None,
    strangers: Strangers = 8,
    output: Annotated[
        Path | None, typer.Option("--output", help="Write quality.json and a plot into this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Judge the redrawn clips beside their frozen picture and beside H.264.

    Example: visavis bench quality --data ../shared/data/val --every 5 --output out
    """
    chosen = choose_clips(data, clips)
    from bench.judge import Judge
    from bench.quality import run_quality
    from bench.talk import load_setup

    backbones = backbones_folder()
    setup = load_setup(profile, engine=engine)
    judge = Judge(backbones)
    with report.progress(len(chosen), "judging") as on_clip:
        result = run_quality(setup, chosen, judge, source=source, every=every, on_clip=on_clip)
    if output is not None:
        report.write_quality(output, result)
    if sheet_file is not None:
        from bench.sheet import make_sheet, pick_strangers

        people = pick_strangers(chosen, strangers)
        with report.progress(len(people), "drawing") as on_clip:
            write_picture(sheet_file, make_sheet(setup, people, backbones, source=source, on_clip=on_clip))
    report.show(result, as_json=as_json, tables=report.quality_tables)


@app.command()
def rate(
    data: Data,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    every: Every = 1,
    clips: Clips = "",
    as_json: Json = False,
) -> None:
    """Weigh motion packets in each mode of the codec: bytes, microseconds, and what rounding does to the picture.

    Example: visavis bench rate --data ../shared/data/val --every 5
    """
    chosen = choose_clips(data, clips)
    from bench.judge import PictureJudge
    from bench.rate import run_rate
    from bench.talk import load_setup

    setup = load_setup(profile, engine=engine)
    judge, judge_why = None, None
    try:
        judge = PictureJudge(backbones_folder())
    except BenchError as error:
        judge_why = str(error)
    with report.progress(len(chosen), "weighing") as on_clip:
        result = run_rate(setup, chosen, judge, every=every, judge_why=judge_why, on_clip=on_clip)
    report.show(result, as_json=as_json, tables=report.rate_tables)


@app.command()
def compare(
    original: Annotated[Path, typer.Argument(help="A video or a folder of pictures.")],
    redrawn: Annotated[Path, typer.Argument(help="As many pictures of the same size.")],
    source: Annotated[Path | None, typer.Option(help="The picture that was drawn from.")] = None,
    every: Every = 1,
    as_json: Json = False,
) -> None:
    """Compare two equally long sequences, and the first with its frozen source picture.

    Example: visavis bench compare original.mkv redrawn.mkv --source source.png --json
    """
    from bench.compare import compare as compare_pictures

    still = None if source is None else read_picture(source)
    result = compare_pictures(read_sequence(original), read_sequence(redrawn), source=still, every=every)
    report.show(result, as_json=as_json, tables=report.compare_tables)


@app.command()
def sheet(
    data: Data,
    file: Annotated[Path, typer.Argument(help="The PNG to write.")],
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    source: Source = "first",
    strangers: Strangers = 8,
    clips: Clips = "",
) -> None:
    """Draw a contact sheet: source, original and redrawn, where expression or pose differs most from the source.

    Example: visavis bench sheet out/sheet.png --data ../shared/data/val
    """
    chosen = choose_clips(data, clips)
    from bench.sheet import make_sheet, pick_strangers
    from bench.talk import load_setup

    people = chosen if clips else pick_strangers(chosen, strangers)
    setup = load_setup(profile, engine=engine)
    with report.progress(len(people), "drawing") as on_clip:
        write_picture(file, make_sheet(setup, people, backbones_folder(), source=source, on_clip=on_clip))
    report.say(f"{file}: {len(people)} people")


# What each folder of the house raises for the person at the keyboard; the rest is a fault and shows its traceback.
SENTENCES = ("BenchError", "BitstreamError", "EngineError", "ProfileError", "InputError")


def main() -> None:
    """Run the command that was typed: exit code 1 with a sentence on failure, 2 for wrong usage."""
    try:
        app(prog_name="visavis bench")
    except ModuleNotFoundError as error:
        report.fail(f"{error.name} is not installed: make install-dev, or pip install 'visavis[dev]'.")
        sys.exit(1)
    except OSError as error:
        report.fail(f"{error.filename or 'The system'}: {error.strerror or error}.")
        sys.exit(1)
    except Exception as error:
        if type(error).__name__ not in SENTENCES:
            raise
        report.fail(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
