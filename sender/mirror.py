"""The mirror: redraws what the receiver draws, compares it with the camera's picture, and says what to bring: a
residual code or a new source picture where something is wrong, another picture for the gallery where nothing is and the
line has room. It keeps what it saw; who calls it when, and how what it asks for travels, is not its business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from codec.motion import Motion
from runtime.talker import Talker
from sender.choose import sharpness
from sender.coverage import Coverage
from sender.distance import Floats, Look, cell_distances, cells_around, look_at, over_face
from sender.held import Held, HeldPictures
from sender.posture import Posture, apart, posture_in, posture_of
from sender.repair import CALM, FAULTY, RESIDUAL_SHARE, RepairState, fault_of, judge
from sender.source import SourcePicture, make_fine_source, make_source

# What an idle line spends on the gallery where the rate controller has said nothing: a picture in ten seconds.
BUDGET_BYTES_PER_S = 400.0
SAVED = 1.5  # of a picture; what is not spent beyond this is lost
FINE_OVER = 3.1  # a finely coded picture's bytes over an ordinary one's
# An earlier scene is gone back to where it is better by so much, in so many looks in a row: who leans forward hides the
# wall, and a picture of that is a poor one to draw the wall from when he leans back.
BETTER, BETTER_LOOKS = 0.92, 2
DEBT_BYTES = 12_000.0  # a repair need not wait for the budget, but four pictures in a row do
# A picture is worth adding where it is expected to save so much of LPIPS over the face in the mean over what the face
# lately did; a face is drawn at some .07.
WORTH_ADDING, WORTH_REPLACING = 0.002, 0.005
CANDIDATES = 8  # frames that are kept to choose from
# A fault about the head alone, in a posture this far from every picture held, and much farther than when all was well,
# is that posture's: a picture of it belongs to the same scene.
UNSEEN = 0.06
HEAD = 0.6  # of the keypoints' extent, that hair and neck reach beyond it
SHARP = 0.4  # of the pictures held: below it a frame is blurred by motion
CANNOT_FOLLOW = (
    "What the camera sees is not what the other side sees: too much in the picture moves or covers the face."
)


Asked = Literal["picture", "repair"]


@dataclass(frozen=True)
class Seen:
    """A frame as it went out: the crop (uint8 SxSx3), its motion as the receiver decodes it, and what it is drawn
    from."""

    picture: np.ndarray
    motion: Motion
    held: Held
    captured_s: float
    ticks: int


@dataclass(frozen=True)
class Bring:
    """A picture on its way to a slot: coded by itself, or as a residual (`codec.repair`). A repair is drawn from as
    soon as it is there."""

    slot: int
    source: SourcePicture
    scene: int
    repairs: bool
    coded: Literal["picture", "residual"] = "picture"


@dataclass(frozen=True)
class Correction:
    """A coded repair (`codec.repair.encode_repair`), and the picture (uint8 SxSx3) that it makes of the redrawn one."""

    data: bytes
    picture: np.ndarray


class Corrector(Protocol):
    """Codes what a redrawn picture (uint8 SxSx3) lacks of the frame seen, over cells bool [16, 16]; None where it
    cannot."""

    def __call__(self, seen: Seen, drawn: np.ndarray, where: np.ndarray) -> Correction | None: ...


@dataclass
class MirrorCounts:
    """What the mirror did. distance: of the last look's cells, in the mean; face: over the face."""

    looks: int = 0
    skipped: int = 0  # the machine was busy
    distance: float | None = None
    face: float | None = None
    repairs: int = 0  # by a new picture
    corrections: int = 0  # by a residual code
    returns: int = 0  # by a picture of an earlier scene
    added: int = 0  # to the gallery
    told: int = 0


@dataclass(frozen=True)
class _Candidate:
    picture: np.ndarray
    posture: Posture


class Mirror:
    """One sender's mirror; `look` is called on one thread, `brought` and `budget_bytes_per_s` from any.

    corrector: codes residuals, if there is one. on_notice: is told a sentence for the user.
    """

    def __init__(
        self,
        talker: Talker,
        *,
        on_notice: Callable[[str], None],
        corrector: Corrector | None = None,
    ) -> None:
        self.counts = MirrorCounts()
        self.budget_bytes_per_s = BUDGET_BYTES_PER_S
        self._talker = talker
        self._on_notice = on_notice
        self._corrector = corrector
        self._state = RepairState()
        self._pictures: HeldPictures | None = None
        self._coverage = Coverage()
        self._candidates: list[_Candidate] = []
        self._bringing = False
        self._better_looks = 0
        self._asked: Asked | None = None
        self._mended: SourcePicture | None = None  # by the residual that was asked for last
        self._scenes = 0
        self._allowance = 0.0
        self._looked_s: float | None = None
        self._picture_bytes = self._fine_bytes = 0  # what the next one of each kind will weigh, about
        self._sharpness = 0.0
        self._calm_novelty = 0.0  # of the posture, at the last look without a fault

    def begin(self, pictures: HeldPictures) -> None:
        """Begin with what the receiver holds; to be called before the first `look`."""
        first = pictures.current.source
        self._pictures = pictures
        self._picture_bytes = round(len(first.data) / (FINE_OVER if first.fine else 1))
        self._fine_bytes = round(FINE_OVER * self._picture_bytes)
        self._sharpness = sharpness(first.picture, first.prepared.keypoints)

    @property
    def alarmed(self) -> bool:
        """Whether the last look was a faulty one, so that the next should come soon."""
        return self._state.faulty > 0 and not self._state.told

    def ask(self, wanted: Asked) -> None:
        """Let the next look bring something, whatever it sees, as somebody wants it: a new picture, or a repair, which
        is a residual where that is less, and a new picture where it is not or has not helped; from any thread."""
        if self._asked != "picture":
            self._asked = wanted

    @property
    def _has_room(self) -> bool:
        """Whether a repair may be finely coded: on a tight line it has to be there soon."""
        return self.budget_bytes_per_s >= BUDGET_BYTES_PER_S

    def look(self, seen: Seen) -> Bring | None:
        """Redraw a frame and compare; return what is to be brought to the receiver now."""
        pictures = self._pictures
        assert pictures is not None, "`begin` comes first"
        self._earn(seen.captured_s)
        if self._asked == "picture" and (bring := self._renew(seen, pictures)) is not None:
            return bring
        camera = look_at(seen.picture)
        drawn = self._draw(seen.held, seen)
        cells = cell_distances(camera, look_at(drawn))
        source, motion = seen.held.source.prepared, seen.motion
        keypoints = self._talker.keypoints_of(source, motion.rotation, motion.translation, motion.expression)
        face = over_face(cells, keypoints)
        self.counts.looks += 1
        self.counts.distance, self.counts.face = float(cells.mean()), face
        if self._asked == "repair" and (bring := self._mend(seen, drawn, cells, pictures)) is not None:
            return bring
        if self._goes_back(seen, camera, cells, pictures):
            return None
        correction: Correction | None = None
        before = self._state

        def residual_bytes(where: np.ndarray) -> int | None:
            nonlocal correction
            # Where the line has room a picture is worth its bytes: a code only mends what was drawn.
            if self._corrector is None or self._has_room:
                return None
            correction = self._corrector(seen, drawn, where)
            if correction is not None and before.usual is not None:
                left = cell_distances(camera, look_at(correction.picture))
                if fault_of(left, before.usual) >= CALM:
                    correction = None  # cheap, and still at fault: a picture is better
            return None if correction is None else len(correction.data)

        self._state, finding = judge(
            before,
            cells,
            at_s=seen.captured_s,
            picture_bytes=self._fine_bytes if self._has_room else self._picture_bytes,
            residual_bytes=residual_bytes,
        )
        if finding.action == "tell":
            self.counts.told += 1
            self._on_notice(CANNOT_FOLLOW)
        if finding.action in ("picture", "residual"):
            around = cells_around(cells.shape[0], keypoints, margin=HEAD)
            about_head = before.usual is not None and fault_of(cells * ~around, before.usual) < FAULTY
            novelty = pictures.novelty(self._posture(seen))
            unseen = about_head and novelty >= UNSEEN and novelty - self._calm_novelty >= UNSEEN / 2
            residual = correction if finding.action == "residual" else None
            bring = self._repair(seen, camera, pictures, residual, same_scene=unseen)
            if bring is None:
                self._state = before  # it could not be done yet
            return bring
        if finding.fault < FAULTY and seen.held.scene == pictures.scene:
            self._calm_novelty = pictures.novelty(self._posture(seen))
            self._consider(seen, keypoints, pictures)
        return self._add(pictures)

    def _goes_back(self, seen: Seen, camera: Look, cells: Floats, pictures: HeldPictures) -> bool:
        """Draw from a picture of an earlier scene again where that has been better for some looks."""
        others = [held for held in pictures.held if held.scene != pictures.scene]
        if self._bringing or not others or seen.held.scene != pictures.scene:
            return False
        posture = self._posture(seen)
        nearest = min(others, key=lambda held: apart(held.posture, posture))
        theirs = cell_distances(camera, look_at(self._draw(nearest, seen)))
        self._better_looks = self._better_looks + 1 if theirs.mean() < BETTER * cells.mean() else 0
        if self._better_looks < BETTER_LOOKS:
            return False
        self._better_looks = 0
        self.counts.returns += 1
        pictures.switch(nearest.slot)
        return True

    def note(self, posture: Posture, ticks: int) -> None:
        """Take note of what the face does; on the motion thread, with every frame."""
        self._coverage.note(posture, ticks)

    def brought(self, bring: Bring, *, arrived: bool) -> None:
        """Learn what became of a picture."""
        pictures = self._pictures
        assert pictures is not None, "what was brought was asked for"
        self._bringing = False
        if not arrived:
            pictures.lose(bring.slot)
            return
        pictures.take(Held(bring.slot, bring.source, posture_in(bring.source.prepared), bring.scene))
        if bring.repairs:
            pictures.switch(bring.slot)

    def _repair(
        self,
        seen: Seen,
        camera: Look,
        pictures: HeldPictures,
        correction: Correction | None,
        *,
        same_scene: bool,
    ) -> Bring | None:
        """Go back to a picture of an earlier scene where that is good enough, else bring a new or a corrected one."""
        if self._bringing:
            return None
        posture = self._posture(seen)
        others = [held for held in pictures.held if held.scene != pictures.scene]
        for scene in sorted({held.scene for held in others}, reverse=True):
            nearest = min(
                (held for held in others if held.scene == scene),
                key=lambda held: apart(held.posture, posture),
            )
            cells = cell_distances(camera, look_at(self._draw(nearest, seen)))
            if self._state.usual is not None and fault_of(cells, self._state.usual) < CALM:
                pictures.switch(nearest.slot)
                self.counts.returns += 1
                return None
        if self._allowance < -DEBT_BYTES or self._talker.locate(seen.picture) is None:
            return None
        slot = pictures.make_room()
        if slot is None:
            return None
        if not same_scene:
            self._begin_scene()
        scene = pictures.scene if same_scene else self._scenes
        if correction is None:
            self.counts.repairs += 1
            make = make_fine_source if self._has_room else make_source
            return self._bring(make(seen.picture, self._talker), slot, scene=scene, repairs=True)
        return self._correct(correction, slot, scene=scene)

    def _mend(self, seen: Seen, drawn: np.ndarray, cells: Floats, pictures: HeldPictures) -> Bring | None:
        """Bring the repair that was asked for, over the cells that are drawn worst; None where that cannot be yet."""
        if self._bringing:
            return None
        correction = None
        if self._corrector is not None and seen.held.source is not self._mended:
            worst = np.zeros(cells.size, bool)
            worst[np.argsort(cells, axis=None)[-round(RESIDUAL_SHARE * cells.size) :]] = True
            correction = self._corrector(seen, drawn, worst.reshape(cells.shape))
        if correction is None or len(correction.data) >= self._picture_bytes:
            return self._renew(seen, pictures)
        slot = pictures.make_room()
        if slot is None:
            return None
        self._asked = None
        self._begin_scene()
        bring = self._correct(correction, slot, scene=self._scenes)
        self._mended = bring.source
        return bring

    def _correct(self, correction: Correction, slot: int, *, scene: int) -> Bring:
        self.counts.corrections += 1
        prepared = self._talker.prepare(correction.picture)
        corrected = SourcePicture(correction.picture, correction.data, prepared)
        return self._bring(corrected, slot, scene=scene, repairs=True, coded="residual")

    def _renew(self, seen: Seen, pictures: HeldPictures) -> Bring | None:
        """Bring what is seen now, as it was asked for; None where that cannot be yet."""
        if self._bringing or self._talker.locate(seen.picture) is None:
            return None
        slot = pictures.make_room()
        if slot is None:
            return None
        self._asked = None
        self._begin_scene()
        self.counts.repairs += 1
        source = make_source(seen.picture, self._talker)
        return self._bring(source, slot, scene=self._scenes, repairs=True)

    def _consider(self, seen: Seen, keypoints: Floats, pictures: HeldPictures) -> None:
        """Keep a frame to choose from, if it is sharp; of too many the one goes that would help least."""
        if sharpness(seen.picture, keypoints) < SHARP * self._sharpness:
            return
        self._candidates.append(_Candidate(seen.picture, self._posture(seen)))
        if len(self._candidates) > CANDIDATES:
            present = [held for held in pictures.held if held.scene == pictures.scene]
            self._candidates.sort(key=lambda each: -self._coverage.gain(present, each.posture))
            del self._candidates[CANDIDATES:]

    def _add(self, pictures: HeldPictures) -> Bring | None:
        """Bring the frame that would help most, where the line has had room for it."""
        if self._bringing or self._state.faulty or self._allowance < self._fine_bytes or not self._candidates:
            return None
        present = [held for held in pictures.held if held.scene == pictures.scene]
        empty, held = pictures.spare()
        # Room costs nothing where a slot is empty, or holds a scene that is over.
        free = [*empty, *(each.slot for each in held if each.scene != pictures.scene)]
        places: list[tuple[int, Held | None]] = [(slot, None) for slot in free[:1]]
        places = places or [(each.slot, each) for each in held]
        wishes = [
            (self._coverage.gain(present, candidate.posture, without=without), index, slot)
            for slot, without in places
            for index, candidate in enumerate(self._candidates)
        ]
        gain, index, slot = max(wishes, default=(0.0, 0, 0))
        if gain < (WORTH_ADDING if free else WORTH_REPLACING):
            return None
        picture = self._candidates.pop(index).picture
        if self._talker.locate(picture) is None or not pictures.give(slot):
            return None
        self.counts.added += 1
        source = make_fine_source(picture, self._talker)
        return self._bring(source, slot, scene=pictures.scene, repairs=False)

    def _begin_scene(self) -> None:
        self._scenes += 1
        self._candidates.clear()
        self._coverage.forget()

    def _bring(
        self,
        source: SourcePicture,
        slot: int,
        *,
        scene: int,
        repairs: bool,
        coded: Literal["picture", "residual"] = "picture",
    ) -> Bring:
        if source.fine:
            self._fine_bytes = len(source.data)
        elif coded == "picture":
            self._picture_bytes = len(source.data)
        self._allowance -= len(source.data)
        self._bringing = True
        return Bring(slot, source, scene, repairs, coded)

    def _posture(self, seen: Seen) -> Posture:
        motion = seen.motion
        return posture_of(motion.rotation, motion.translation, motion.expression, seen.held.source.prepared)

    def _draw(self, held: Held, seen: Seen) -> np.ndarray:
        source, motion = held.source.prepared, seen.motion
        expression = motion.expression
        if held is not seen.held:
            expression = self._talker.rebase(
                motion.rotation, expression, of=seen.held.source.prepared, to=source
            )
        return self._talker.draw(source, motion.rotation, motion.translation, expression)

    def _earn(self, at_s: float) -> None:
        elapsed_s = 0.0 if self._looked_s is None else max(at_s - self._looked_s, 0.0)
        self._looked_s = at_s
        earned = self._allowance + elapsed_s * self.budget_bytes_per_s
        self._allowance = min(SAVED * self._fine_bytes, earned)
