"""The face mesh: 478 vertices of a face in a picture, and the 162 of them that training keeps.

The mesh is MediaPipe's (extra `prior`), at preparation time only. What it is made by stands behind `Landmarker`, so
that the rest knows no MediaPipe.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.prepare.settings import PrepareError

Points = NDArray[np.float64]
MESH = 478  # vertices

# The vertices that training reads: lips, eyes, brows, irises, nose and the face's oval; each with its twin on the
# other side, the person's right first. MIDLINE vertices are their own twins.
MIDLINE = (0, 1, 2, 4, 5, 6, 10, 13, 14, 17, 19, 94, 152, 168, 195, 197)
TWINS = (
    (7, 249), (21, 251), (33, 263), (37, 267), (39, 269), (40, 270), (45, 275), (46, 276), (48, 278), (52, 282),
    (53, 283), (54, 284), (55, 285), (58, 288), (61, 291), (63, 293), (64, 294), (65, 295), (66, 296), (67, 297),
    (70, 300), (78, 308), (80, 310), (81, 311), (82, 312), (84, 314), (87, 317), (88, 318), (91, 321), (93, 323),
    (95, 324), (97, 326), (98, 327), (103, 332), (105, 334), (107, 336), (109, 338), (115, 344), (127, 356),
    (132, 361), (133, 362), (136, 365), (144, 373), (145, 374), (146, 375), (148, 377), (149, 378), (150, 379),
    (153, 380), (154, 381), (155, 382), (157, 384), (158, 385), (159, 386), (160, 387), (161, 388), (162, 389),
    (163, 390), (172, 397), (173, 398), (176, 400), (178, 402), (181, 405), (185, 409), (191, 415), (220, 440),
    (234, 454), (246, 466), (468, 473), (469, 476), (470, 475), (471, 474), (472, 477),
)  # fmt: skip
VERTICES = tuple(sorted({*MIDLINE, *(vertex for pair in TWINS for vertex in pair)}))
IRISES = (468, 473)
FOREHEAD, CHIN = 10, 152

MODEL_FILE = (
    "face_landmarker.task, which Google publishes under Apache-2.0 at https://storage.googleapis.com/"
    "mediapipe-models/face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)


class Landmarker(Protocol):
    """Finds one face's mesh in the pictures of one clip, in their order: it may lean on what came before."""

    def find(self, picture: NDArray[np.uint8]) -> Points | None:
        """Return the mesh [478, 3] of a square picture, uint8 [S, S, 3]; None where no face is.

        x right and y down from the upper left corner, z away from the camera, in sides of the picture.
        """
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


OpenLandmarker = Callable[[], Landmarker]


class FaceMesh:
    """MediaPipe's face landmarker, following the face from picture to picture."""

    def __init__(self, model: Path) -> None:
        vision = _mediapipe_vision()
        from mediapipe import Image, ImageFormat
        from mediapipe.tasks.python import BaseOptions

        self._image, self._format = Image, ImageFormat.SRGB
        self._pictures = 0
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)), running_mode=vision.RunningMode.VIDEO
        )
        try:
            with _native_stderr_closed():
                self._mesh = vision.FaceLandmarker.create_from_options(options)
                self.find(
                    np.zeros((64, 64, 3), np.uint8)
                )  # its threads speak until the first picture is through
        except (RuntimeError, ValueError, OSError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise PrepareError(
                f"{model} is not a face landmarker that MediaPipe opens ({reason}): name {MODEL_FILE}"
            ) from None

    def find(self, picture: NDArray[np.uint8]) -> Points | None:
        """Return the mesh [478, 3]; see `Landmarker.find`."""
        self._pictures += 1  # its clock, in milliseconds, must advance; 33 is that of a camera
        image = self._image(self._format, np.ascontiguousarray(picture))
        found = self._mesh.detect_for_video(image, self._pictures * 33)
        if not found.face_landmarks:
            return None
        return np.array([[point.x, point.y, point.z] for point in found.face_landmarks[0]])

    def close(self) -> None:
        """Let go of the graph."""
        self._mesh.close()


class OpenFaceMesh:
    """Opens a FaceMesh for each clip; it travels to other machines, where the file must lie at the same path."""

    def __init__(self, model: Path) -> None:
        if not model.is_file():
            raise PrepareError(f"{model} is no file; --landmarker wants {MODEL_FILE}")
        self.model = model.resolve()

    def __call__(self) -> FaceMesh:
        """Open a mesh that has seen nothing yet; raises PrepareError without MediaPipe or with another file."""
        return FaceMesh(self.model)


def _mediapipe_vision() -> Any:
    try:
        from mediapipe.tasks.python import vision
    except (ImportError, OSError) as error:
        raise PrepareError(
            f"The face mesh needs MediaPipe, which cannot be loaded ({error}): 'Training your own' in README.md says "
            "how to add it and keep a call's OpenCV"
        ) from None
    return vision


@contextmanager
def _native_stderr_closed() -> Iterator[None]:
    """Keep what native code writes to file 2 off the terminal: MediaPipe warns there at each start, always."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def fit_mesh(mesh: Points, first: Points) -> NDArray[np.float32]:
    """Fit scale, rotation (9, row-major) and translation [13] so that `mesh = s R first + t` (Umeyama).

    Both [478, 3] in sides of the picture.
    """
    seen_mean, first_mean = mesh.mean(0), first.mean(0)
    spread = first - first_mean
    left, values, right = np.linalg.svd((mesh - seen_mean).T @ spread)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = (left * signs) @ right
    scale = float((values * signs).sum() / (spread**2).sum())
    translation = seen_mean - scale * (rotation @ first_mean)
    return np.concatenate([[scale], rotation.ravel(), translation]).astype(np.float32)
