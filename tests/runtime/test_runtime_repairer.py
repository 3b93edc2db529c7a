"""The repairer, on graphs whose work is known: what is sent, and what a code changes; and profiles with and without."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runtime.profile import RESIDUAL_FILES, ProfileError, load_profile
from runtime.repairer import SIGNIFICANT, Repairer, Residual, load_repairer

SIZE, SIDE = 64, 8


def encode(inputs: Any) -> dict[str, np.ndarray]:
    """Call significant what differs; the first three channels' signs are the colours' own."""
    cells = inputs["difference"].reshape(1, 3, SIDE, 8, SIDE, 8).mean((3, 5))
    signs = np.ones((1, 32, SIDE, SIDE), np.float32)
    signs[:, :3] = np.where(cells >= 0, 1, -1)
    return {"signs": signs, "significance": np.clip(np.abs(cells).max(1, keepdims=True) * 4, 0, 1)}


def decode(inputs: Any) -> dict[str, np.ndarray]:
    """Move each colour of a cell a fifth of the way to white or black."""
    cells = 0.2 * inputs["signs"][:, :3] * inputs["kept"]
    return {"correction": cells.repeat(8, axis=2).repeat(8, axis=3).astype(np.float32)}


@pytest.fixture
def repairer() -> Repairer:
    return Repairer(encode, decode, picture_size=SIZE)


def test_a_cell_that_differs_is_sent_and_moved_the_right_way(repairer: Repairer) -> None:
    redrawn = np.full((SIZE, SIZE, 3), 100, np.uint8)
    picture = redrawn.copy()
    picture[8:16, 24:32] = (160, 40, 100)
    codes = repairer.residual_encode(picture, redrawn).codes()
    assert codes.dtype == np.int8
    assert codes[:2, 1, 3].tolist() == [1, -1]
    codes_elsewhere = codes.copy()
    codes_elsewhere[:, 1, 3] = 0
    assert not codes_elsewhere.any()
    repaired = repairer.repair(redrawn, codes)
    assert repaired[10, 26].tolist() == [151, 49, 151]
    repaired[8:16, 24:32] = 100
    assert (repaired == 100).all()


def test_a_repair_stays_within_what_a_picture_holds(repairer: Repairer) -> None:
    codes = np.ones((32, SIDE, SIDE), np.int8)
    white = np.full((SIZE, SIZE, 3), 240, np.uint8)
    assert (repairer.repair(white, codes) == 255).all()
    assert (repairer.repair(255 - white, -codes) == 0).all()


def test_the_most_significant_cells_are_sent_where_there_is_room_for_few() -> None:
    significance = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    residual = Residual(np.ones((32, 8, 8), np.int8), significance)
    assert np.count_nonzero(residual.codes()[0]) == np.count_nonzero(significance > SIGNIFICANT)
    few = residual.codes(most=3)[0]
    assert np.flatnonzero(few).tolist() == [61, 62, 63]
    within = np.zeros((8, 8), bool)
    within[:, 0] = True
    assert np.flatnonzero(residual.codes(within=within, most=2)[0]).tolist() == [48, 56]


def test_pictures_and_codes_of_another_size_are_refused(repairer: Repairer) -> None:
    picture = np.zeros((SIZE, SIZE, 3), np.uint8)
    with pytest.raises(ValueError, match="was wanted"):
        repairer.residual_encode(picture, picture[:32])
    with pytest.raises(ValueError, match="was wanted"):
        repairer.residual_decode(np.zeros((32, 4, 4), np.int8))


@pytest.fixture
def plain(tmp_path: Path, profile_folder: Path) -> Path:
    """The shipped profile without its residual codes."""
    folder = tmp_path / "plain"
    shutil.copytree(profile_folder, folder)
    text = (folder / "profile.toml").read_text()
    before, _, rest = text.partition("[residual]")
    rest = rest.partition("\n[")[1:]
    (folder / "profile.toml").write_text(before + "".join(rest).lstrip("\n"))
    return folder


def test_a_profile_without_residual_codes_runs_and_says_so(plain: Path) -> None:
    profile = load_profile(str(plain))
    assert not profile.residual
    with pytest.raises(ProfileError, match="has no residual codes"):
        load_repairer(profile)


def test_residual_codes_are_part_of_what_both_sides_must_hold(plain: Path) -> None:
    without = load_profile(str(plain)).graphs_hash
    lines = ["", "[residual]"]
    for name in RESIDUAL_FILES:
        (plain / name).write_bytes(name.encode())
        lines.append(f'{Path(name).stem} = "{hashlib.sha256(name.encode()).hexdigest()}"')
    with (plain / "profile.toml").open("a") as file:
        file.write("\n".join(lines) + "\n")
    profile = load_profile(str(plain))
    assert profile.residual
    assert profile.graphs_hash != without
    (plain / "residual.npz").write_bytes(b"another")
    with pytest.raises(ProfileError, match=r"residual\.npz is damaged or of another version"):
        load_profile(str(plain))
