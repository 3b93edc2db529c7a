"""Recording one clip: each view gets its mesh, the good ones are written, and a bad take leaves nothing behind."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.prepare.mesh import CHIN, FOREHEAD, VERTICES, Landmarker, OpenLandmarker, Points, fit_mesh
from models.prepare.settings import Clip, Settings
from models.prepare.shots import LONGEST_GAP_S, Square
from models.prepare.video import ClipWriter, Picture, Video
from models.training.footage import LANDMARK_UNIT, fit_size

LARGEST_LOST_SHARE = 0.1  # of a clip's frames may be without a mesh
MESH_PICTURE = 512  # pixels of the picture that the mesh is found in, at most: it sees the face at 256
LARGEST_DISAGREEMENT = 0.5  # of the face's height, between the mesh's middle and where the face was located
LARGEST_OVERHANG = 0.03  # of the square's side, by which landmarks may stick out of it
SHARPNESS_SIDE = 128
SHARPNESS_EVERY = 10  # frames


@dataclass(frozen=True)
class View:
    """What a clip's square shows of one frame."""

    picture: Picture  # [side, side, 3], in the video's own pixels
    face: NDArray[np.float64] | None  # [2] middle of the located face, sides of the square


def record_take(
    views: Iterable[View],
    stem: Path,
    *,
    video: Video,
    first: int,
    square: Square,
    settings: Settings,
    open_landmarker: OpenLandmarker,
) -> Clip | str:
    """Write `stem`.mp4 and `stem`.npz.

    Args:
        views: of one face, frame by frame.
        stem: path without its ending; its last part is the clip's name.
        video: where the views come from.
        first: the first view's number among the video's frames.
        square: what the views are of.
        settings: what is too short, too small, too blurred.
        open_landmarker: gives a landmarker that has seen nothing yet.

    Returns:
        The clip, or why it was dropped; then nothing is left of it.
    """
    pictures, landmarks = stem.with_name(f"{stem.name}.mp4"), stem.with_name(f"{stem.name}.npz")
    fps = float(video.fps)
    writer = ClipWriter(pictures, size=settings.size, fps=video.fps, sound=video.sound)
    landmarker = open_landmarker()
    track = _Track(longest_gap=max(1, round(LONGEST_GAP_S * fps)))
    try:
        for view in views:
            for picture in track.follow(view, landmarker, size=settings.size):
                writer.add(picture)
            if track.gone:
                break
        start_s = (first + track.leading) / fps
        why = track.fault(side=square.side, fps=fps, settings=settings)
        if why is None and video.sound:
            writer.add_sound(video.path, start_s)
    finally:
        landmarker.close()
        writer.close()
    if why is not None:
        pictures.unlink()
        return why
    np.savez_compressed(landmarks, **track.arrays())
    return Clip(
        name=stem.name,
        start_s=start_s,
        fps=fps,
        frames=writer.frames,
        crop_left=square.left,
        crop_top=square.top,
        crop_side=square.side,
        face_height=round(track.face_height() * square.side),
        sound=video.sound,
        interpolated=track.interpolated,
    )


class _Track:
    """The mesh through the frames of a clip; short gaps are bridged once the face is back."""

    def __init__(self, *, longest_gap: int) -> None:
        self.gone = False  # the mesh was lost for too long
        self.leading = 0  # frames before the first mesh
        self.interpolated = 0
        self._longest_gap = longest_gap
        self._views = 0
        self._lost = 0
        self._first: Points | None = None
        self._last: Points | None = None
        self._waiting: list[Picture] = []
        self._landmarks: list[NDArray[np.float32]] = []  # [162, 3] each
        self._fits: list[NDArray[np.float32]] = []
        self._sharpness: list[float] = []

    def follow(self, view: View, landmarker: Landmarker, *, size: int) -> list[Picture]:
        """Take the next view; return the pictures [size, size, 3] whose landmarks are known by now."""
        picture = fit_size(view.picture, min(len(view.picture), MESH_PICTURE))
        mesh = landmarker.find(picture)
        self._views += 1
        if mesh is not None and not _agrees(mesh, view.face):
            mesh = None
        shown = fit_size(view.picture, size)
        if mesh is None:
            self._lost += 1
            if self._last is None:
                self.leading += 1
            else:
                self._waiting.append(shown)
                self.gone = len(self._waiting) > self._longest_gap
            return []
        if len(self._landmarks) % SHARPNESS_EVERY == 0:
            self._sharpness.append(sharpness(view.picture, mesh[list(VERTICES), :2]))
        known, before = [*self._waiting, shown], self._last if self._last is not None else mesh
        self._waiting = []
        for step in range(1, len(known) + 1):
            self._keep(before + (mesh - before) * (step / len(known)))
        self.interpolated += len(known) - 1
        self._last = mesh
        return known

    def _keep(self, mesh: Points) -> None:
        if self._first is None:
            self._first = mesh
        self._landmarks.append(mesh[list(VERTICES)].astype(np.float32))
        self._fits.append(fit_mesh(mesh, self._first))

    def fault(self, *, side: int, fps: float, settings: Settings) -> str | None:
        """Say why the clip is to be dropped, if it is."""
        if self.gone or self._lost > LARGEST_LOST_SHARE * self._views:
            return f"no face mesh in {self._lost} of {self._views} frames"
        if len(self._landmarks) < settings.least_seconds * fps:
            return f"shorter than {settings.least_seconds:g} s"
        height = self.face_height() * side
        if height < settings.least_face:
            return f"face of {height:.0f} pixels, less than {settings.least_face}"
        sharp = float(np.median(self._sharpness))
        if sharp < settings.least_sharpness:
            return f"blurred: sharpness {sharp:.3f}, less than {settings.least_sharpness:g}"
        points = np.stack(self._landmarks)[..., :2]
        outside = np.maximum(-points, points - 1).max((1, 2)) > LARGEST_OVERHANG
        if outside.mean() > LARGEST_LOST_SHARE:
            return f"the face leaves its square in {outside.sum()} of {len(outside)} frames"
        return None

    def face_height(self) -> float:
        """Return the median distance from forehead to chin, sides of the square."""
        points = np.stack(self._landmarks)[..., :2]
        forehead, chin = (points[:, VERTICES.index(vertex)] for vertex in (FOREHEAD, CHIN))
        return float(np.median(np.linalg.norm(forehead - chin, axis=1)))

    def arrays(self) -> dict[str, Any]:
        """Return what a landmarks file holds."""
        stored = np.rint(np.stack(self._landmarks) * LANDMARK_UNIT).clip(-32768, 32767)
        return {
            "landmarks": stored.astype(np.int16),
            "vertices": np.array(VERTICES, np.int16),
            "fit": np.stack(self._fits),
        }


def _agrees(mesh: Points, face: NDArray[np.float64] | None) -> bool:
    """Say whether the mesh is that of the located face and of no neighbour."""
    if face is None:
        return True
    ends = mesh[[FOREHEAD, CHIN], :2]
    height = np.linalg.norm(ends[0] - ends[1])
    return bool(np.linalg.norm(ends.mean(0) - face) < LARGEST_DISAGREEMENT * height)


def sharpness(picture: Picture, points: NDArray[np.float64]) -> float:
    """Measure how sharp a face is: the Laplacian's spread over the grey values' own, at 128 x 128.

    Args:
        picture: uint8 [S, S, 3].
        points: [P, 2] the face's landmarks in sides of the picture.

    Returns:
        About 0.1 to 0.7 for faces that a camera held in focus, 0.04 after a blur by a fiftieth of the face.
    """
    corners = np.concatenate([points.min(0), points.max(0)]).clip(0, 1) * len(picture)
    left, top, right, bottom = (int(corner) for corner in corners)
    face = picture[top : max(bottom, top + 2), left : max(right, left + 2)]
    kind = cv2.INTER_AREA if len(face) > SHARPNESS_SIDE else cv2.INTER_LINEAR
    grey = cv2.cvtColor(np.ascontiguousarray(face), cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, (SHARPNESS_SIDE, SHARPNESS_SIDE), interpolation=kind).astype(np.float32)
    edges = cv2.Laplacian(grey, cv2.CV_32F)[2:-2, 2:-2]
    return float(edges.std() / max(float(grey.std()), 1.0))
