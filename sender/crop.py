"""Which part of the frame is sent: a square that follows one face, found by `locate` and then held by the
keypoints that the motion graph finds anyway, or simply the whole middle of the frame. It does not know what
is done with the picture."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from runtime.talker import Face
from sender.square import Head, Square, SteadySquare, cut, middle_square, square_around

# How often a frame may be cut anew, right after the face was found, until its keypoints agree with the cut.
SETTLING_CUTS = 3
SETTLED_SHIFT, SETTLED_SCALE = 0.03, math.log(1.06)
# A look at whether the face is still there, with the locate graph: each second, sooner when there is doubt.
CHECK_EVERY_S = 1.0
DOUBT_EVERY_S = 0.25
MISSES_UNTIL_LOST = 3
SEARCH_EVERY_S = 0.2  # while there is no face
CHECK_WINDOW = 1.5  # sides of the crop: near enough that no other face is taken for this one
# Whose middle is farther than this from the picture's ([-1, 1]) walks out of a crop that cannot glide so fast, and a
# little farther out his motion cannot be read any more: a jump of the crop is better.
SLIPPED = 0.55
# A second face counts when it is at least this part of the first one's size: smaller ones are posters and
# passers-by.
SECOND_FACE = 0.4
# Beside a face, strips at least this wide (of the face's height) are searched for another.
STRIP = 0.8

NO_FACE = "No face is in the picture: nothing is sent until one is."
FACE_IS_BACK = "The face is back."
TWO_FACES = "More than one face is in the picture: the largest is followed."

CropKind = Literal["follow", "full"]
Locate = Callable[[np.ndarray], Face | None]
Notice = Callable[[str], None]


class Crop(Protocol):
    """How frames become pictures for the networks."""

    def cut(self, frame: np.ndarray, *, at_s: float) -> np.ndarray | None:
        """Return the picture to send, uint8 SxSx3, or None while there is no face in the frame."""
        ...

    def follow(self, head: Head | None) -> bool:
        """Take where the head is in the picture cut last ([-1, 1]; None: nowhere plausible).

        True where the picture may be sent; False where the frame is to be cut again.
        """
        ...


def make_crop(kind: CropKind, locate: Locate, *, size: int, notice: Notice) -> Crop:
    """Make a crop for one reading of an input, whose times do not go back."""
    crop = WholeCrop if kind == "full" else CropFollower
    return crop(locate, size=size, notice=notice)


class WholeCrop:
    """The largest square in the middle of the frame: for clips that are crops of a face already.

    locate: looks once a second whether there is a face, since the motion graph sees one in anything. notice: is told,
    in a sentence, when the face leaves or returns.
    """

    def __init__(self, locate: Locate, *, size: int, notice: Notice) -> None:
        self._locate = locate
        self._size = size
        self._notice = notice
        self._checked_s = -math.inf
        self._misses = 0

    def cut(self, frame: np.ndarray, *, at_s: float) -> np.ndarray | None:
        """Return the middle square as uint8 SxSx3, a frame of that very size as it is; None while no face is in it."""
        height, width = frame.shape[:2]
        picture = cut(frame, middle_square(width, height), size=self._size)
        if at_s - self._checked_s >= CHECK_EVERY_S:
            self._checked_s = at_s
            self._check(picture)
        return picture if self._misses < MISSES_UNTIL_LOST else None

    def _check(self, picture: np.ndarray) -> None:
        lost = self._misses >= MISSES_UNTIL_LOST
        if self._locate(picture) is not None:
            self._misses = 0
            if lost:
                self._notice(FACE_IS_BACK)
            return
        self._misses += 1
        if self._misses == MISSES_UNTIL_LOST:
            self._notice(NO_FACE)

    def follow(self, head: Head | None) -> bool:
        """Return True: the crop is as it is."""
        return True


@dataclass
class _Track:
    """A face that is being followed."""

    steady: SteadySquare
    settling: int
    at_s: float
    checked_s: float
    regained_s: float = -math.inf  # when it was looked for because it had slipped
    misses: int = 0
    plausible: bool = True


class CropFollower:
    """Follows one face through the frames of one input.

    locate: finds a face in a picture of any size. notice: is told, in a sentence, when the face leaves or
    returns and when there are two.
    """

    def __init__(self, locate: Locate, *, size: int, notice: Notice) -> None:
        self._locate = locate
        self._size = size
        self._notice = notice
        self._frame = np.empty((0, 0, 3), np.uint8)
        self._track: _Track | None = None
        self._searched_s = -math.inf
        self._step_s = 0.0
        self._said_no_face = False

    @property
    def square(self) -> Square | None:
        """The square in use, in pixels of the frame; None while there is no face."""
        return self._track.steady.square if self._track else None

    def cut(self, frame: np.ndarray, *, at_s: float) -> np.ndarray | None:
        """Return the face's square as uint8 SxSx3, or None while no face is found; times must not go back."""
        if frame.shape[:2] != self._frame.shape[:2]:
            self._track = None
            self._searched_s = -math.inf
        self._frame = frame
        if self._track is not None:
            self._check(frame, self._track, at_s)
        if self._track is None and at_s - self._searched_s >= SEARCH_EVERY_S:
            self._search(frame, at_s)
        return cut(frame, self._track.steady.square, size=self._size) if self._track else None

    def follow(self, head: Head | None) -> bool:
        """Move the square after the head in the picture cut last; see `Crop.follow`."""
        track = self._track
        if track is None:
            return True
        track.plausible = head is not None
        if not track.settling and _slipped(head) and self._regain(track):
            return False
        if head is None:
            return True
        height, width = self._frame.shape[:2]
        wish = square_around(track.steady.square.to_frame(head), width=width, height=height)
        if track.settling:
            track.settling -= 1
            if not _agree(track.steady.square, wish):
                track.steady = SteadySquare(wish)
                return False
            track.settling = 0
        track.steady.follow(wish, step_s=self._step_s)
        return True

    def _regain(self, track: _Track) -> bool:
        """Look for a face that is about to leave the crop, once a frame, and put the crop where it is; True where it is
        to be cut anew."""
        if track.regained_s == track.at_s:
            return False
        track.regained_s = track.at_s
        head = _near(self._frame, track.steady.square, self._locate)
        if head is None:
            return False
        height, width = self._frame.shape[:2]
        wish = square_around(head, width=width, height=height)
        if _agree(track.steady.square, wish):
            return False
        track.steady, track.settling = SteadySquare(wish), SETTLING_CUTS
        return True

    def _check(self, frame: np.ndarray, track: _Track, at_s: float) -> None:
        self._step_s = at_s - track.at_s
        track.at_s = at_s
        doubt = track.misses > 0 or not track.plausible
        if at_s - track.checked_s < (DOUBT_EVERY_S if doubt else CHECK_EVERY_S):
            return
        track.checked_s = at_s
        if _near(frame, track.steady.square, self._locate) is not None and track.plausible:
            track.misses = 0
            return
        # Keypoints that make no sense and a look that finds nothing: two witnesses are enough.
        track.misses += 1 if track.plausible else 2
        if track.misses >= MISSES_UNTIL_LOST:
            self._track = None
            self._searched_s = -math.inf

    def _search(self, frame: np.ndarray, at_s: float) -> None:
        self._searched_s = at_s
        faces = find_faces(frame, self._locate)
        if not faces:
            if not self._said_no_face:
                self._said_no_face = True
                self._notice(NO_FACE)
            return
        if self._said_no_face:
            self._said_no_face = False
            self._notice(FACE_IS_BACK)
        if len(faces) > 1:
            self._notice(TWO_FACES)
        height, width = frame.shape[:2]
        start = square_around(faces[0], width=width, height=height)
        self._track = _Track(SteadySquare(start), SETTLING_CUTS, at_s, at_s)
        self._step_s = 0.0


def find_faces(frame: np.ndarray, locate: Locate) -> list[Head]:
    """Return a frame's faces, the largest first: the one `locate` sees, and one at each side."""
    first = _located(frame, locate, left=0)
    if first is None:
        return []
    reach = first.height * 0.6  # half the face and some air
    heads = [first]
    strips = ((0, int(first.x - reach)), (int(first.x + reach), frame.shape[1]))
    for left, right in strips:
        if right - left >= STRIP * first.height:
            other = _located(frame[:, left:right], locate, left=left)
            if other is not None and other.height >= SECOND_FACE * first.height:
                heads.append(other)
    return sorted(heads, key=lambda head: -head.height)


def _located(picture: np.ndarray, locate: Locate, *, left: int, top: int = 0) -> Head | None:
    face = locate(picture)
    return None if face is None else Head(face.centre_x + left, face.centre_y + top, face.size)


def _slipped(head: Head | None) -> bool:
    return head is None or max(abs(head.x), abs(head.y)) > SLIPPED


def _near(frame: np.ndarray, square: Square, locate: Locate) -> Head | None:
    """Return the face in and around a square of the frame."""
    half = square.side * CHECK_WINDOW / 2
    top, bottom = max(int(square.y - half), 0), max(int(square.y + half), 1)
    left, right = max(int(square.x - half), 0), max(int(square.x + half), 1)
    return _located(frame[top:bottom, left:right], locate, left=left, top=top)


def _agree(square: Square, wish: Square) -> bool:
    shift = max(abs(square.x - wish.x), abs(square.y - wish.y)) / square.side
    return shift <= SETTLED_SHIFT and abs(math.log(wish.side / square.side)) <= SETTLED_SCALE
