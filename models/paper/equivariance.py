"""How far keypoints that nobody named move with the picture: `python -m models.paper.equivariance PROFILE --clips DIR`.

A picture is bent by a known transform; where its keypoints are found in the bent picture, brought back, should be
where they were (supplement A.2). Two ways to find them: a picture's own, by L, H and Delta of that picture, and driven,
by H and Delta of the picture with another one's canonical keypoints, as in a call. Beside them stands what keypoints
would err that never move.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import typer
from torch import Tensor

from models.paper.profile import load_paper_profile
from models.paper.talker import TalkingHead
from models.profile import PROFILES, ProfileError
from models.training.bend import AFFINE_SPREAD, SPLINE_SPREAD, Bend, random_bend
from models.training.footage import DataError, fit_size
from models.training.loop import TrainingError
from models.training.runfile import RUNS, read_run, weights_of
from models.training.unsupervised import new_talker, shipped_talker

TRANSFORMS = {"affine": (AFFINE_SPREAD, 0.0), "spline": (0.0, SPLINE_SPREAD)}  # as in training
AT_ONCE = 4  # pictures
app = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True)
class Errors:
    """Mean distances in percent of the picture's side."""

    own: float  # keypoints of a picture by itself
    driven: float  # with another picture's canonical keypoints; of direct keypoints the same
    still: float  # of the picture's own keypoints, had they not moved


@torch.no_grad()
def equivariance_error(
    talker: TalkingHead, sources: Tensor, pictures: Tensor, *, affine: float, spline: float, seed: int = 0
) -> Errors:
    """Measure a talking head on pictures [N, 3, S, S] in [0, 1], with a source picture of the same person for each.

    Args:
        talker: in evaluation, on the pictures' device.
        sources, pictures: two pictures of each person.
        affine, spline: spreads of the bends (`models.training.bend`).
        seed: of the bends; one a picture.
    """
    chance = torch.Generator().manual_seed(seed)
    own, driven, still = [], [], []
    for source, picture in zip(sources.split(AT_ONCE), pictures.split(AT_ONCE), strict=True):
        bend = random_bend(
            len(picture), generator=chance, affine=affine, spline=spline, device=picture.device
        )
        bent = bend.picture(picture)
        seen, in_bent = (talker.find(each)[1].keypoints for each in (picture, bent))
        own.append(_away(seen, in_bent, bend))
        still.append(_away(seen, seen, bend))
        canonical, _ = talker.find(source)
        seen, in_bent = (talker.find(each, canonical)[1].keypoints for each in (picture, bent))
        driven.append(_away(seen, in_bent, bend))
    return Errors(*(float(torch.cat(each).mean()) for each in (own, driven, still)))


def _away(keypoints: Tensor, bent_keypoints: Tensor, bend: Bend) -> Tensor:
    back = bend(bent_keypoints[..., :2])
    return (keypoints[..., :2] - back).norm(dim=-1).flatten() * 50  # a side is 2 image units


def clip_pairs(folder: Path, *, size: int) -> tuple[Tensor, Tensor]:
    """Read the first and the middle picture of every clip of a folder, each [N, 3, size, size] in [0, 1].

    Raises DataError where there is no clip, or one that cannot be read.
    """
    pairs = []
    for path in sorted(folder.glob("*.mp4")):
        video = cv2.VideoCapture(str(path))
        pair = []
        for at in (0, int(video.get(cv2.CAP_PROP_FRAME_COUNT)) // 2):
            video.set(cv2.CAP_PROP_POS_FRAMES, at)
            read, frame = video.read()
            if not read:
                raise DataError(f"{path} holds no picture number {at}")
            pair.append(fit_size(frame[..., ::-1], size))
        pairs.append(np.stack(pair))
    if not pairs:
        raise DataError(f"{folder} holds no clips (.mp4)")
    both = torch.from_numpy(np.stack(pairs)).permute(1, 0, 4, 2, 3).float() / 255
    return both[0], both[1]


@app.command()
def main(
    profile: Annotated[str, typer.Argument(help="A profile of the paper's networks.")] = "paper-256",
    clips: Annotated[Path, typer.Option(help="Folder of square clips to measure on.")] = Path("clips"),
    output: Annotated[Path, typer.Option(help="Where `visavis train` left its checkpoints.")] = Path("runs"),
    report: Annotated[Path | None, typer.Option(help="A JSON file for the numbers.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
) -> None:
    """Measure the equivariance error of a profile's keypoints before its training and after it.

    Example: python -m models.paper.equivariance paper-256 --clips ../shared/data/val/clips
    """
    try:
        sizes = load_paper_profile(PROFILES / profile)
        stages = read_run(RUNS / f"{profile}.toml", profile=profile)
        stage = [each for each in stages if each["kind"] == "unsupervised"][-1]
        trained = weights_of(stage, output / profile)
        sources, pictures = (each.to(device) for each in clip_pairs(clips, size=sizes.picture_size))
    except (ProfileError, TrainingError, DataError) as error:
        typer.echo(f"equivariance: {error}", err=True)
        raise typer.Exit(1) from None
    torch.manual_seed(int(stage["seed"]))
    talkers = {"start": shipped_talker(sizes, new_talker(sizes).state_dict())}
    talkers["end"] = shipped_talker(sizes, trained)
    rows = []
    typer.echo("percent of the picture's side   own  driven   still")
    for when, talker in talkers.items():
        for name, (affine, spline) in TRANSFORMS.items():
            errors = equivariance_error(talker.to(device), sources, pictures, affine=affine, spline=spline)
            rows.append({"when": when, "transform": name} | asdict(errors))
            typer.echo(f"{when:5} {name:24} {errors.own:5.2f}  {errors.driven:6.2f}  {errors.still:6.2f}")
    if report is not None:
        report.write_text(json.dumps({"profile": profile, "pictures": len(pictures), "rows": rows}, indent=1))


if __name__ == "__main__":
    app(prog_name="python -m models.paper.equivariance")
