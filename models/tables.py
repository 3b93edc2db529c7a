"""`visavis tables fit`: the entropy coder's tables, fitted to what a motion net says of the training clips."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import av
import numpy as np
import typer
from rich.progress import track

from codec.motion import Motion
from codec.tables import expression_steps_of, fit_tables
from models.profile import PROFILES
from models.training.footage import DataError, fit_size
from runtime.engine import EngineError, load
from runtime.geometry import KEYPOINT_GROUPS
from runtime.profile import Profile, ProfileError, load_profile
from runtime.talker import Talker

SOURCES = 4  # source pictures a clip: offsets are measured against any picture's neutral geometry, not the first one's
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def commands() -> None:
    """Tables of the entropy coder."""


@app.command()
def fit(
    data: Annotated[Path, typer.Option(help="Folder with train/clips.")],
    profile: Annotated[str, typer.Option(help="Whose motion net.")] = "laptop-256",
    every: Annotated[int, typer.Option(min=1, help="Use every n-th frame.")] = 3,
) -> None:
    """Fit a profile's tables to its own motion of the training clips.

    Example: visavis tables fit --data ../shared/data
    """
    try:
        loaded = load_profile(profile, needs_tables=False)
        motions = list(motions_of(loaded, data / "train" / "clips", every=every))
        fitted = fit_tables(motions, expression_steps=expression_steps_of(KEYPOINT_GROUPS))
        fitted.save(loaded.format_path)
    except (ProfileError, EngineError, DataError, OSError) as error:
        typer.echo(f"visavis tables fit: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{PROFILES.name}/{loaded.name}/tables.npz: fitted to {len(motions)} motions.")


def motions_of(profile: Profile, clips: Path, *, every: int) -> Iterator[Motion]:
    """Yield the motions of every n-th frame of each clip, against several source pictures of the clip."""
    talker = Talker(load(profile), picture_size=profile.picture_size)
    paths = sorted(clips.glob("*.mp4"))
    if not paths:
        raise DataError(f"there are no clips in {clips}")
    for path in track(paths, description="motions of the clips"):
        with av.open(str(path)) as video:
            pictures = [
                fit_size(frame.to_ndarray(format="rgb24"), profile.picture_size)
                for index, frame in enumerate(video.decode(video=0))
                if index % every == 0
            ]
        chosen = np.linspace(0, len(pictures) - 1, min(SOURCES, len(pictures))).astype(int)
        sources = [talker.prepare(pictures[index]) for index in chosen]
        for index, picture in enumerate(pictures):
            yield Motion(*talker.estimate(picture, sources[index % len(sources)]))


if __name__ == "__main__":
    app(prog_name="visavis tables")
