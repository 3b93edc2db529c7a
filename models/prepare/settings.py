"""What can be chosen when videos are prepared, and what one video's preparation left behind."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

# Raised when the same settings would give other clips, so that finished videos are done again.
METHOD = 1


class PrepareError(Exception):
    """A folder, a file or an option that cannot be worked with; its text is a sentence for the user."""


@dataclass(frozen=True)
class Settings:
    """How videos become clips; equal settings and an equal file give equal clips."""

    size: int = 256  # side of a clip's pictures, pixels
    least_seconds: float = 3.0  # shorter clips are dropped
    least_face: int = 96  # median height of the face from forehead to chin, pixels of the video
    least_sharpness: float = 0.09  # see `take.sharpness`; a face blurred by a fiftieth of its height has 0.04
    profile: str = "laptop-256"  # whose `locate` graph finds faces

    def digest(self) -> str:
        """Return a hash that changes when the clips would."""
        text = json.dumps({"method": METHOD, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Clip:
    """One clip that was written."""

    name: str
    start_s: float  # in the video
    fps: float
    frames: int
    crop_left: int  # where the square lies in the upright frame, pixels of the video
    crop_top: int
    crop_side: int
    face_height: int  # median from forehead to chin, pixels of the video
    sound: bool
    interpolated: int  # frames whose landmarks were not found and lie between their neighbours'


@dataclass(frozen=True)
class Dropped:
    """A stretch of a video that no clip was made of."""

    start_s: float
    end_s: float
    why: str


@dataclass(frozen=True)
class Record:
    """What became of one video: written when it is finished, and the proof that it is."""

    path: str  # in the folder of videos
    sha256: str
    settings: str  # Settings.digest()
    seconds: float
    clips: tuple[Clip, ...] = ()
    dropped: tuple[Dropped, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Record":
        """Read what `to_json` gave; raises TypeError or KeyError for anything else."""
        clips = tuple(Clip(**clip) for clip in values["clips"])
        dropped = tuple(Dropped(**stretch) for stretch in values["dropped"])
        return cls(**{**values, "clips": clips, "dropped": dropped})
