"""`python -m bench` and `visavis bench`: the benches' command line. It reads options, loads what a command needs when
the command is asked for, shows progress and prints; it measures nothing itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench import report
from bench.blind_commands import blind, blind_count
from bench.call_command import call
from bench.clips import Clip, backbones_folder, large_crops, read_picture, read_sequence, write_picture
from bench.cross_command import cross
from bench.fuzz_command import fuzz
from bench.mirror_commands import gallery, mirror, repair
from bench.net_command import net
from bench.options import (
    RANKED,
    Clips,
    Data,
    Engine,
    Every,
    Json,
    Overwrite,
    Profile,
    Source,
    Strangers,
    choose_clips,
    spare,
)
from bench.peer_command import peer
from bench.rd_command import rd
from bench.serve_command import serve
from bench.studies import canonical, line, pose, residual, view
from bench.timing import speed
from runtime.installed import how_to_add

app = typer.Typer(
    help="Measure: quality, rate, both beside other codecs, speed, pose, view, repairs; compare films; draw sheets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def quality(
    data: Data,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    source: Source = "first",
    every: Every = 5,
    clips: Clips = "",
    keypoints: Annotated[
        int | None, typer.Option(help="Send only the first so many expression offsets.")
    ] = None,
    flow: Annotated[
        bool, typer.Option("--flow/--no-flow", help="Draw with residual flow, or by keypoints alone.")
    ] = True,
    rival: Annotated[
        str, typer.Option(help="A second profile: it draws the same frames, enlarged to this one's size.")
    ] = "",
    crop_side: Annotated[
        int, typer.Option(min=0, help="Only clips whose crop had so many pixels in the original.")
    ] = 0,
    sheet_file: Annotated[
        Path | None, typer.Option("--sheet", help="Write a contact sheet here too.")
    ] = None,
    overwrite: Overwrite = False,
    strangers: Strangers = 8,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Write quality.json, a plot and sheets of the best, median and worst clips into this folder.",
        ),
    ] = None,
    record: Annotated[
        bool,
        typer.Option("--record", help="Keep the figures in the profile, where `models list` reads them."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Judge the redrawn clips beside their frozen picture and beside H.264.

    Example: visavis bench quality --data ../shared/data/val --every 5 --output out
    """
    spare(sheet_file, overwrite=overwrite)
    chosen = choose_clips(data, clips)
    if crop_side:
        chosen = large_crops(data, chosen, crop_side=crop_side)
    from bench.judge import Judge
    from bench.quality import run_quality
    from bench.talk import load_setup

    backbones = backbones_folder()
    setup = load_setup(profile, engine=engine)
    other = load_setup(rival, engine=engine) if rival else None
    judge = Judge(backbones)
    with report.progress(len(chosen), "judging") as on_clip:
        result = run_quality(
            setup,
            chosen,
            judge,
            source=source,
            every=every,
            keypoints=keypoints,
            flow=flow,
            rival=other,
            on_clip=on_clip,
        )
    from bench.sheet import make_sheet, pick_ranked, pick_strangers

    sheets: dict[Path, list[Clip]] = {}
    if output is not None:
        report.write_quality(output, result)
        ranked = pick_ranked(chosen, result["clips"], RANKED)
        sheets |= {output / f"sheet-{name}.png": people for name, people in ranked.items()}
    if sheet_file is not None:
        sheets[sheet_file] = pick_strangers(chosen, strangers)
    for path, people in sheets.items():
        with report.progress(len(people), "drawing") as on_clip:
            write_picture(path, make_sheet(setup, people, backbones, source=source, on_clip=on_clip))
    report.show(result, as_json=as_json, tables=report.quality_tables)
    if record:
        report.record_quality(profile, result)


@app.command()
def rate(
    data: Data,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    every: Annotated[int, typer.Option(min=1, help="Send every so manieth frame only.")] = 1,
    clips: Clips = "",
    lpips: Annotated[bool, typer.Option("--lpips", help="Say what coding does to the picture, too.")] = False,
    as_json: Json = False,
) -> None:
    """Weigh motion packets in each mode of the codec: bytes, microseconds, and what coding does to the picture.

    Example: visavis bench rate --data ../shared/data/val --lpips
    """
    chosen = choose_clips(data, clips)
    from bench.judge import PictureJudge
    from bench.rate import run_rate
    from bench.talk import load_setup

    setup = load_setup(profile, engine=engine)
    judge = PictureJudge(backbones_folder()) if lpips else None
    judge_why = None if lpips else "it was not asked for: --lpips"
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
    overwrite: Overwrite = False,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    source: Source = "first",
    strangers: Strangers = 8,
    clips: Clips = "",
) -> None:
    """Draw a contact sheet: source, original and redrawn, where expression or pose differs most from the source.

    Example: visavis bench sheet out/sheet.png --data ../shared/data/val
    """
    spare(file, overwrite=overwrite)
    chosen = choose_clips(data, clips)
    from bench.sheet import make_sheet, pick_strangers
    from bench.talk import load_setup

    people = chosen if clips else pick_strangers(chosen, strangers)
    setup = load_setup(profile, engine=engine)
    with report.progress(len(people), "drawing") as on_clip:
        write_picture(file, make_sheet(setup, people, backbones_folder(), source=source, on_clip=on_clip))
    report.say(f"{file}: {len(people)} people")


for command in (
    rd,
    blind,
    pose,
    canonical,
    view,
    residual,
    mirror,
    gallery,
    repair,
    speed,
    peer,
    call,
    line,
    net,
    cross,
):
    app.command()(command)
app.command()(serve)
app.command()(fuzz)
app.command("blind-count")(blind_count)

# What each folder of the house raises for the person at the keyboard; the rest is a fault and shows its traceback.
SENTENCES = (
    "BenchError",
    "CallError",
    "ClusterError",
    "BitstreamError",
    "EngineError",
    "OutputError",
    "ProfileError",
    "InputError",
)


def main() -> None:
    """Run the command that was typed: exit code 1 with a sentence on failure, 2 for wrong usage."""
    try:
        app(prog_name="visavis bench")
    except ModuleNotFoundError as error:
        report.fail(f"{error.name} is not installed: {how_to_add('dev')}")
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
