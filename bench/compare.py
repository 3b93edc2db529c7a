"""Two equally long sequences of pictures, original and redrawn, and the picture that was drawn from: how good is it?
Made to be run in a process of its own by programs that must not load torch; what cannot be judged here is null, and
`why` says what is missing. It does not know how the pictures were made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from bench.clips import Picture, backbones_folder
from bench.errors import BenchError
from bench.metrics import basic
from bench.statistics import mean
from runtime.installed import how_to_add

PIXEL_KEYS = ("psnr", "ssim")
LPIPS_KEYS = ("lpips", "face_lpips")
KEYS = LPIPS_KEYS + PIXEL_KEYS


def compare(
    originals: Sequence[Picture], redrawn: Sequence[Picture], *, source: Picture | None, every: int
) -> dict[str, Any]:
    """Return `lpips`, `face_lpips`, `psnr` and `ssim` of every `every`-th picture HxWx3, and each with `_frozen`, the
    same for the `source` picture repeated.

    Raises BenchError where the sequences differ in length or size, and for sides below 11 pixels; whatever cannot be
    measured is None with a `why`.
    """
    if len(originals) != len(redrawn):
        raise BenchError(
            f"{len(originals)} original pictures cannot be compared with {len(redrawn)} redrawn."
        )
    sizes = {picture.shape for picture in (*originals, *redrawn)}
    if len(sizes) > 1:
        raise BenchError(f"The pictures to compare differ in size: {sorted(sizes)}.")
    height, width = originals[0].shape[:2]
    if min(height, width) < basic.WINDOW:
        raise BenchError(
            f"Pictures are compared from {basic.WINDOW} pixels a side on, not {width} x {height}."
        )
    chosen = list(originals[every // 2 :: every]) or list(originals[:1])
    rivals = {"": list(redrawn[every // 2 :: every]) or list(redrawn[:1])}
    result: dict[str, Any] = dict.fromkeys((*KEYS, *(f"{key}_frozen" for key in KEYS)))
    why: dict[str, str] = {}
    if source is None:
        why |= dict.fromkeys((f"{key}_frozen" for key in KEYS), "no source picture was given")
    else:
        still = np.asarray(cv2.resize(source, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        rivals["_frozen"] = [still] * len(chosen)
    for suffix, pictures in rivals.items():
        pairs = list(zip(chosen, pictures, strict=True))
        result[f"psnr{suffix}"] = float(np.mean([basic.psnr(a, b) for a, b in pairs]))
        result[f"ssim{suffix}"] = float(np.mean([basic.ssim(a, b) for a, b in pairs]))
    judged, missing = _perceptual(chosen, list(rivals.values()))
    for row, suffix in enumerate(rivals):
        for key in LPIPS_KEYS:
            result[key + suffix] = judged[key][row] if key in judged else None
            if result[key + suffix] is None:
                why[key + suffix] = missing
    return result | {"frames": len(originals), "frames_judged": len(chosen), "why": why}


def _perceptual(
    originals: Sequence[Picture], rivals: Sequence[Sequence[Picture]]
) -> tuple[dict[str, list[float | None]], str]:
    """Return means per key and rival, and in words what keeps the missing ones from being measured."""
    judged: dict[str, list[float | None]] = {}
    try:
        from bench.judge import PictureJudge, find_faces
        from bench.metrics.landmarks import FaceFinder, Landmarks
        from bench.metrics.lpips import SMALLEST_SIDE

        if min(originals[0].shape[:2]) < SMALLEST_SIDE:
            raise BenchError(f"LPIPS wants sides of at least {SMALLEST_SIDE} pixels.")
        backbones = backbones_folder()
        judge = PictureJudge(backbones)
        judged["lpips"] = [mean(row) for row in judge.lpips(originals, rivals)]
        boxes = find_faces(FaceFinder(backbones, Landmarks(backbones)), originals)
        judged["face_lpips"] = [mean(row) for row in judge.face_lpips(originals, boxes, rivals)]
    except BenchError as error:
        return judged, str(error)
    except ModuleNotFoundError as error:
        return judged, f"{error.name} is not installed ({how_to_add('dev')})"
    return judged, "no face was found in the original"
