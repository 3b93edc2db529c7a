"""What a mirror brings in the course of a call: source pictures made of frames, a slot and the bytes for each, one on
its way at a time. It does what it is told to; what is to be brought, and why, it does not know, nor how it travels."""

from __future__ import annotations

import numpy as np

from runtime.talker import Talker
from sender.bring import Bring, Coded, Correction, MirrorCounts, Seen
from sender.candidates import Candidates
from sender.held import Held, HeldPictures
from sender.posture import posture_in
from sender.scenes import Scenes
from sender.source import SourcePicture, corrected, make_fine_source, make_source
from sender.spending import Spending


class Bringing:
    """The pictures of one call, from those that the receiver holds at its beginning on; on the mirror's thread, but for
    `brought`."""

    def __init__(self, talker: Talker, pictures: HeldPictures, counts: MirrorCounts) -> None:
        first = pictures.current.source
        self.pictures = pictures
        self.scenes = Scenes(talker, pictures)
        self.spending = Spending(first)
        self.candidates = Candidates(first)
        self.under_way: Bring | None = None
        self._talker = talker
        self._counts = counts

    def finds_room(self) -> bool:
        """Say whether a picture could go now; where every slot is in use, one will soon be free."""
        return self.under_way is None and self.pictures.seek_room()

    def can_bring(self, seen: Seen) -> bool:
        """Say whether a picture of what is seen may go now: there is a face in it."""
        return self.finds_room() and self._talker.locate(seen.picture) is not None

    def make(self, picture: np.ndarray) -> SourcePicture:
        """Code a picture (uint8 SxSx3) as finely as the line has room for: on a tight one it has to be there soon."""
        return (make_fine_source if self.spending.has_room else make_source)(picture, self._talker)

    def correct(self, correction: Correction, *, same_scene: bool) -> Bring | None:
        """Bring what a residual code makes of the redrawn picture; None where there is no slot for it now."""
        source = corrected(correction.picture, correction.data, self._talker)
        return self.repair(source, coded="residual", same_scene=same_scene)

    def repair(
        self, source: SourcePicture, *, coded: Coded = "picture", same_scene: bool = False
    ) -> Bring | None:
        """Bring a picture to draw from at once; None where there is no slot for it now."""
        slot = self.pictures.make_room()
        if slot is None:
            return None
        if coded == "residual":
            self._counts.corrections += 1
        else:
            self._counts.repairs += 1
        if same_scene:
            scene = self.pictures.scene
        else:
            scene = self.scenes.begin()
            self.candidates.forget()
        return self._bring(source, slot, scene=scene, repairs=True, coded=coded)

    def add(self) -> Bring | None:
        """Bring the frame that would help most, where the line has had room for it."""
        if self.under_way is not None or not self.spending.can_add:
            return None
        chosen = self.candidates.take(self.pictures)
        if chosen is None:
            return None
        picture, slot = chosen
        if self._talker.locate(picture) is None or not self.pictures.give(slot):
            return None
        self._counts.added += 1
        source = make_fine_source(picture, self._talker)
        return self._bring(source, slot, scene=self.pictures.scene, repairs=False, coded="picture")

    def go_elsewhere(self) -> None:
        """Take note that another picture that is held is drawn from: what was to be added belongs elsewhere."""
        self._counts.returns += 1
        self.candidates.forget()

    def brought(self, bring: Bring, *, arrived: bool) -> None:
        """Learn what became of a picture; from any thread."""
        if arrived:
            posture = posture_in(bring.source.prepared)
            self.pictures.take(Held(bring.slot, bring.source, posture, bring.scene))
            if bring.repairs:
                self.pictures.switch(bring.slot)
        else:
            self.pictures.lose(bring.slot)
        self.under_way = None

    def _bring(self, source: SourcePicture, slot: int, *, scene: int, repairs: bool, coded: Coded) -> Bring:
        self.spending.pay(source, coded)
        self.under_way = Bring(slot, source, scene, repairs, coded)
        return self.under_way
