"""The mirror in a call over real sockets: what is brought into the picture is soon seen on the other side, and what the
other side remembers is not sent again."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from call import options
from call.ends import Ends
from call.film import read_film, write_clip
from call.loopback import hold
from call.loopback_figures import call_figures
from call.portrait import load_portrait
from sender.bring import Bring, Seen
from sender.distance import CELLS, cell_distances, look_at
from sender.mirror import Mirror
from sender.sources import Sources
from tests.patience import PATIENCE_S

SIDE = 256
RATE = 25.0
BEFORE, AFTER, LAST = 30, 100, 25  # frames
RADIUS = round(SIDE * (0.1 / np.pi) ** 0.5)  # of an object over a tenth of the picture
BESIDE, BEFORE_FACE = (48, 200), (150, 130)  # the object's middle: x, y


def swaying(frames: int) -> Iterator[np.ndarray]:
    """The astronaut's head, moving a little before a background that stands still."""
    portrait = load_portrait(SIDE)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    near = np.exp(-((columns - SIDE / 2) ** 2 + (rows - 0.45 * SIDE) ** 2) / (2 * (SIDE / 6) ** 2))
    for index in range(frames):
        across, down = 3 * np.sin(index / 9), 1.5 * np.sin(index / 7)
        where = (columns - np.float32(across) * near, rows - np.float32(down) * near)
        yield cv2.remap(portrait, *where, cv2.INTER_LINEAR)


def bring_object(path: Path, place: tuple[int, int]) -> tuple[list[np.ndarray], np.ndarray]:
    """Write a clip into which an object over a tenth of the picture is brought after a second; return its pictures
    and the cells that the object covers."""
    pictures = list(swaying(BEFORE + AFTER))
    for picture in pictures[BEFORE:]:
        cv2.circle(picture, place, RADIUS, (150, 20, 140), -1, cv2.LINE_AA)
    write_clip(path, pictures, frame_rate=RATE)
    mask = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), place, RADIUS, 255, -1)
    return pictures, cv2.resize(mask, (CELLS, CELLS), interpolation=cv2.INTER_AREA) > 127


def apart(first: np.ndarray, second: np.ndarray, where: np.ndarray) -> float:
    return float(cell_distances(look_at(first), look_at(second))[where].mean())


@pytest.fixture
def in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the frames of a clip that is sent as fast as it goes wait for the mirror's looks, and for the pictures that
    it wishes for: how far they are ahead of both depends on the machine, and is not what is asked here."""
    monkeypatch.setattr("sender.watch.COSTLY_S", math.inf)
    look, brought, follow = Mirror.look, Mirror.brought, Sources.follow
    under_way = 0

    def note_wish(mirror: Mirror, seen: Seen) -> Bring | None:
        nonlocal under_way
        wish = look(mirror, seen)
        under_way += wish is not None
        return wish

    def note_end(mirror: Mirror, bring: Bring, *, arrived: bool) -> None:
        nonlocal under_way
        brought(mirror, bring, arrived=arrived)
        under_way -= 1

    def wait(sources: Sources, *given: Any, **named: Any) -> None:
        follow(sources, *given, **named)
        assert sources._watch is not None
        end_s = time.monotonic() + PATIENCE_S
        while sources._watch.looking or under_way:
            assert time.monotonic() < end_s, "the mirror has not come to its end"
            time.sleep(0.002)

    monkeypatch.setattr(Mirror, "look", note_wish)
    monkeypatch.setattr(Mirror, "brought", note_end)
    monkeypatch.setattr(Sources, "follow", wait)


@pytest.mark.usefixtures("in_step")
@pytest.mark.parametrize("place", [BESIDE, BEFORE_FACE], ids=["beside the face", "before the face"])
async def test_an_object_brought_into_the_picture_is_soon_seen_on_the_other_side(
    ends: Ends,
    profile_folder: Path,
    tmp_path: Path,
    place: tuple[int, int],
) -> None:
    clip, output = tmp_path / "object.mp4", tmp_path / "drawn.mp4"
    pictures, where = bring_object(clip, place)
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
    for index in range(-LAST, 0):  # and stays so
        assert apart(drawn[index], pictures[index], where) < 0.5 * covered


async def test_a_second_call_to_someone_who_remembers_begins_without_a_picture(
    ends: Ends, profile_folder: Path, face_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = options.Engine(str(profile_folder))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    # The pictures that a mirror brings are counted as well, and it looks as often as there is time for.
    monkeypatch.setattr("sender.watch.Watch.due", lambda watch, captured_s: False)
    sent = options.Input(str(face_clip), crop="full", source="first", fast=True)
    first, second, other = [
        await hold(options.Loopback(sent, engine, remember=remember), ends, None)
        for remember in (True, True, False)
    ]
    assert first.sent.source_bytes > 1000
    assert second.sent.source_bytes == 0
    assert second.received.frames_fresh == second.sent.frames_in == 30
    assert other.sent.source_bytes >= first.sent.source_bytes
