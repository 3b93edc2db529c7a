"""The frame loop: every frame of the call is looked at, its motion coded and handed over. It runs on the motion thread
and waits for nothing but the next frame; it knows neither how packets travel nor how pictures get to the receiver."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from codec.feedback import Feedback
from codec.motion import Motion
from codec.predictive_encoder import Capture
from codec.time import TICK_CYCLE
from sender.adapting import Adapting
from sender.capture import Frame
from sender.coding import Coder, Packet
from sender.delivery import Delivery
from sender.observe import Observer
from sender.reader import Reader
from sender.sources import Sources
from sender.stamps import Stamps

OnFrame = Callable[[int, int, float, np.ndarray], None]
Film = Callable[[np.ndarray, float], None]


def ignore_frame(index: int, ticks: int, captured_s: float, picture: np.ndarray) -> None:
    """Take no interest."""


class FrameLoop:
    """What becomes of the frames of one call. All but `run` may be used from any thread.

    in_order: nothing is lost, and what follows is decoded after it. on_frame(index, ticks, captured_s, picture): see
    `sender.sender.Sender`.
    """

    def __init__(
        self, reader: Reader, observer: Observer, *, in_order: bool, on_frame: OnFrame = ignore_frame
    ) -> None:
        self.paused = False  # no motion is sent and no frame looked at
        self.film: Film | None = None  # takes the frames in motion's stead
        self.feedback: Feedback | None = None  # the newest
        self.predicts = True  # the coder, at the last frame
        self.no_face = self.left_out = self.too_soon = 0  # frames
        self._reader = reader
        self._observer = observer
        self._in_order = in_order
        self._on_frame = on_frame
        self._before = (0, 0)  # frames in and dropped before the call proper

    @property
    def frames_in(self) -> int:
        """How many frames were captured since the call proper began."""
        return self._reader.frames_in - self._before[0]

    @property
    def dropped(self) -> int:
        """How many of them gave way to newer ones before they were looked at."""
        return self._reader.dropped - self._before[1]

    def run(
        self, coder: Coder, delivery: Delivery, sources: Sources, *, adapting: Adapting | None = None
    ) -> None:
        """Send the frames' motions until the input or the capture ends; on the motion thread.

        adapting: says which frames the line has room for; None where each of them is sent.
        """
        self._before = (self._reader.frames_in, self._reader.dropped)
        self._reader.start()
        stamps = Stamps()

        def last() -> Capture | None:
            return coder.last

        for frame in self._reader.frames():
            if self._passes_by(frame):
                _put(coder.flush(), delivery)
                continue
            if adapting is not None and not adapting.wants(frame.captured_s):
                self.left_out += 1
                continue
            held = sources.current
            view = self._observer.observe(frame.picture, at_s=frame.captured_s, source=held.source.prepared)
            if view is None:
                self.no_face += 1
                _put(coder.flush(), delivery)  # what waits for company may wait long
                continue
            stamp = stamps.next(frame.captured_s)
            if stamp is None:
                self.too_soon += 1
                continue
            if (feedback := self.feedback) is not None and feedback.newest_ticks is not None:
                coder.learn(feedback)
                sources.acknowledge(feedback.newest_ticks)
            view, held = sources.choose(view, held, ticks=stamp.ticks)
            motion = Motion(view.rotation, view.translation, view.expression)
            self._on_frame(frame.index, stamp.counted_ticks, frame.captured_s, view.picture)
            self.predicts = coder.predicts(stamp.captured_s)
            if adapting is not None and adapting.depend(predictive=self.predicts, at_s=time.monotonic()):
                coder.follow(adapting.decision)
            packets = coder.put(motion, stamp.captured_s, source=held.slot)
            ticks, captured_s = stamp.ticks, stamp.captured_s
            packets = sources.bend(packets, view, held, ticks=ticks, captured_s=captured_s, last=last)
            _put(packets, delivery)
            sources.follow(view, held, ticks=ticks, captured_s=captured_s, last=last)
            if self._in_order:
                coder.acknowledge(stamp.ticks % TICK_CYCLE)
        _put(coder.flush(), delivery)

    def _passes_by(self, frame: Frame) -> bool:
        """Say whether a frame's motion is not to be sent; it is filmed where it should be."""
        if self.paused:
            return True
        if (film := self.film) is None:
            return False
        film(frame.picture, frame.captured_s)
        return True


def _put(packets: list[Packet], delivery: Delivery) -> None:
    for packet in packets:
        delivery.put(packet)
