"""The mirror: redraws what the receiver draws, compares it with the camera's picture, and says what to bring: a
residual code or a new source picture where something is wrong, another picture for the gallery where nothing is and the
line has room. It decides; what it is shown and asks for stands in `sender.bring`, how it is drawn and compared in
`sender.redrawn`, what a fault is in `sender.repair`. Who calls it when, and how what it asks for travels, is not its
business."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from runtime.talker import Talker
from sender.bring import Asked, Bring, Coded, Correction, Corrector, MirrorCounts, Seen
from sender.candidates import Candidates
from sender.distance import Floats, cells_around, over_face
from sender.held import Held, HeldPictures
from sender.mending import correct, mend
from sender.posture import Posture, apart, posture_in
from sender.redrawn import Redrawn, draw_from, redraw
from sender.repair import CALM, FAULTY, RepairState, fault_of, judge
from sender.source import SourcePicture, corrected, make_fine_source, make_source
from sender.spending import BUDGET_BYTES_PER_S, Spending

# An earlier scene is gone back to where it is better in so many looks in a row: who leans forward hides the wall, and a
# picture of that is a poor one to draw the wall from when he leans back.
BETTER_LOOKS = 2
# A fault about the head alone, in a posture this far from every picture held, and much farther than when all was well,
# is that posture's: a picture of it belongs to the same scene.
UNSEEN = 0.06
HEAD = 0.6  # of the keypoints' extent, that hair and neck reach beyond it
CANNOT_FOLLOW = (
    "What the camera sees is not what the other side sees: too much in the picture moves or covers the face."
)


@dataclass
class _Course:
    """What a mirror keeps of its call, from the first picture on."""

    pictures: HeldPictures
    spending: Spending
    candidates: Candidates


def _nobody() -> None:
    """Tell nobody."""


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
        self._begun: _Course | None = None
        self._bringing = False
        self._better_looks = 0
        self._asked: Asked | None = None
        self._on_vain: Callable[[], object] = _nobody
        self._mended: SourcePicture | None = None  # by the residual that was asked for last
        self._scenes = 0
        self._earlier: Seen | None = None  # what was looked at before
        self._calm_novelty = 0.0  # of the posture, at the last look without a fault

    def begin(self, pictures: HeldPictures) -> None:
        """Begin with what the receiver holds; to be called before the first `look`."""
        first = pictures.current.source
        self._begun = _Course(pictures, Spending(first), Candidates(first))

    @property
    def alarmed(self) -> bool:
        """Whether the last look was a faulty one, so that the next should come soon."""
        return self._state.faulty > 0 and not self._state.told

    def ask(self, wanted: Asked, *, on_vain: Callable[[], object] = _nobody) -> None:
        """Let the next look bring something, as somebody wants it; from any thread. A new picture comes whatever is
        seen. A repair is a residual where that is less and the line is tight, and a new picture where it is not or has
        not helped; where neither would be better than what is drawn, `on_vain` is called on the mirror's thread."""
        if self._asked != "picture":
            self._on_vain = on_vain
            self._asked = wanted

    @property
    def _course(self) -> _Course:
        assert self._begun is not None, "`begin` comes first"
        return self._begun

    @property
    def _has_room(self) -> bool:
        """Whether a repair may be finely coded: on a tight line it has to be there soon."""
        return self.budget_bytes_per_s >= BUDGET_BYTES_PER_S

    def note(self, posture: Posture, ticks: int) -> None:
        """Take note of what the face does; on the motion thread, with every frame."""
        self._course.candidates.note(posture, ticks)

    def look(self, seen: Seen) -> Bring | None:
        """Redraw a frame and compare; return what is to be brought to the receiver now."""
        pictures, spending = self._course.pictures, self._course.spending
        spending.earn(seen.captured_s, bytes_per_s=self.budget_bytes_per_s)
        if self._asked == "picture" and (bring := self._renew(seen)) is not None:
            return bring
        earlier, self._earlier = self._earlier, seen
        redrawn = redraw(self._talker, seen)
        cells = redrawn.cells
        self.counts.looks += 1
        self.counts.distance, self.counts.face = float(cells.mean()), over_face(cells, redrawn.keypoints)
        if self._asked == "repair" and (bring := self._mend(redrawn, earlier)) is not None:
            return bring
        if self._goes_back(seen, redrawn):
            return None
        correction: Correction | None = None
        before = self._state

        def residual_bytes(where: np.ndarray) -> int | None:
            nonlocal correction
            # Where the line has room a picture is worth its bytes: a code only mends what was drawn.
            if self._corrector is None or self._has_room or before.usual is None:
                return None
            correction = correct(self._corrector, redrawn, where, usual=before.usual)
            return None if correction is None else len(correction.data)

        self._state, finding = judge(
            before,
            cells,
            at_s=seen.captured_s,
            picture_bytes=spending.fine_bytes if self._has_room else spending.picture_bytes,
            residual_bytes=residual_bytes,
        )
        if finding.action == "tell":
            self.counts.told += 1
            self._on_notice(CANNOT_FOLLOW)
        if finding.action in ("picture", "residual"):
            residual = correction if finding.action == "residual" else None
            unseen = before.usual is not None and self._is_unseen(seen, redrawn, before.usual)
            bring = self._repair(seen, redrawn, residual, same_scene=unseen)
            if bring is None:
                self._state = before  # it could not be done yet
            return bring
        if finding.fault < FAULTY and seen.held.scene == pictures.scene:
            self._calm_novelty = pictures.novelty(seen.posture)
            self._course.candidates.consider(seen, redrawn.keypoints, pictures)
        return self._add()

    def brought(self, bring: Bring, *, arrived: bool) -> None:
        """Learn what became of a picture."""
        pictures = self._course.pictures
        self._bringing = False
        if not arrived:
            pictures.lose(bring.slot)
            return
        pictures.take(Held(bring.slot, bring.source, posture_in(bring.source.prepared), bring.scene))
        if bring.repairs:
            pictures.switch(bring.slot)

    def _goes_back(self, seen: Seen, redrawn: Redrawn) -> bool:
        """Draw from a picture of an earlier scene again where that has been better for some looks."""
        pictures = self._course.pictures
        others = pictures.others()
        if self._bringing or not others or seen.held.scene != pictures.scene:
            return False
        posture = seen.posture
        nearest = min(others, key=lambda held: apart(held.posture, posture))
        better = redrawn.is_worse_than(draw_from(self._talker, seen, nearest.source))
        self._better_looks = self._better_looks + 1 if better else 0
        if self._better_looks < BETTER_LOOKS:
            return False
        self._better_looks = 0
        self.counts.returns += 1
        pictures.switch(nearest.slot)
        return True

    def _is_unseen(self, seen: Seen, redrawn: Redrawn, usual: Floats) -> bool:
        """Say whether a fault is the posture's alone, which no picture shows yet."""
        around = cells_around(redrawn.cells.shape[0], redrawn.keypoints, margin=HEAD)
        about_head = fault_of(redrawn.cells * ~around, usual) < FAULTY
        novelty = self._course.pictures.novelty(seen.posture)
        return about_head and novelty >= UNSEEN and novelty - self._calm_novelty >= UNSEEN / 2

    def _repair(
        self, seen: Seen, redrawn: Redrawn, correction: Correction | None, *, same_scene: bool
    ) -> Bring | None:
        """Go back to a picture of an earlier scene where that is good enough, else bring a new or a corrected one."""
        pictures = self._course.pictures
        if self._bringing:
            return None
        posture, others = seen.posture, pictures.others()
        for scene in sorted({held.scene for held in others}, reverse=True):
            nearest = min(
                (held for held in others if held.scene == scene),
                key=lambda held: apart(held.posture, posture),
            )
            cells = redrawn.distances_of(draw_from(self._talker, seen, nearest.source))
            if self._state.usual is not None and fault_of(cells, self._state.usual) < CALM:
                pictures.switch(nearest.slot)
                self.counts.returns += 1
                return None
        if not self._course.spending.can_repair or self._talker.locate(seen.picture) is None:
            return None
        slot = pictures.make_room()
        if slot is None:
            return None
        if correction is not None:
            source = corrected(correction.picture, correction.data, self._talker)
        elif self._has_room:
            source = make_fine_source(seen.picture, self._talker)
        else:
            source = make_source(seen.picture, self._talker)
        coded: Coded = "picture" if correction is None else "residual"
        return self._bring_repair(source, slot, coded=coded, same_scene=same_scene)

    def _mend(self, redrawn: Redrawn, earlier: Seen | None) -> Bring | None:
        """Bring the repair that was asked for; None where that cannot be yet, or where nothing would be better, which
        is told."""
        pictures, seen = self._course.pictures, redrawn.seen
        if self._bringing or not pictures.has_room() or self._talker.locate(seen.picture) is None:
            return None
        leave_codes_out = self._has_room or seen.held.source is self._mended
        mended = mend(
            self._talker,
            [redrawn] if earlier is None else [redraw(self._talker, earlier), redrawn],
            corrector=None if leave_codes_out else self._corrector,
            picture_bytes=self._course.spending.picture_bytes,
            finely=self._has_room,
        )
        if mended is None:
            self._asked = None
            self.counts.vain += 1
            self._on_vain()
            return None
        slot = pictures.make_room()
        if slot is None:
            return None
        self._asked = None
        source, coded = mended
        self._mended = source if coded == "residual" else None
        return self._bring_repair(source, slot, coded=coded, same_scene=False)

    def _renew(self, seen: Seen) -> Bring | None:
        """Bring what is seen now, as it was asked for; None where that cannot be yet."""
        if self._bringing or self._talker.locate(seen.picture) is None:
            return None
        slot = self._course.pictures.make_room()
        if slot is None:
            return None
        self._asked = None
        source = make_source(seen.picture, self._talker)
        return self._bring_repair(source, slot, coded="picture", same_scene=False)

    def _add(self) -> Bring | None:
        """Bring the frame that would help most, where the line has had room for it."""
        pictures = self._course.pictures
        if self._bringing or self._state.faulty or not self._course.spending.can_add:
            return None
        chosen = self._course.candidates.take(pictures)
        if chosen is None:
            return None
        picture, slot = chosen
        if self._talker.locate(picture) is None or not pictures.give(slot):
            return None
        self.counts.added += 1
        source = make_fine_source(picture, self._talker)
        return self._bring(source, slot, scene=pictures.scene, repairs=False, coded="picture")

    def _bring_repair(self, source: SourcePicture, slot: int, *, coded: Coded, same_scene: bool) -> Bring:
        if coded == "residual":
            self.counts.corrections += 1
        else:
            self.counts.repairs += 1
        if not same_scene:
            self._scenes += 1
            self._course.candidates.forget()
        scene = self._course.pictures.scene if same_scene else self._scenes
        return self._bring(source, slot, scene=scene, repairs=True, coded=coded)

    def _bring(self, source: SourcePicture, slot: int, *, scene: int, repairs: bool, coded: Coded) -> Bring:
        self._course.spending.pay(source, coded)
        self._bringing = True
        return Bring(slot, source, scene, repairs, coded)
