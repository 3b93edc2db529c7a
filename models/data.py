"""`visavis data`: raw videos become training data, and training data one small file that trains on any machine."""

from pathlib import Path
from typing import Annotated, Literal

import typer

# What a command works with is imported when it runs: the workers of `prepare` start from this file, and need no torch.

app = typer.Typer(
    add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]}
)


@app.callback()
def commands() -> None:
    """Training data."""


@app.command()
def prepare(
    videos: Annotated[Path, typer.Argument(help="Folder of videos; every video below it is taken.")],
    output: Annotated[Path, typer.Option(help="Data folder: a new one, or one to go on with.")],
    landmarker: Annotated[
        Path,
        typer.Option(
            help="MediaPipe's face_landmarker.task, which its package does not hold; Google publishes it at"
            " storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/."
        ),
    ],
    size: Annotated[Literal[256, 512], typer.Option(help="Side of the clips' pictures.")] = 256,
    people: Annotated[
        Literal["folder", "file"], typer.Option(help="What is one person: a folder of videos, or each file.")
    ] = "folder",
    licence: Annotated[
        str | None,
        typer.Option(
            help="Licence of all videos that DIR/licences.csv (columns path, licence) does not name."
        ),
    ] = None,
    min_seconds: Annotated[float, typer.Option(min=0.5, help="Drop shorter clips.")] = 3.0,
    min_face: Annotated[
        int, typer.Option(min=16, help="Drop faces that are fewer pixels high in the video.")
    ] = 96,
    min_sharpness: Annotated[
        float, typer.Option(min=0, help="Drop faces that are more blurred; 0 keeps all.")
    ] = 0.09,
    level: Annotated[
        Path | None,
        typer.Option(
            help="Data folder or pack whose level face to take over, as when a profile trained on it is trained"
            " on; made from the clips if left out."
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Address of a dask scheduler, as in tcp://10.0.0.5:8786; its workers see all files under the"
            " same paths."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine; as many as cores if left out.")
    ] = None,
) -> None:
    """Turn raw videos into stable square crops of faces with landmarks, for `visavis train` and `data pack`.

    Finished videos are not done again, so the same command goes on where it was stopped. What was dropped and
    why stands in OUTPUT/manifest.json.

    Needs the extra prior (MediaPipe). MediaPipe looks at the pictures on this machine, but sends Google figures
    about its own use and speed.

    Example: visavis data prepare footage --output ../prepared --landmarker face_landmarker.task --licence CC-BY-4.0
    """
    from models.prepare.mesh import OpenFaceMesh
    from models.prepare.report import print_table
    from models.prepare.run import prepare
    from models.prepare.settings import PrepareError, Settings
    from models.prepare.sources import find_sources
    from models.training.footage import DataError

    settings = Settings(
        size=size, least_seconds=min_seconds, least_face=min_face, least_sharpness=min_sharpness
    )
    try:
        sources = find_sources(videos, people=people, licence=licence)
        open_landmarker = OpenFaceMesh(landmarker)
        open_landmarker().close()  # a wrong file is told now, not by every video
        level_face = None
        if level is not None:
            from models.training.data import load_level_face

            level_face = load_level_face(level)
        outcomes = prepare(
            videos,
            output,
            sources=sources,
            settings=settings,
            open_landmarker=open_landmarker,
            level_face=level_face,
            scheduler=scheduler,
            workers=workers,
        )
    except KeyboardInterrupt:
        typer.echo("visavis data prepare: stopped; the same command goes on with what is left", err=True)
        raise typer.Exit(130) from None
    except (PrepareError, DataError, OSError) as error:
        typer.echo(f"visavis data prepare: {error}", err=True)
        raise typer.Exit(1) from None
    print_table(outcomes)
    if not any(outcome.record and outcome.record.clips for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def pack(
    data: Annotated[Path, typer.Option(help="Folder with train/, portraits/ and canonical_face.npz.")],
    output: Annotated[Path, typer.Option(help="The file to write, as in runs/pack.npz.")],
    size: Annotated[int, typer.Option(min=64, max=1024, help="Side of the pictures.")] = 256,
    limit: Annotated[float, typer.Option(min=0.1, help="Millions of bytes that the pack may have.")] = 50.0,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of the JPEG pictures.")] = 85,
    every: Annotated[
        int | None, typer.Option(min=1, help="Keep every n-th frame; the smallest n that fits if left out.")
    ] = None,
    portraits: Annotated[
        bool, typer.Option(help="Pack the still portraits too; picture stages do without.")
    ] = True,
    crop: Annotated[
        int,
        typer.Option(min=0, help="Leave out clips whose crop has fewer pixels a side; 400 for --size 512."),
    ] = 0,
    cache: Annotated[Path, typer.Option(help="Where decoded frames are kept.")] = Path("runs/cache"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the pack, if it is there already.")
    ] = False,
) -> None:
    """Pack the training clips' frames, the portraits and their landmarks into one file for `visavis train`.

    Example: visavis data pack --data ../shared/data --output runs/pack.npz
    """
    from models.training.data import clip_rows, load_clips, load_level_face, load_portraits
    from models.training.footage import DataError
    from models.training.pack import MEGABYTE, write_pack

    try:
        if not data.is_dir():
            raise DataError(f"{data} is no data folder")
        if output.exists() and not overwrite:
            raise DataError(f"{output} is there already; name another file, or replace it with --overwrite")
        level = load_level_face(data)
        packed = write_pack(
            output,
            clips=load_clips(data, cache, size=size, level=level, least_crop=crop),
            portraits=load_portraits(data, size=size, level=level) if portraits else None,
            level=level,
            about=[
                {name: row[name] for name in ("name", "fps", "licence")}
                for row in clip_rows(data, least_crop=crop)
            ],
            limit_mb=limit,
            quality=quality,
            every=every,
        )
    except DataError as error:
        typer.echo(f"visavis data pack: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(
        f"{output}: {packed.size_bytes / MEGABYTE:.1f} MB, {packed.frames} frames (every {packed.every}. of each"
        f" clip) and {packed.portraits} portraits, JPEG quality {packed.quality}"
    )


if __name__ == "__main__":
    app(prog_name="visavis data")
