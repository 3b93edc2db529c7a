"""Where we lose: the clips that the frozen source picture or H.264 draws better, and what happens in them. It knows a
clip's points and what makes it hard; it measures nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bench.codecs import rate_at
from bench.rd_causes import causes_of
from bench.rd_ours import MODES
from bench.rd_summary import curve_of, error_of
from bench.statistics import TIE

RIVAL = "h264"
# What H.264 is compared in, and at which rates; and what the frozen picture is. Less is better in all of them.
COMPARED = ("lpips", "face_lpips", "mouth_expression", "identity_distance", "ms_ssim")
RATES = {"payload": "payload_kbps", "wire": "wire_kbps"}
JUDGES = ("lpips", "face_lpips", "mouth_expression", "eye_expression", "mouth_akd", "identity_distance")


def with_losses(clip: Mapping[str, Any]) -> dict[str, Any]:
    """Return a clip with what the report's own row of ours loses in it.

    `lost_to_frozen`: the figures in which the frozen picture is better. `lost_to_h264`: those, with the rate meant, in
    which H.264 is as good for less, or better even at its coarsest. `causes`: what happens in the clip, lost or not.
    """
    ours = next((point for name in MODES for point in clip["points"] if point["codec"] == name), None)
    frozen, rival = [], []
    if ours is not None:
        frozen = [key for key in JUDGES if (ours[f"{key}_ratio"] or 0.0) > 1 + TIE]
        rival = [lost for quality in COMPARED for lost in _losses(clip, ours, quality)]
    return {
        **clip,
        "lost_to_frozen": frozen,
        "lost_to_h264": rival,
        "causes": causes_of(clip, frozen_lpips=None if ours is None else ours["lpips_frozen"]),
    }


def losing(clips: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the clips that something else draws better than we do, those lost to the frozen picture first."""
    lost = [clip for clip in clips if clip["lost_to_frozen"] or clip["lost_to_h264"]]
    return sorted(lost, key=lambda clip: (-len(clip["lost_to_frozen"]), -len(clip["lost_to_h264"])))


def _losses(clip: Mapping[str, Any], ours: Mapping[str, Any], quality: str) -> list[str]:
    """Say at which rates H.264 beats ours in a figure: at whatever rate where even its coarsest point is better."""
    if ours[quality] is None or not (curve := curve_of(clip, RIVAL, quality, "payload_kbps")):
        return []
    error = error_of(ours, quality)
    if error > max(point.error for point in curve):
        return [f"{quality}, at any rate"]
    needed = {rate: rate_at(curve_of(clip, RIVAL, quality, rate), error) for rate in RATES.values()}
    return [f"{quality}, {name}" for name, rate in RATES.items() if (needed[rate] or math.inf) < ours[rate]]
