"""Sixty-six face landmarks by OpenSeeFace (emilianavt/OpenSeeFace, model 0, BSD-2), on ONNX Runtime: a detector that
no loss of ours has seen. It turns a picture and a box into points and knows how boxes are found (from known landmarks,
or by YuNet and then by its own points); it does not know what the points are compared for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bench.errors import BenchError
from runtime.installed import how_to_add

LANDMARKS_FILE = "openseeface_lm_model0_opt.onnx"
DETECTOR_FILE = "face_detection_yunet_2026may.onnx"

COUNT = 66
RIGHT_EYE = slice(36, 42)  # the person's right eye, on the picture's left
LEFT_EYE = slice(42, 48)
EYES = slice(36, 48)
EYE_CORNERS = (36, 39, 42, 45)
NOSE = slice(27, 36)
NOSE_TIP = 30
MOUTH = slice(48, 66)
MOUTH_CORNERS = (58, 62)

INPUT = 224
GRID = 28
# Offsets are stored as sigmoid(offset x 16 / 223), in pixels of the input.
OFFSET_FACTOR = 16.0
IMAGENET_MEAN = np.array((0.485, 0.456, 0.406), np.float32)
IMAGENET_DEVIATION = np.array((0.229, 0.224, 0.225), np.float32)

# How far the tracker of OpenSeeFace grows the landmarks' box on every side before it looks again.
GROW_X, GROW_Y = 0.1, 0.125
# Mean confidence of the points above which OpenSeeFace believes in a face; and YuNet's for its boxes.
FACE_CONFIDENCE = 0.6
DETECTION_SCORE = 0.5


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels: left and top inside, right and bottom outside."""

    left: float
    top: float
    right: float
    bottom: float

    def grown(self, share_x: float, share_y: float) -> Box:
        """Return the box with `share_x` of its width and `share_y` of its height added on each side."""
        dx, dy = share_x * (self.right - self.left), share_y * (self.bottom - self.top)
        return Box(self.left - dx, self.top - dy, self.right + dx, self.bottom + dy)

    def pixels(self, width: int, height: int, *, smallest: int) -> tuple[slice, slice]:
        """Return rows and columns of the box inside a picture, each at least `smallest` long where there is room."""
        return _span(self.top, self.bottom, height, smallest), _span(self.left, self.right, width, smallest)


def _span(low: float, high: float, limit: int, smallest: int) -> slice:
    start, stop = max(0, int(np.floor(low))), min(limit, int(np.ceil(high)))
    missing = smallest - (stop - start)
    if missing > 0:
        start = min(max(0, start - missing // 2), max(0, limit - smallest))
        stop = min(limit, start + smallest)
    return slice(start, stop)


def box_of(points: npt.NDArray[np.floating]) -> Box:
    """Return the smallest box around `points` [P, 2 or more], x and y first."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    return Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


class Landmarks:
    """The landmark network, loaded once."""

    def __init__(self, backbones: Path, *, threads: int = 2) -> None:
        """Load from the folder `backbones`; raise BenchError where ONNX Runtime or the file is missing."""
        self._session = _session(backbones / LANDMARKS_FILE, threads)
        self._input = self._session.get_inputs()[0].name

    def find(
        self, pictures: Sequence[npt.NDArray[np.uint8]], boxes: Sequence[Box]
    ) -> npt.NDArray[np.float32]:
        """Return points [N, 66, 3] (x, y in pixels, confidence 0..1) of the face in each picture's box.

        A box is the face's own (brows to chin); it is grown here as in OpenSeeFace's tracker.
        """
        if not pictures:
            return np.zeros((0, COUNT, 3), np.float32)
        crops, places = [], []
        for picture, box in zip(pictures, boxes, strict=True):
            rows, columns = box.grown(GROW_X, GROW_Y).pixels(picture.shape[1], picture.shape[0], smallest=8)
            crop = cv2.resize(picture[rows, columns], (INPUT, INPUT), interpolation=cv2.INTER_LINEAR)
            crops.append((crop.astype(np.float32) / 255 - IMAGENET_MEAN) / IMAGENET_DEVIATION)
            places.append((columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start))
        maps = self._session.run(None, {self._input: np.stack(crops).transpose(0, 3, 1, 2)})[0]
        points = decode_maps(maps)
        origin = np.array(places, np.float32)
        points[:, :, :2] = origin[:, None, :2] + points[:, :, :2] * origin[:, None, 2:] / INPUT
        return points


def decode_maps(maps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return points [N, 66, 3] (x, y in pixels of the 224 x 224 input, confidence) from `maps` [N, 198, 28, 28].

    The first 66 maps are heat; at each one's peak, the second 66 hold the offset downwards and the third 66 the offset
    to the right, as logits scaled by 16 (OpenSeeFace, tracker.py, `landmarks`).
    """
    flat = maps.reshape(len(maps), 3, COUNT, GRID * GRID)
    peak = flat[:, 0].argmax(2)
    confidence, down, right = (
        np.take_along_axis(flat[:, part], peak[:, :, None], 2)[:, :, 0] for part in range(3)
    )
    last = INPUT - 1
    y = last * (peak // GRID / (GRID - 1) + _logit(down) / OFFSET_FACTOR)
    x = last * (peak % GRID / (GRID - 1) + _logit(right) / OFFSET_FACTOR)
    return np.stack([x, y, confidence], 2).astype(np.float32)


def _logit(share: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    clipped = np.clip(share.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(clipped / (1 - clipped))


class FaceFinder:
    """Follows one face through a clip without known landmarks: YuNet where nothing is known, then its own points."""

    def __init__(self, backbones: Path, landmarks: Landmarks) -> None:
        """Load YuNet from `backbones`; raise BenchError where the file is missing."""
        path = backbones / DETECTOR_FILE
        if not path.is_file():
            raise BenchError(f"Finding faces needs {path}, which is not there.")
        # OpenCV 5 warns at every load that its new engine takes no target; there is nothing to do about it.
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        self._detector = cv2.FaceDetectorYN.create(str(path), "", (320, 320), DETECTION_SCORE)
        cv2.utils.logging.setLogLevel(level)
        self._landmarks = landmarks

    def boxes(self, pictures: Sequence[npt.NDArray[np.uint8]]) -> list[Box | None]:
        """Return the box (brows to chin) of the largest face in each picture, None where there is none."""
        found: list[Box | None] = []
        last: Box | None = None
        for picture in pictures:
            last = self._refine(picture, last) or self._refine(picture, self._detect(picture))
            found.append(last)
        return found

    def _refine(self, picture: npt.NDArray[np.uint8], start: Box | None) -> Box | None:
        if start is None:
            return None
        points = self._landmarks.find([picture], [start])[0]
        return box_of(points) if points[:, 2].mean() > FACE_CONFIDENCE else None

    def _detect(self, picture: npt.NDArray[np.uint8]) -> Box | None:
        height, width = picture.shape[:2]
        self._detector.setInputSize((width, height))
        faces = self._detector.detect(np.ascontiguousarray(picture[:, :, ::-1]))[1]
        if faces is None:
            return None
        left, top, wide, high = max(faces, key=lambda face: float(face[2] * face[3]))[:4]
        # YuNet's box begins above the brows, where OpenSeeFace's landmarks begin.
        return Box(float(left), float(top + 0.2 * high), float(left + wide), float(top + high))


def _session(path: Path, threads: int) -> Any:
    if not path.is_file():
        raise BenchError(f"Landmarks need {path}, which is not there.")
    try:
        import onnxruntime
    except ImportError as error:
        raise BenchError(
            f"Landmarks need ONNX Runtime, which is not installed: {how_to_add('dev')}"
        ) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Idle threads that spin take the cores from the networks that run in between.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
