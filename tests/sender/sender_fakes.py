"""Stand-ins for the sender's neighbours: a talker that sees a drawn disc as a face, and a peer without a
network."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from codec.control import Message, decode_control, encode_control
from codec.feedback import Feedback
from codec.hello import Capability, Goodbye, Hello
from codec.ordered import OrderedMotion
from codec.picture import PictureAssembler
from codec.transfer import PicturePiece, PictureReady
from runtime.geometry import KEYPOINT_VERTICES, keypoints
from sender.observe import CHIN, OVAL_HEIGHT, OVAL_MIDDLE

K = len(KEYPOINT_VERTICES)
SIZE = 64
FACE_RED = 200  # a face is where red is above this
OVAL = 2.747  # the level face's height in distances between the irises


def level_face() -> np.ndarray:
    """Return canonical keypoints [K, 3] with what the sender measures: irises, chin, lids, lips."""
    points = np.zeros((K, 3), np.float32)
    points[[12, 13]] = [[-0.5, -0.454, 0.03], [0.5, -0.454, 0.03]]
    points[CHIN] = [0.0, 1.435, 0.03]
    points[[8, 9]] = [[-0.5, -0.55, 0], [-0.5, -0.35, 0]]
    points[[10, 11]] = [[0.5, -0.55, 0], [0.5, -0.35, 0]]
    points[[0, 1]] = [[0, 0.70, 0], [0, 0.70, 0]]
    points[[2, 3]] = [[-0.4, 0.7, 0], [0.4, 0.7, 0]]
    return points


@dataclass(frozen=True)
class FakeFace:
    """What the fake `locate` returns."""

    centre_x: float
    centre_y: float
    size: float


@dataclass(frozen=True)
class FakeSource:
    """What the sender reads of a prepared source picture."""

    canonical: np.ndarray
    keypoints: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    expression: np.ndarray


def draw_frame(
    width: int, height: int, *, x: float, y: float, face: float, background: int = 30
) -> np.ndarray:
    """Return uint8 HxWx3: a red disc `face` pixels high around (x, y)."""
    frame = np.full((height, width, 3), background, np.uint8)
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    frame[(rows - y) ** 2 + (columns - x) ** 2 <= (face / 2) ** 2] = (255, 20, 20)
    return frame


def find_disc(picture: np.ndarray) -> tuple[float, float, float] | None:
    """Return middle and height of the red disc, or None."""
    rows, columns = np.nonzero(picture[:, :, 0] > FACE_RED)
    if rows.size < 12:
        return None
    return columns.mean() + 0.5, rows.mean() + 0.5, 2 * float(np.sqrt(rows.size / np.pi))


class FakeTalker:
    """Sees the red disc as a level face; `noise` (of the picture) makes its measurements shake."""

    bends = False  # what is drawn knows no residual flow

    def __init__(self, *, noise: float = 0.0, confident: bool = True) -> None:
        self._noise = noise
        self._random = np.random.default_rng(5)
        self.locates = self.confident = confident
        self.prepared: list[np.ndarray] = []

    def prepare(self, picture: np.ndarray) -> FakeSource:
        self.prepared.append(picture)
        return FakeSource(level_face(), level_face(), *self.estimate(picture, None))

    def locate(self, frame: np.ndarray) -> FakeFace | None:
        disc = find_disc(frame)
        return FakeFace(*disc) if disc and self.locates else None

    def estimate(self, picture: np.ndarray, source: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        size = picture.shape[0]
        x, y, height = find_disc(picture) or (size / 2, size / 2, 1.0)
        x, y, height = np.array([x, y, height]) + self._random.normal(0, self._noise * size, 3)
        scale = height / size * 2 / OVAL
        # The middle of the oval lies below the level face's origin.
        origin = y / size * 2 - 1 - scale * (OVAL_MIDDLE * (1.435 + 0.454) - 0.454)
        translation = np.array([x / size * 2 - 1, origin, -np.log(scale)], np.float32)
        return np.zeros(3, np.float32), translation, np.zeros((K, 3), np.float32)

    def keypoints_of(
        self, source: object, rotation: np.ndarray, translation: np.ndarray, expression: np.ndarray
    ) -> np.ndarray:
        return keypoints(level_face(), rotation, translation, expression)


assert abs(OVAL_HEIGHT * (1.435 + 0.454) - OVAL) < 0.01


@dataclass
class Counters:
    """The fake peer's counters."""

    sent_bytes: int = 0
    received_bytes: int = 0
    round_trip_s: float | None = None


def shown(frames: int) -> Feedback:
    """Return the feedback of a receiver that has shown so many frames."""
    return Feedback(None, 0, 0, frames, 0)


class FakePeer:
    """Records what is sent and answers as a receiver would; `answer` may be replaced."""

    def __init__(self, hello: Hello) -> None:
        self.hello = replace(hello, capabilities=Capability.DRAWS_IN_ORDER)
        self.motions: list[bytes] = []
        self.messages: list[Message] = []
        self.counters = Counters()
        self.paces: list[tuple[float | None, float | None]] = []
        self.on_control: Callable[[bytes], None] = lambda data: None
        self.answer: Callable[[Message], list[Message]] = self.agree
        self.on_motion: Callable[[bytes], bool] = lambda data: True
        self.riding: list[bool] = []  # which of the motions may
        self._pictures = PictureAssembler()

    def agree(self, message: Message) -> list[Message]:
        """Answer a hello with the own, a whole picture with 'ready', and a motion in order as if it were shown."""
        if isinstance(message, Hello):
            return [self.hello]
        if isinstance(message, PicturePiece) and self._pictures.add(message) is not None:
            return [PictureReady(message.transfer, message.slot)]
        if isinstance(message, OrderedMotion):
            self.motions.append(message.packet)
            return [shown(len(self.motions))]
        return []

    def send_motion(self, data: bytes, *, rides: bool = False) -> bool:
        taken = self.on_motion(data)
        if taken:
            self.motions.append(data)
            self.riding.append(rides)
        return taken

    def send_control(self, data: bytes) -> None:
        message = decode_control(data)
        self.messages.append(message)
        for reply in self.answer(message):
            asyncio.get_running_loop().call_soon(self.on_control, encode_control(reply))

    def pace(self, *, pieces_bps: float | None, limit_bps: float | None) -> None:
        self.paces.append((pieces_bps, limit_bps))

    async def drain(self, timeout_s: float = 0.3, *, one: bool = False) -> None:
        await asyncio.sleep(0)

    def stats(self) -> Counters:
        return self.counters

    @property
    def goodbye(self) -> str | None:
        """The reason of the goodbye, if it was said."""
        said = [message.reason for message in self.messages if isinstance(message, Goodbye)]
        return said[-1] if said else None


def write_video(
    path: Path,
    pictures: Iterator[np.ndarray] | list[np.ndarray],
    *,
    times_ms: list[int] | None = None,
    rate: int = 25,
) -> Path:
    """Write pictures as H.264, at a constant rate or at the given times."""
    with av.open(str(path), "w") as container:
        stream = None
        for index, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(
                    "libx264", rate=rate, options={"crf": "10", "preset": "ultrafast"}
                )
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = Fraction(1, 1000)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.time_base = Fraction(1, 1000)
            frame.pts = times_ms[index] if times_ms else round(index * 1000 / rate)
            container.mux(stream.encode(frame))
        assert stream is not None
        container.mux(stream.encode(None))
    return path


def turn_clockwise(path: Path) -> None:
    """Write a quarter turn into an MP4's track header, as phones do."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 36] = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 64 << 16, 0, 1 << 30)
    path.write_bytes(data)
