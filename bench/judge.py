"""The judge: one clip's original pictures and any number of rivals (redrawn, frozen, H.264) in, the figures of
MEASURES.md frame by frame out. It holds the metric networks; it does not know who made a rival."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from bench.clips import Picture
from bench.metrics import basic, identity
from bench.metrics.faces import landmark_errors
from bench.metrics.identity import Identity
from bench.metrics.landmarks import COUNT, Box, FaceFinder, Landmarks
from bench.metrics.lpips import LPIPS, SMALLEST_SIDE
from runtime.memory import keep_freed_memory

Figures = dict[str, npt.NDArray[np.float64]]

# Two cores are what a laptop call has, and what the benches are planned for.
THREADS = 2
# SqueezeNet's maps of more pixels than this no longer fit the caches, and cost more each.
LPIPS_BATCH_PIXELS = 4 * 256 * 256
# OpenSeeFace's points begin at the brows; MediaPipe's oval, from which face LPIPS takes its box, reaches this share of
# their height further up (median over every fourth clip of `val`; the medians of the other sides agree to two percent).
FOREHEAD = 0.17


@dataclass(frozen=True)
class Subject:
    """What the judge knows of the original pictures: per frame the face's box (forehead to chin; None where there is
    no face), its 66 points and its identity vector (rows of frames without a face are zero)."""

    pictures: list[Picture]
    boxes: list[Box | None]
    points: npt.NDArray[np.float32]
    identities: npt.NDArray[np.float32]

    @property
    def with_face(self) -> list[int]:
        """Indices of the frames that show a face."""
        return [index for index, box in enumerate(self.boxes) if box is not None]


class PictureJudge:
    """LPIPS over the frame and over the face, PSNR and SSIM: what needs no landmarks of the rival."""

    def __init__(self, backbones: Path) -> None:
        """Load SqueezeNet from `backbones`; raise BenchError where that fails."""
        keep_freed_memory()
        torch.set_num_threads(THREADS)
        self._lpips = LPIPS(backbones)

    def lpips(
        self, originals: Sequence[Picture], rivals: Sequence[Sequence[Picture]]
    ) -> npt.NDArray[np.float64]:
        """Return LPIPS [R, N] of R rivals, each of N pictures or of one that is repeated, against N `originals`."""
        result = np.zeros((len(rivals), len(originals)))
        if not originals:
            return result
        step = max(1, LPIPS_BATCH_PIXELS // (originals[0].shape[0] * originals[0].shape[1]))
        with torch.inference_mode():
            for start in range(0, len(originals), step):
                part = slice(start, start + step)
                reference = self._lpips.embed(_tensor(originals[part]))
                for row, rival in enumerate(rivals):
                    embedded = self._lpips.embed(_tensor(rival if len(rival) == 1 else rival[part]))
                    result[row, part] = self._lpips.distance(reference, embedded).numpy()
        return result

    def face_lpips(
        self, originals: Sequence[Picture], boxes: Sequence[Box | None], rivals: Sequence[Sequence[Picture]]
    ) -> npt.NDArray[np.float64]:
        """Return LPIPS [R, N] over the face's box of each original; NaN where there is no face."""
        result = np.full((len(rivals), len(originals)), np.nan)
        for index, (original, box) in enumerate(zip(originals, boxes, strict=True)):
            if box is not None:
                rows, columns = box.pixels(original.shape[1], original.shape[0], smallest=SMALLEST_SIDE)
                crops = [rival[index][rows, columns] for rival in rivals]
                result[:, index] = self.lpips([original[rows, columns]], [[crop] for crop in crops])[:, 0]
        return result


class Judge(PictureJudge):
    """All of MEASURES.md's picture figures."""

    def __init__(self, backbones: Path) -> None:
        """Load every network from `backbones`; raise BenchError where one is missing."""
        super().__init__(backbones)
        self._landmarks = Landmarks(backbones, threads=THREADS)
        self._finder = FaceFinder(backbones, self._landmarks)
        self._identity = Identity(backbones)

    def subject(self, pictures: list[Picture], boxes: Sequence[Box] | None) -> Subject:
        """Look at a clip's original pictures; `boxes` (forehead to chin) are found where none are given."""
        faces: list[Box | None] = list(boxes) if boxes else find_faces(self._finder, pictures)
        present = [index for index, box in enumerate(faces) if box is not None]
        points = np.zeros((len(pictures), COUNT, 3), np.float32)
        points[present] = self._find(pictures, faces, present)
        identities = np.zeros((len(pictures), identity.LENGTH), np.float32)
        identities[present] = self._identity.embed([pictures[i] for i in present], points[present])
        return Subject(pictures, faces, points, identities)

    def figures(self, subject: Subject, rivals: Sequence[Sequence[Picture]]) -> list[Figures]:
        """Return for each rival (as many pictures as the subject has) its figures, float64 [N] each.

        Figures of the face are NaN in frames without one; `ms_ssim` is left out below 161 pixels.
        """
        whole = self.lpips(subject.pictures, [_once(rival) for rival in rivals])
        face = self.face_lpips(subject.pictures, subject.boxes, rivals)
        return [
            {"lpips": whole[row], "face_lpips": face[row]}
            | pixel_figures(subject.pictures, rival)
            | self._face_figures(subject, rival)
            for row, rival in enumerate(rivals)
        ]

    def _face_figures(self, subject: Subject, rival: Sequence[Picture]) -> Figures:
        present = subject.with_face
        names = ("mouth_akd", "eye_akd", "mouth_expression", "eye_expression", "identity_distance")
        figures = {name: np.full(len(subject.pictures), np.nan) for name in names}
        points = self._find(rival, subject.boxes, present)
        vectors = self._identity.embed([rival[index] for index in present], points)
        figures["identity_distance"][present] = identity.distance(subject.identities[present], vectors)
        for index, found in zip(present, points, strict=True):
            for name, value in landmark_errors(subject.points[index], found).items():
                figures[name][index] = value
        return figures

    def _find(
        self, pictures: Sequence[Picture], boxes: Sequence[Box | None], present: Sequence[int]
    ) -> npt.NDArray[np.float32]:
        """Find landmarks in the original's box, so that a detector's box is no part of the error."""
        faces = [without_forehead(box) for index in present if (box := boxes[index]) is not None]
        return self._landmarks.find([pictures[index] for index in present], faces)


def find_faces(finder: FaceFinder, pictures: Sequence[Picture]) -> list[Box | None]:
    """Return the face's box, forehead to chin, in each picture; None where there is no face."""
    return [None if box is None else with_forehead(box) for box in finder.boxes(pictures)]


def with_forehead(box: Box) -> Box:
    """Return a box from brows to chin with the forehead on top."""
    return Box(box.left, box.top - FOREHEAD * (box.bottom - box.top), box.right, box.bottom)


def without_forehead(box: Box) -> Box:
    """Return a box from forehead to chin as it is from the brows on."""
    height = (box.bottom - box.top) / (1 + FOREHEAD)
    return Box(box.left, box.bottom - height, box.right, box.bottom)


def pixel_figures(originals: Sequence[Picture], rival: Sequence[Picture]) -> Figures:
    """Return `psnr`, `ssim` and, where the pictures are large enough, `ms_ssim`, float64 [N] each."""
    names = {"psnr": basic.psnr, "ssim": basic.ssim}
    if min(originals[0].shape[:2]) >= basic.SMALLEST_MS_SSIM:
        names["ms_ssim"] = basic.ms_ssim
    pairs = list(zip(originals, rival, strict=True))
    return {name: np.array([measure(a, b) for a, b in pairs]) for name, measure in names.items()}


def _once(rival: Sequence[Picture]) -> Sequence[Picture]:
    """Return a frozen picture once instead of once a frame."""
    return rival[:1] if all(picture is rival[0] for picture in rival) else rival


def _tensor(pictures: Sequence[Picture]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255
