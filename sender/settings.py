"""What a user may choose of what is sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sender.coding import Mode
from sender.crop import CropKind

WantedSource = Literal["chosen", "first"] | Path


@dataclass(frozen=True)
class SenderSettings:
    """What is sent. source: chosen in the first second, the first, or a file. keypoints: K', or as many as show.
    mode: how motion is coded; bundle: motions in a predictive packet, 1 to 4, or None as the line has it. limit_bps:
    for all that is sent, at the IP layer."""

    crop: CropKind = "follow"
    source: WantedSource = "chosen"
    rounding: bool = True
    keypoints: int | None = None
    mode: Mode = "auto"
    bundle: int | None = None
    limit_bps: float | None = None
