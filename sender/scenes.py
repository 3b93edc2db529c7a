"""The scenes of a call, as far as the pictures that are held show them: which of those draws what is seen better than
the one that is drawn from. That costs no bytes, so it comes before every repair. It looks and switches; it brings
nothing and knows no line."""

from __future__ import annotations

from runtime.talker import Talker
from sender.bring import Seen
from sender.distance import cells_around
from sender.held import Held, HeldPictures
from sender.posture import Posture, apart
from sender.redrawn import BETTER, Redrawn, draw_from
from sender.repair import CALM, FAULTY, Faults

# An earlier scene is gone back to where it is better in so many looks in a row: who leans forward hides the wall, and a
# picture of that is a poor one to draw the wall from when he leans back.
BETTER_LOOKS = 2
# Pictures of one scene differ by the head alone, and postures say which of them to draw from. Where the one that they
# ask for draws a frame at fault, and another one so much better, that is none of this scene.
FOREIGN = 0.75  # of the mean distance
# A fault about the head alone, in a posture this far from every picture held, and much farther than when all was well,
# is that posture's: a picture of it belongs to the same scene.
UNSEEN = 0.06
HEAD = 0.6  # of the keypoints' extent, that hair and neck reach beyond it


class Scenes:
    """The scenes of one call; on the mirror's thread."""

    def __init__(self, talker: Talker, pictures: HeldPictures) -> None:
        self._talker = talker
        self._pictures = pictures
        self._newest = pictures.scene
        self._better_looks = 0
        self._calm_novelty = 0.0  # of the posture, at the last look without a fault

    def begin(self) -> int:
        """Return the number of a new scene."""
        self._newest += 1
        return self._newest

    def note_calm(self, seen: Seen) -> None:
        """Take note of a look without a fault."""
        self._calm_novelty = self._pictures.novelty(seen.posture)

    def is_unseen(self, redrawn: Redrawn, fault: Faults) -> bool:
        """Say whether a fault seems to be the posture's alone, which no picture of the scene shows yet."""
        around = cells_around(redrawn.cells.shape[0], redrawn.keypoints, margin=HEAD)
        about_head = fault(redrawn.cells * ~around) < FAULTY
        novelty = self._pictures.novelty(redrawn.seen.posture)
        return about_head and novelty >= UNSEEN and novelty - self._calm_novelty >= UNSEEN / 2

    def part(self, redrawn: Redrawn, fault: Faults) -> bool:
        """Where a frame is drawn at fault from the picture that its posture asks for, and far better from others of the
        scene, let those be a scene of their own and draw from them; True where that was so.

        What covers a face moves its keypoints as well, and is taken for a posture when a picture of it comes
        (`is_unseen`). Between pictures with it and without it postures do not tell; how they draw does.
        """
        pictures, seen = self._pictures, redrawn.seen
        if pictures.current.slot != seen.held.slot or fault(redrawn.cells) < FAULTY:
            return False
        others = [held for held in pictures.of_scene() if held.slot != seen.held.slot]
        better = [
            held.slot
            for held in others
            if redrawn.is_worse_than(draw_from(self._talker, seen, held.source), share=FOREIGN)
        ]
        if better:
            pictures.part(better, seen.posture, scene=self.begin())
        return bool(better)

    def go_back(self, redrawn: Redrawn, fault: Faults) -> bool:
        """Draw from a picture of an earlier scene again where that has been better for some looks, and less at fault as
        well; True where it is. By the mean alone, a head held as it was then makes up for a thing that is missing."""
        pictures, seen = self._pictures, redrawn.seen
        others = pictures.others()
        if not others:
            return False
        nearest = _nearest(others, seen.posture)
        drawn = draw_from(self._talker, seen, nearest.source)
        least = max(FAULTY, BETTER * fault(redrawn.cells))
        better = redrawn.is_worse_than(drawn) and fault(redrawn.distances_of(drawn)) < least
        self._better_looks = self._better_looks + 1 if better else 0
        if self._better_looks < BETTER_LOOKS:
            return False
        self._better_looks = 0
        pictures.switch(nearest.slot)
        return True

    def find_calm(self, redrawn: Redrawn, fault: Faults) -> bool:
        """Draw from a picture of an earlier scene again where a frame is drawn well from that, the newest scene first;
        True where there is one."""
        others = self._pictures.others()
        for scene in sorted({held.scene for held in others}, reverse=True):
            nearest = _nearest([held for held in others if held.scene == scene], redrawn.seen.posture)
            if self._draws_well(redrawn, nearest, fault):
                self._pictures.switch(nearest.slot)
                return True
        return False

    def _draws_well(self, redrawn: Redrawn, held: Held, fault: Faults) -> bool:
        drawn = draw_from(self._talker, redrawn.seen, held.source)
        return fault(redrawn.distances_of(drawn)) < CALM


def _nearest(pictures: list[Held], posture: Posture) -> Held:
    return min(pictures, key=lambda held: apart(held.posture, posture))
