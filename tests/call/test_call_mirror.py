"""The mirror in a call over real sockets: what is brought into the picture is soon seen on the other side, and what the
other side remembers is not sent again."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from call import options
from call.ends import Ends
from call.film import read_film, write_clip
from call.loopback import hold
from call.loopback_figures import call_figures
from models.training.occluders import paste_object
from sender.distance import CELLS, cell_distances, look_at

SIDE = 256
RATE = 25.0
BEFORE, AFTER = 50, 100  # frames


def bring_object(clip: Path, path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Write a clip into which an object over a tenth of the picture is brought after two seconds; return its pictures
    and the cells that the object covers."""
    frames = [cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for frame in read_film(clip)]
    there_and_back = [*frames, *frames[::-1]]
    pictures = [there_and_back[index % len(there_and_back)] for index in range(BEFORE + AFTER)]
    surface = np.full((SIDE, SIDE, 3), (150, 20, 140), np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for index in range(BEFORE, len(pictures)):
        pictures[index], mask = paste_object(pictures[index], surface, np.random.default_rng(23), area=0.1)
    write_clip(path, pictures, frame_rate=RATE)
    return pictures, cv2.resize(mask, (CELLS, CELLS), interpolation=cv2.INTER_AREA) > 127


def apart(first: np.ndarray, second: np.ndarray, where: np.ndarray) -> float:
    return float(cell_distances(look_at(first), look_at(second))[where].mean())


async def test_an_object_brought_into_the_picture_is_soon_seen_on_the_other_side(
    ends: Ends, profile_folder: Path, val_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How busy this machine is decides how often the mirror looks, and is not what is asked here.
    monkeypatch.setattr("sender.watch.COSTLY_S", 60.0)
    clip, output = tmp_path / "object.mp4", tmp_path / "drawn.mp4"
    pictures, where = bring_object(val_clip, clip)
    engine = options.Engine(str(profile_folder))
    sent = options.Input(str(clip), crop="full", source="first", fast=True)
    call = options.Loopback(sent, engine, output=str(output))
    held = await hold(call, ends, None)
    figures = call_figures(call, ends, held)
    assert figures["repairs"] + figures["residual_repairs"] >= 1
    assert figures["mirror_looks"] >= 4
    drawn = list(read_film(output))
    assert len(drawn) == len(pictures)
    covered = apart(drawn[BEFORE + 2], pictures[BEFORE + 2], where)
    assert apart(drawn[-1], pictures[-1], where) < 0.5 * covered


async def test_a_second_call_to_someone_who_remembers_begins_without_a_picture(
    ends: Ends, profile_folder: Path, face_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = options.Engine(str(profile_folder))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    sent = options.Input(str(face_clip), crop="full", source="first", fast=True)
    first, second, other = [
        await hold(options.Loopback(sent, engine, remember=remember), ends, None)
        for remember in (True, True, False)
    ]
    assert first.sent.source_bytes > 1000
    assert second.sent.source_bytes == 0
    assert second.received.frames_fresh == second.sent.frames_in == 30
    assert other.sent.source_bytes >= first.sent.source_bytes
