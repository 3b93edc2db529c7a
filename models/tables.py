"""`visavis tables fit`: the entropy coder's tables, fitted to what a motion net says of the training clips."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import av
import typer
from rich.progress import track

from codec.fitting import Stream, fit_prediction
from codec.motion import Motion
from codec.tables import expression_steps_of, fit_tables
from codec.time import TICKS_PER_SECOND
from models.profile import PROFILES
from models.profile_toml import note_kept
from models.replacing import replacing
from models.training.footage import DataError, fit_size
from runtime.engine import EngineError, load
from runtime.geometry import KEYPOINT_GROUPS
from runtime.profile import Profile, ProfileError, load_profile
from runtime.talker import Talker

SOURCES = 4  # places in a clip from which its source picture is taken in turn
FALLBACK_RATE = 25.0  # frames a second, where a clip does not say
app = typer.Typer(
    add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
)


@app.callback()
def commands() -> None:
    """Tables of the entropy coder."""


@app.command()
def fit(
    data: Annotated[Path, typer.Option(help="Folder with train/clips.")],
    profile: Annotated[str, typer.Option(help="Whose motion net.")] = "laptop-256",
    every: Annotated[int, typer.Option(min=1, help="Use every n-th frame.")] = 1,
) -> None:
    """Fit a profile's tables to its own motion of the training clips.

    Example: visavis tables fit --data ../shared/data
    """
    try:
        loaded = load_profile(profile, whole=False)
        streams = list(streams_of(loaded, data / "train" / "clips", every=every))
        motions = [motion for stream in streams for motion in stream.motions]
        fitted = fit_tables(motions, expression_steps=expression_steps_of(KEYPOINT_GROUPS))
        typer.echo("Fitting predictive coding: a minute or two.")
        fitted = replace(fitted, prediction=fit_prediction(streams, fitted.steps))
        folder, name = loaded.format_path.parent, loaded.format_path.name
        with replacing(folder) as new:
            fitted.save(new / name)
        note_kept(folder, name)
    except (ProfileError, EngineError, DataError, OSError) as error:
        typer.echo(f"visavis tables fit: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{PROFILES.name}/{loaded.name}/tables.npz: fitted to {len(motions)} motions.")


def streams_of(profile: Profile, clips: Path, *, every: int) -> Iterator[Stream]:
    """Yield each clip's motions, of every n-th frame, against one source picture of the clip.

    Over the clips the source is taken from the beginning, the middle and the end, since offsets are measured against
    any picture's neutral geometry, not the first one's.
    """
    talker = Talker(load(profile), picture_size=profile.picture_size)
    paths = sorted(clips.glob("*.mp4"))
    if not paths:
        raise DataError(f"there are no clips in {clips}")
    for index, path in enumerate(track(paths, description="motions of the clips")):
        with av.open(str(path)) as video:
            rate = float(video.streams.video[0].average_rate or FALLBACK_RATE) / every
            pictures = [
                fit_size(frame.to_ndarray(format="rgb24"), profile.picture_size)
                for number, frame in enumerate(video.decode(video=0))
                if number % every == 0
            ]
        source = talker.prepare(pictures[(len(pictures) - 1) * (index % SOURCES) // (SOURCES - 1)])
        motions = [Motion(*talker.estimate(picture, source)) for picture in pictures]
        yield Stream(motions, [round(number / rate * TICKS_PER_SECOND) for number in range(len(motions))])


if __name__ == "__main__":
    app(prog_name="visavis tables")
