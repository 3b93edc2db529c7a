"""A profile's residual codes: weights, two graphs, and the chances by which codes of training pictures are coded."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codec.residual import Codes
from codec.residual_fitting import fit_residual
from models.export import export_residual
from models.profile import load_network_profile
from models.profile_toml import note_kept, write_table
from models.replacing import replacing
from models.residual import Residual
from models.training.data import load_clips, load_level_face
from models.training.loop import TrainingError
from models.training.pairs import Filmed, teacher_heads
from models.training.residual import draw_pairs, faults_of, redraw_as
from models.weights import save_weights
from runtime.profile import RESIDUAL_FILES
from runtime.repairer import Residual as Coded

PAIRS = 120  # of a picture and the redrawn one, whose codes the chances are fitted to
SEED = 9  # none of a training's
WEIGHTS = "residual.safetensors"


def build_residual(folder: Path, weights: dict[str, Tensor], *, data: Path, cache: Path) -> int:
    """Write a residual network's weights into a profile's folder with all that a call takes of it.

    Returns how many pictures its codes were fitted to.

    Raises:
        ProfileError: a folder that is no profile.
        TrainingError: a profile that is not built, weights of another network, or one that sends nothing.
        DataError: data that cannot be read.
        OSError: a file that cannot be written; those of before then stay.
    """
    size = load_network_profile(folder).picture_size
    residual = Residual().eval()
    halved = {name: value.half().contiguous() for name, value in weights.items()}
    try:
        residual.load_state_dict(halved)
    except RuntimeError as error:
        raise TrainingError(f"the weights are no residual network's: {str(error).splitlines()[0]}") from None
    level = load_level_face(data)
    footage = load_clips(data, cache, size=size, level=level)
    faults = faults_of(Filmed(footage, teacher_heads(footage, level)), level, size=size)
    redraw = redraw_as(str(folder), size=size, device=torch.device("cpu"))
    codes = codes_of(residual, draw_pairs(faults, redraw, count=PAIRS, seed=SEED))
    try:
        fitted = fit_residual(codes)
    except ValueError as error:
        raise TrainingError(f"the network is of no use: {error}") from None
    with replacing(folder) as new:
        save_weights(halved, new / WEIGHTS)
        hashes = export_residual(residual, new, size=size)
        chances = new / RESIDUAL_FILES[-1]
        fitted.save(chances)
        hashes[chances.stem] = hashlib.sha256(chances.read_bytes()).hexdigest()
    write_table(folder / "profile.toml", "residual", "SHA-256 of each", hashes)
    note_kept(folder, WEIGHTS)
    return len(codes)


def codes_of(residual: Residual, triples: NDArray[np.uint8]) -> list[Codes]:
    """Code what picture and redrawn one of triples [N, 3, S, S, 3] differ in; each int8 [32, S/8, S/8]."""
    codes = []
    for triple in triples:
        picture, redrawn = torch.from_numpy(triple[1:]).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            code = residual.encoder((picture - redrawn)[None])
        found = Coded(code.signs[0].to(torch.int8).numpy(), code.significance[0, 0].numpy())
        codes.append(found.codes())
    return codes


def remove_residual(folder: Path) -> None:
    """Take a profile's residual codes out of its folder, if it has any."""
    write_table(folder / "profile.toml", "residual", "", {})
    for name in (*RESIDUAL_FILES, WEIGHTS):
        (folder / name).unlink(missing_ok=True)
    note_kept(folder, WEIGHTS)
