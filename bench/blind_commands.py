"""The blind test's two commands: `blind` makes the page, `blind-count` counts the choices that its visitors saved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench import report
from bench.errors import BenchError
from bench.options import Clips, Data, Engine, Json, Overwrite, Profile, choose_clips, spare


def blind(
    data: Data,
    output: Annotated[Path, typer.Option("--output", help="The page to write.")] = Path("blind.html"),
    overwrite: Overwrite = False,
    profile: Profile = "laptop-256",
    engine: Engine = "openvino",
    clips: Clips = "",
    pairs: Annotated[int, typer.Option(min=1, help="How many clips are shown, each of another person.")] = 8,
    codec: Annotated[str, typer.Option(help="What ours is compared with: h264, h265, vp9 or av1.")] = "h264",
    ratio: Annotated[float, typer.Option(help="It may take so many times our bits.")] = 10.0,
) -> None:
    """Make a page on which people choose between our picture and a codec's, not knowing which is which.

    The page draws the order and the sides anew for every visitor, and needs no network. Bits are payload: our source
    picture counts over five minutes, the codec's key frame within the film.

    Example: visavis bench blind --data ../shared/data/val --ratio 10 --output out/blind.html
    """
    from bench.blind import make_pairs
    from bench.blind_count import Comparison
    from bench.blind_page import make_blind_page
    from bench.codecs import CODECS
    from bench.sheet import pick_strangers
    from bench.talk import load_setup

    spare(output, overwrite=overwrite)
    if codec not in CODECS:
        raise BenchError(f"{codec} is not among {', '.join(CODECS)}.")
    chosen = choose_clips(data, clips)
    people = chosen if clips else pick_strangers(chosen, pairs)
    setup = load_setup(profile, engine=engine)
    with report.progress(len(people), "drawing") as on_clip:
        made = make_pairs(setup, people, CODECS[codec], ratio=ratio, on_clip=on_clip)
    page = make_blind_page(made, Comparison(setup.profile, CODECS[codec].heading, ratio))
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(page, encoding="utf-8")
    report.say(
        f"{output}: {len(made)} pairs. Count the files that people save with: visavis bench blind-count *.json"
    )


def blind_count(
    files: Annotated[list[Path], typer.Argument(help="Files that visitors of the page saved.")],
    as_json: Json = False,
) -> None:
    """Count the choices of the blind test: how often our picture was preferred, with a 95 percent interval.

    The interval is over people and over clips, both: eight answers of one person are not eight people. A file that is
    given twice counts once.

    Example: visavis bench blind-count blind-choices*.json
    """
    from bench.blind_count import blind_tables, count, read_answers, without_repeats

    people, repeats = without_repeats([read_answers(path) for path in files])
    for again, first in repeats:
        report.say(f"{again.path}: the same person's choices as {first.path}, which count once.")
    report.show(count(people), as_json=as_json, tables=blind_tables)
