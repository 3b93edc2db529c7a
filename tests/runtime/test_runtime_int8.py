"""The 8-bit graphs say and draw what the float ones do, as far as anybody could see."""

from pathlib import Path

import av
import numpy as np
import pytest

from runtime.engine import load
from runtime.profile import load_profile
from runtime.talker import Talker

pytestmark = pytest.mark.usefixtures("profile_folder")


@pytest.fixture(scope="module")
def talkers() -> tuple[Talker, Talker]:
    profile = load_profile("laptop-256")
    graphs = load(profile, engine="openvino"), load(profile, engine="openvino-f32")
    if graphs[0].engine == graphs[1].engine:
        pytest.skip("this CPU has no 8-bit arithmetic")
    return Talker(graphs[0], picture_size=256), Talker(graphs[1], picture_size=256)


@pytest.fixture
def frames(face_clip: Path) -> list[np.ndarray]:
    with av.open(str(face_clip)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def test_motion_differs_by_less_than_is_coded(
    talkers: tuple[Talker, Talker], frames: list[np.ndarray]
) -> None:
    fast, exact = talkers
    # Coded in steps of 0.25 degrees and, for lips and lids, of 1/128 in image units.
    for frame in frames[::5]:
        found, due = fast.estimate(frame, None), exact.estimate(frame, None)
        np.testing.assert_allclose(found[0], due[0], atol=0.25)
        np.testing.assert_allclose(found[1], due[1], atol=1 / 128)
        np.testing.assert_allclose(found[2], due[2], atol=1 / 64)


def test_the_picture_differs_by_less_than_one_level_on_average(
    talkers: tuple[Talker, Talker], frames: list[np.ndarray]
) -> None:
    fast, exact = talkers
    motion = exact.estimate(frames[12], exact.prepare(frames[0]))
    drawn = fast.draw(fast.prepare(frames[0]), *motion).astype(float)
    due = exact.draw(exact.prepare(frames[0]), *motion).astype(float)
    assert np.abs(drawn - due).mean() < 1
    assert np.abs(drawn - due).max() < 40
    assert np.abs(due - frames[0]).mean() > 2, "nothing moved"
