"""Stand-ins for what a receiver meets: motions with a number, a talker that paints it, a peer without a line."""

from dataclasses import dataclass

import numpy as np

from codec.control import Message, decode_control
from codec.decoder import DecodedMotion
from codec.format import MotionFormat
from codec.hello import Hello
from codec.motion import Motion
from codec.ranges import FREQUENCY_SUM, SYMBOLS

KEYPOINTS = 2
SIZE = 64


def motion(value: float) -> Motion:
    """Make a motion that can be told from others: `value` is its yaw."""
    return Motion([value, 0, 0], [0, 0, 0], np.zeros((KEYPOINTS, 3)))


def decoded(ticks: int, *, value: float | None = None, source: int = 0) -> DecodedMotion:
    """Make a decoded motion; without another value its yaw tells its time, and its roll that it really came."""
    yaw = (ticks % 64) if value is None else value
    return DecodedMotion(ticks, source, Motion([yaw, 0, 1], [0, 0, 0], np.zeros((KEYPOINTS, 3))))


def motion_format() -> MotionFormat:
    """Make a format whose tables know nothing: every byte is as likely."""
    table = np.full((12 + 6 * KEYPOINTS, SYMBOLS), FREQUENCY_SUM // SYMBOLS)
    return MotionFormat(KEYPOINTS, 0.25, 2**-8, np.full((KEYPOINTS, 3), 2**-8, np.float32), table, table)


def hello(**changes: object) -> Hello:
    """Make a hello of the profile that these fakes stand for."""
    fields: dict[str, object] = {
        "version": 1,
        "profile": "fake-64",
        "graphs_hash": bytes(32),
        "format_hash": motion_format().hash,
        "picture_size": SIZE,
        "frame_rate": 25.0,
        "capabilities": 0,
        "resumption_secret": bytes(16),
    }
    return Hello(**(fields | changes))  # type: ignore[arg-type]


@dataclass(frozen=True)
class FakeSource:
    """What a receiver reads of a prepared source picture."""

    rotation: np.ndarray
    translation: np.ndarray
    expression: np.ndarray
    brightness: float


class FakeTalker:
    """Paints the yaw it is told as grey; prepares anything."""

    bends = False  # what is drawn knows no residual flow

    def __init__(self) -> None:
        self.drawn: list[float] = []
        self._poses: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def estimate(self, picture: np.ndarray, source: FakeSource) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self._poses[int(picture[0, 0, 0])]

    def prepare(self, picture: np.ndarray) -> FakeSource:
        return FakeSource(np.zeros(3), np.zeros(3), np.zeros((KEYPOINTS, 3)), float(picture.mean()))

    def rebase(
        self, rotation: np.ndarray, expression: np.ndarray, *, of: FakeSource, to: FakeSource
    ) -> np.ndarray:
        return expression

    def draw(
        self,
        source: FakeSource,
        rotation: np.ndarray,
        translation: np.ndarray,
        expression: np.ndarray,
        flow: object = None,
    ) -> np.ndarray:
        self.drawn.append(float(rotation[0]))
        grey = int(np.clip(128 + rotation[0], 0, 255))
        self._poses[grey] = (rotation, translation, expression)
        return np.full((SIZE, SIZE, 3), grey, np.uint8)


class FakeLine:
    """A peer that keeps what is sent to it."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send_control(self, data: bytes) -> None:
        self.sent.append(decode_control(data))

    def send_report(self, data: bytes) -> None:
        self.sent.append(decode_control(data))

    def stats(self) -> "FakeLine":
        return self

    @property
    def received_bytes(self) -> int:
        """What came at the IP layer, by this line's account."""
        return 2**32 + 5000

    async def drain(self) -> None:
        pass

    def of(self, kind: type) -> list[Message]:
        return [message for message in self.sent if isinstance(message, kind)]
