"""The mirror: redraws what the receiver draws, compares it with the camera's picture, and says what to bring: a
residual code or a new source picture where something is wrong, another picture for the gallery where nothing is and the
line has room. It decides; what it is shown and asks for stands in `sender.bring`, how it is drawn and compared in
`sender.redrawn`, what a fault is in `sender.repair`, what is held already that would do in `sender.scenes`, how
pictures are made in `sender.bringing`. Who calls it when, and how what it asks for travels, is not its business."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from codec.time import TICKS_PER_SECOND
from runtime.talker import Talker
from sender.bring import Asked, Bring, Correction, Corrector, MirrorCounts, Seen
from sender.bringing import Bringing
from sender.distance import Floats, over_face
from sender.held import HeldPictures
from sender.mending import correct, draws_calmly, mend
from sender.observe import View
from sender.posture import Posture
from sender.redrawn import Redrawn, draw_from, redraw
from sender.repair import CONFIRMED, FAULTY, RepairState, doubt, fault_of, judge
from sender.source import SourcePicture, make_source
from sender.spending import BUDGET_BYTES_PER_S

# Who is told that the picture cannot follow is not told again for so long.
TELL_AGAIN_S = 60.0
# What the call got used to is looked at anew so often: once it has come to rest, a picture of it helps.
TRY_AGAIN_S = 5.0
# Frames come several times a second. After so long without any, what the camera sees may be another room or another
# person, and a first look that finds a fault is enough.
ABSENCE_TICKS = TICKS_PER_SECOND // 2
# Looks come every 4 s even on a busy machine. What was seen so long before, before an absence, measures nothing.
RECENT_S = 10.0
FACELESS = 0.75  # of the mean distance: how much better a picture without a face has to be
CANNOT_FOLLOW = (
    "The other side does not see what your camera sees: too much moves, or something covers your face. Hold still and "
    "a new picture goes out by itself; on the call's page, New picture sends one at once, and Ordinary video shows all "
    "that your camera sees."
)


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
        self._begun: Bringing | None = None
        self._asked: Asked | None = None
        self._on_vain: Callable[[], object] = _nobody
        self._mended: SourcePicture | None = None  # by the residual that was asked for last
        self._earlier: Seen | None = None  # what was looked at before
        self._noted_ticks: int | None = None  # of the newest frame
        self._returned = False  # somebody, since the last look
        self.curious = False  # a repair is there that has not been looked at yet
        self._told_s = self._tried_s = -math.inf

    def begin(self, pictures: HeldPictures) -> None:
        """Begin with what the receiver holds; to be called before the first `look`."""
        self._begun = Bringing(self._talker, pictures, self.counts)

    @property
    def alarmed(self) -> bool:
        """Whether the last look was a faulty one, or nearly so, that something can be done about, so that the next
        should come soon."""
        return (
            (self._state.faulty > 0 or self._state.unease > 0)
            and not self._state.told
            and self._bringing.spending.can_repair
        )

    @property
    def _bringing(self) -> Bringing:
        assert self._begun is not None, "`begin` comes first"
        return self._begun

    def ask(self, wanted: Asked, *, on_vain: Callable[[], object] = _nobody) -> None:
        """Let the next look bring something, as somebody wants it; from any thread. A new picture comes whatever is
        seen. A repair is a residual where that is less and the line is tight, and a new picture where it is not or has
        not helped; where neither would be better than what is drawn, `on_vain` is called on the mirror's thread."""
        if self._asked != "picture":
            self._on_vain = on_vain
            self._asked = wanted

    def rebase(self, view: View, *, of: SourcePicture, to: SourcePicture) -> Floats:
        """Return a frame's expression [K, 3] relative to another picture than it was seen with; from any thread."""
        return self._talker.rebase(view.rotation, view.expression, of=of.prepared, to=to.prepared)

    def note(self, posture: Posture, ticks: int) -> None:
        """Take note of what the face does; on the motion thread, with every frame."""
        if self._noted_ticks is not None and ticks - self._noted_ticks >= ABSENCE_TICKS:
            self._returned = True
        self._noted_ticks = ticks
        self._bringing.candidates.note(posture, ticks)

    def look(self, seen: Seen) -> Bring | None:
        """Redraw a frame and compare; return what is to be brought to the receiver now."""
        bringing = self._bringing
        pictures, spending = bringing.pictures, bringing.spending
        spending.earn(seen.captured_s, bytes_per_s=self.budget_bytes_per_s)
        if self._asked == "picture" and (bring := self._renew(seen)) is not None:
            return bring
        if seen.held.scene != pictures.scene:
            return None  # it says nothing of what is drawn by now
        self.curious = False
        under_way = bringing.under_way  # when the frame was sent, or nearly so
        earlier, self._earlier = self._earlier, seen
        if earlier is not None and seen.captured_s - earlier.captured_s > RECENT_S:
            earlier = None
        returned, self._returned = self._returned, False
        redrawn = redraw(self._talker, seen)
        cells = redrawn.cells
        self.counts.looks += 1
        self.counts.distance, self.counts.face = float(cells.mean()), over_face(cells, redrawn.keypoints)
        if self._asked == "repair" and (bring := self._mend(redrawn, earlier)) is not None:
            return bring
        if self._finds_better(redrawn):
            return None
        correction: Correction | None = None
        before = self._state

        def residual_bytes(where: np.ndarray) -> int | None:
            nonlocal correction
            # Where the line has room a picture is worth its bytes: a code only mends what was drawn.
            if self._corrector is None or spending.has_room or before.usual is None:
                return None
            correction = correct(self._corrector, redrawn, where, fault=before.fault)
            return None if correction is None else len(correction.data)

        self._state, finding = judge(
            before,
            cells,
            waiting=under_way is not None and under_way.repairs,
            confirmed=1 if returned else CONFIRMED,
            picture_bytes=spending.fine_bytes if spending.has_room else spending.picture_bytes,
            residual_bytes=residual_bytes,
        )
        if finding.action == "tell":
            self._tell(seen)
        if finding.action in ("picture", "residual"):
            bring = self._repair(redrawn, earlier, correction if finding.action == "residual" else None)
            if bring is None:
                self._state = before  # it could not be done yet
                if not spending.can_repair:
                    self._tell(seen)
            return bring
        if (bring := self._try_again(redrawn, earlier)) is not None:
            return bring
        if finding.fault < FAULTY:
            bringing.scenes.note_calm(seen)
            bringing.candidates.consider(seen, redrawn.keypoints, pictures)
        return None if self._state.faulty else bringing.add()

    def brought(self, bring: Bring, *, arrived: bool) -> None:
        """Learn what became of a picture."""
        self._bringing.brought(bring, arrived=arrived)
        self.curious |= arrived and bring.repairs

    def _tell(self, seen: Seen) -> None:
        """Say that the picture cannot follow, unless that was said a moment ago."""
        self._tried_s = seen.captured_s
        if seen.captured_s - self._told_s >= TELL_AGAIN_S:
            self._told_s = seen.captured_s
            self.counts.told += 1
            self._on_notice(CANNOT_FOLLOW)

    def _finds_better(self, redrawn: Redrawn) -> bool:
        """Draw from a picture that is held already where that is better; True where it is."""
        scenes, state = self._bringing.scenes, self._state
        if self._bringing.under_way is not None or state.usual is None:
            return False
        if not scenes.part(redrawn, state.fault) and not scenes.go_back(redrawn, state.fault):
            return False
        self._bringing.go_elsewhere()
        return True

    def _repair(self, redrawn: Redrawn, earlier: Seen | None, correction: Correction | None) -> Bring | None:
        """Go back to a picture of an earlier scene where that is good enough, else bring a new or a corrected one."""
        bringing, state = self._bringing, self._state
        if bringing.under_way is not None or state.usual is None:
            return None
        if bringing.scenes.find_calm(redrawn, state.fault):
            bringing.go_elsewhere()
            return None
        if not bringing.spending.can_repair or not bringing.finds_room():
            return None
        located = bringing.can_bring(redrawn.seen)
        same_scene = located and bringing.scenes.is_unseen(redrawn, state.fault)
        if correction is not None:
            return bringing.correct(correction, same_scene=same_scene)
        source = bringing.make(redrawn.seen.picture)
        # What covers a face may hide it from the locate graph. A picture without one serves if another frame, which it
        # does not show itself, is drawn better from it.
        if not located and (earlier is None or not self._draws_better(earlier, source)):
            return None
        return bringing.repair(source, same_scene=same_scene)

    def _draws_better(self, seen: Seen, source: SourcePicture) -> bool:
        """Say whether a frame is drawn far better from a new picture than it was."""
        drawn = draw_from(self._talker, seen, source)
        return redraw(self._talker, seen).is_worse_than(drawn, share=FACELESS)

    def _try_again(self, redrawn: Redrawn, earlier: Seen | None) -> Bring | None:
        """Bring a picture of what the call got used to since the user was told, once it would be drawn well from it."""
        bringing, seen, calm = self._bringing, redrawn.seen, self._state.calm
        if calm is None or earlier is None or seen.captured_s - self._tried_s < TRY_AGAIN_S:
            return None
        if fault_of(redrawn.cells, calm) < FAULTY or not bringing.spending.can_repair:
            return None
        if not bringing.can_bring(seen):
            return None
        self._tried_s = seen.captured_s
        source = bringing.make(seen.picture)
        # How well a picture draws itself says little.
        if not draws_calmly(self._talker, source, [earlier, seen], calm):
            self._state = doubt(self._state)
            return None
        bring = bringing.repair(source)
        if bring is not None:
            self._state = RepairState(usual=calm)
        return bring

    def _mend(self, redrawn: Redrawn, earlier: Seen | None) -> Bring | None:
        """Bring the repair that was asked for; None where that cannot be yet, or where nothing would be better, which
        is told."""
        bringing, seen = self._bringing, redrawn.seen
        if earlier is None or not bringing.can_bring(seen):
            return None
        on_vain, has_room = self._on_vain, bringing.spending.has_room
        leave_codes_out = has_room or seen.held.source is self._mended
        mended = mend(
            self._talker,
            [redraw(self._talker, earlier), redrawn],
            corrector=None if leave_codes_out else self._corrector,
            picture_bytes=bringing.spending.picture_bytes,
            finely=has_room,
        )
        if mended is None:
            self._forget_repair()
            self.counts.vain += 1
            on_vain()
            return None
        source, coded = mended
        bring = bringing.repair(source, coded=coded)
        if bring is not None:
            self._forget_repair()
            self._mended = source if coded == "residual" else None
        return bring

    def _forget_repair(self) -> None:
        """It was answered; a new picture, asked for while it was looked for, was not."""
        if self._asked == "repair":
            self._asked = None

    def _renew(self, seen: Seen) -> Bring | None:
        """Bring what is seen now, as it was asked for; None where that cannot be yet."""
        if not self._bringing.can_bring(seen):
            return None
        bring = self._bringing.repair(make_source(seen.picture, self._talker))
        if bring is not None:
            self._asked = None
        return bring
