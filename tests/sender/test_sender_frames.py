"""What becomes of frames in the frame loop, with nobody before the camera for a while."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from codec.decoder import MotionDecoder
from codec.motion import Motion
from codec.predictive_encoder import Capture
from codec.tables import fit_tables
from sender.capture import Frame
from sender.coding import Coder, Packet
from sender.frames import FrameLoop
from sender.held import Held
from sender.observe import View
from sender.rate import Decision
from tests.sender.held_fakes import face, held, motion
from tests.sender.sender_fakes import K


class Frames:
    """A reader of a camera's frames at these times."""

    frames_in = dropped = 0

    def __init__(self, times_s: list[float]) -> None:
        self._times_s = times_s

    def start(self) -> None:
        pass

    def frames(self) -> Iterator[Frame]:
        for index, at_s in enumerate(self._times_s):
            yield Frame(face(), at_s, index)


class Sees:
    """An observer that sees a face at rest."""

    def observe(self, frame: np.ndarray, *, at_s: float, source: object) -> View:
        its = motion()
        return View(frame, its.rotation, its.translation, its.expression)


class Sources:
    """One picture, and the times that it is asked of."""

    def __init__(self) -> None:
        self.current = held(0)
        self.ticks: list[int] = []

    def choose(self, view: View, drawn_from: Held, *, ticks: int) -> tuple[View, Held]:
        self.ticks.append(ticks)
        return view, drawn_from

    def bend(self, packets: list[Packet], view: View, drawn_from: Held, **given: Any) -> list[Packet]:
        return packets

    def follow(
        self,
        view: View,
        drawn_from: Held,
        *,
        ticks: int,
        captured_s: float,
        last: Callable[[], Capture | None],
    ) -> None:
        assert ticks == self.ticks[-1]


class Sent(list[Packet]):
    """What was handed over."""

    def put(self, packet: Packet) -> None:
        self.append(packet)


@pytest.mark.parametrize("silence_s", [3.0, 45.0, 60.0, 300.0])
def test_an_absence_is_as_long_for_the_pictures_as_it_was_and_counted_as_the_receiver_counts_it(
    silence_s: float,
) -> None:
    seen: list[int] = []
    still = Motion(np.zeros(3), np.zeros(3), np.zeros((K, 3)))
    motion_format = fit_tables([still], expression_steps=np.full((K, 3), 2**-8))
    before_s = [1000 + index / 25 for index in range(50)]
    reader: Any = Frames([*before_s, *(at_s + silence_s for at_s in before_s)])
    observer: Any = Sees()
    sources: Any = Sources()
    sent: Any = Sent()
    loop = FrameLoop(
        reader, observer, in_order=False, on_frame=lambda index, ticks, at_s, picture: seen.append(ticks)
    )
    coder = Coder(
        motion_format,
        Decision("static", 25.0, None, 1, 0, 0.0),
        rounding=True,
        keypoints=None,
        predictive="never",
    )
    loop.run(coder, sent, sources)
    assert np.diff(sources.ticks).min() > 0
    assert sources.ticks[50] - sources.ticks[0] == pytest.approx(60 * silence_s, abs=1)
    decoder = MotionDecoder(motion_format)
    counted = [decoded.ticks for packet in sent for decoded in decoder.decode(packet.data)]
    assert np.diff(seen).tolist() == np.diff(counted).tolist()
