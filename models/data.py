"""`visavis data pack`: a data folder becomes one small file that trains on any machine."""

from pathlib import Path
from typing import Annotated

import typer

from models.training.data import clip_rows, load_clips, load_level_face, load_portraits
from models.training.footage import DataError
from models.training.pack import MEGABYTE, write_pack

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.callback()
def commands() -> None:
    """Training data."""


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
    cache: Annotated[Path, typer.Option(help="Where decoded frames are kept.")] = Path("runs/cache"),
) -> None:
    """Pack the training clips' frames, the portraits and their landmarks into one file for `visavis train`.

    Example: visavis data pack --data ../shared/data --output runs/pack.npz
    """
    try:
        if not data.is_dir():
            raise DataError(f"{data} is no data folder")
        level = load_level_face(data)
        packed = write_pack(
            output,
            clips=load_clips(data, cache, size=size, level=level),
            portraits=load_portraits(data, size=size, level=level) if portraits else None,
            level=level,
            about=[{name: row[name] for name in ("name", "fps", "licence")} for row in clip_rows(data)],
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
