"""What the receiver's slots hold, as far as it has said so, and which of them the next frame is drawn from. The motion
thread chooses, the mirror and the event loop change what is held. It knows nothing of how pictures travel.

A slot is given a new picture only when no motion under way can name its old one: none was sent for it within the last
two seconds before a motion that the receiver has. What is older than that comes too late to be shown, whatever the line
does, so every motion is drawn from the picture that it meant."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass, replace

from codec.packet import MAX_SOURCES
from codec.time import TICK_CYCLE, TICKS_PER_SECOND
from sender.posture import Posture, apart
from sender.source import SourcePicture

# What a picture's code adds to LPIPS over a face drawn from it: 77 frames of six clips of strangers were drawn at .105
# from one picture, at .090 from the same picture finely coded. Only the difference matters.
LOSS, FINE_LOSS = 0.020, 0.005
QUIET_TICKS = 2 * TICKS_PER_SECOND
# A picture that is to be given away is not drawn from for so long: until it can be, and no longer than that takes.
REST_TICKS = 2 * QUIET_TICKS
# A change of picture has to be worth it: so much of LPIPS over the face, and at once only where it is worth a lot.
GAIN = 0.02
GAIN_AT_ONCE = 0.03
STAY_TICKS = TICKS_PER_SECOND // 2


@dataclass(frozen=True)
class Held:
    """A picture in a slot. scene: pictures of one scene show the same person, light and things; a repair begins a new
    one. named_ticks: the last motion that named it, in continuous ticks."""

    slot: int
    source: SourcePicture
    posture: Posture
    scene: int
    named_ticks: int | None = None

    @property
    def loss(self) -> float:
        """What its code costs, in LPIPS over the face, whatever the posture."""
        return FINE_LOSS if self.source.fine else LOSS


class HeldPictures:
    """The slots; each method may be called from any thread."""

    def __init__(self, first: Held) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, Held] = {first.slot: first}
        self._given: dict[
            int, int | None
        ] = {}  # slots being filled, and when their old picture was last named
        self._free_since: dict[int, int | None] = {}  # slots that hold nothing to draw from
        self._current = first.slot
        self._scene = first.scene
        self._changed_ticks: int | None = None
        self._newest_named: int | None = None
        self._newest_known: int | None = None  # of the motions named, the newest that the receiver has
        self._resting: tuple[int, int] | None = None  # a slot that is not drawn from, and until when

    @property
    def current(self) -> Held:
        """What the next motion is drawn from."""
        with self._lock:
            return self._held[self._current]

    def of_scene(self) -> list[Held]:
        """Return what is held of the scene that is drawn now."""
        with self._lock:
            return self._of_scene()

    def others(self) -> list[Held]:
        """Return what is held of earlier scenes."""
        with self._lock:
            return [held for held in self._held.values() if held.scene != self._scene]

    @property
    def scene(self) -> int:
        """The scene that is drawn now."""
        with self._lock:
            return self._scene

    def novelty(self, posture: Posture) -> float:
        """Return how far a posture is from the nearest picture of this scene (LPIPS over the face)."""
        with self._lock:
            return min((apart(held.posture, posture) for held in self._of_scene()), default=1.0)

    def name(self, slot: int, ticks: int) -> None:
        """Note that the motion of this time (continuous ticks) names a slot."""
        with self._lock:
            if (held := self._held.get(slot)) is not None:
                self._held[slot] = replace(held, named_ticks=ticks)
            self._newest_named = ticks

    def choose(self, posture: Posture, ticks: int) -> None:
        """Draw what follows from the picture of this scene that is nearest to a posture, where that is worth it."""
        with self._lock:
            scene = [held for held in self._of_scene() if not self._rests(held.slot, ticks)]
            if not scene:
                return
            distances = {held.slot: apart(held.posture, posture) + held.loss for held in scene}
            best = min(distances, key=distances.__getitem__)
            present = distances.get(self._current)
            if best == self._current:
                return
            if present is not None:
                gain = present - distances[best]
                rested = self._changed_ticks is None or ticks - self._changed_ticks >= STAY_TICKS
                if gain < (GAIN if rested else GAIN_AT_ONCE):
                    return
            self._current, self._changed_ticks = best, ticks

    def acknowledge(self, newest_ticks: int) -> None:
        """Learn the newest motion, 0..4095, that the receiver has."""
        with self._lock:
            if self._newest_named is not None:
                behind = (self._newest_named - newest_ticks) % TICK_CYCLE
                self._newest_known = self._newest_named - behind

    def spare(self) -> tuple[list[int], list[Held]]:
        """Return where a new picture may go now: slots that are empty, and what is held in the others, first what is
        least worth: pictures of other scenes, the oldest scene first, then those not drawn from for the longest time.
        """
        with self._lock:
            empty = [
                slot
                for slot in range(MAX_SOURCES)
                if slot not in self._held
                and slot not in self._given
                and self._quiet(self._free_since.get(slot))
            ]
            able = [
                held
                for held in self._held.values()
                if held.slot != self._current and self._quiet(held.named_ticks)
            ]
            able.sort(key=lambda held: (held.scene == self._scene, held.scene, held.named_ticks or 0))
            return empty, able

    def seek_room(self) -> bool:
        """Say whether `make_room` would find a slot now.

        A lively face draws from all four within two seconds, again and again: where there is no room, the picture that
        was drawn from least lately is left alone, so that there will be.
        """
        if any(self.spare()):
            return True
        with self._lock:
            others = [held for held in self._held.values() if held.slot != self._current]
            if others and self._newest_named is not None:
                least = min(others, key=lambda held: (held.scene == self._scene, held.named_ticks or 0))
                self._resting = least.slot, self._newest_named + REST_TICKS
        return False

    def make_room(self) -> int | None:
        """Give away the slot that is least worth; None where there is none now."""
        empty, able = self.spare()
        slot = next(iter([*empty, *(held.slot for held in able)]), None)
        return slot if slot is not None and self.give(slot) else None

    def give(self, slot: int) -> bool:
        """Hold what is in a slot no longer: a new picture goes there. False where it is drawn from, or given, by
        now."""
        with self._lock:
            if slot == self._current or slot in self._given:
                return False
            if self._resting is not None and self._resting[0] == slot:
                self._resting = None
            gone = self._held.pop(slot, None)
            self._given[slot] = self._free_since.pop(slot, None) if gone is None else gone.named_ticks
            return True

    def _of_scene(self) -> list[Held]:
        return [held for held in self._held.values() if held.scene == self._scene]

    def _rests(self, slot: int, ticks: int) -> bool:
        return self._resting is not None and slot == self._resting[0] and ticks < self._resting[1]

    def _quiet(self, named_ticks: int | None) -> bool:
        if named_ticks is None:
            return True
        return self._newest_known is not None and self._newest_known - named_ticks >= QUIET_TICKS

    def take(self, held: Held) -> None:
        """Learn that the receiver can draw from a picture."""
        with self._lock:
            self._given.pop(held.slot, None)
            self._held[held.slot] = held

    def improve(self, better: Held, *, of: int) -> None:
        """Learn that the receiver can draw from a better code of the picture in the slot `of`, which is drawn from no
        more; without that one, what was brought is a picture like any other."""
        with self._lock:
            self._given.pop(better.slot, None)
            self._held[better.slot] = better
            worse = self._held.get(of)
            if worse is None or worse.scene != better.scene:
                return
            self._free_since[of] = self._held.pop(of).named_ticks
            if self._current == of:
                self._current, self._changed_ticks = better.slot, None

    def lose(self, slot: int) -> None:
        """Learn that a picture did not get there; what the slot held before is not drawn from again."""
        with self._lock:
            self._free_since[slot] = self._given.pop(slot, None)

    def switch(self, slot: int) -> None:
        """Draw from this picture and its scene again."""
        with self._lock:
            if slot in self._held:
                self._scene, self._current, self._changed_ticks = self._held[slot].scene, slot, None

    def part(self, slots: Collection[int], posture: Posture, *, scene: int) -> None:
        """Let what is held in these slots be a scene of its own, and draw from that of it which is nearest to a
        posture."""
        with self._lock:
            parted = [replace(self._held[slot], scene=scene) for slot in slots if slot in self._held]
            if not parted:
                return
            self._held |= {held.slot: held for held in parted}
            nearest = min(parted, key=lambda held: apart(held.posture, posture) + held.loss)
            self._scene, self._current, self._changed_ticks = scene, nearest.slot, None
