"""What the mirror sees, asks for, and when it looks."""

import threading

import numpy as np
import pytest

from codec.packet import MAX_SOURCES
from sender.bring import Bring, Correction, Seen
from sender.coverage import EVERY_TICKS
from sender.distance import cells_around
from sender.held import HeldPictures
from sender.mirror import CANNOT_FOLLOW, Mirror
from sender.posture import posture_of
from sender.repair import RESIDUAL_SHARE
from sender.spending import BUDGET_BYTES_PER_S
from sender.watch import PERIOD_S, Watch
from tests.patience import PATIENCE_S
from tests.sender.held_fakes import MirrorTalker, face, held, motion, turned
from tests.sender.test_sender_capture import until


def spoilt(picture: np.ndarray, *, at: int = 8, size: int = 24) -> np.ndarray:
    """Return a picture with an object in it, over a tenth of it if not said otherwise."""
    covered = picture.copy()
    covered[at : at + size, at : at + size] = (200, 20, 90)
    return covered


class Call:
    """A mirror in a call that takes one look a half second."""

    def __init__(self, **settings: object) -> None:
        self.notices: list[str] = []
        self.talker = MirrorTalker()
        self.mirror = Mirror(self.talker, on_notice=self.notices.append, **settings)  # type: ignore[arg-type]
        self.pictures = HeldPictures(self.talker.knows(held(0, picture=turned(face(), 0))))
        self.mirror.begin(self.pictures)
        self.at_s = 0.0

    def look(self, picture: np.ndarray, *, yaw: float = 0.0) -> Bring | None:
        """Let a frame go out, and the mirror look at it."""
        self.at_s += PERIOD_S
        ticks = round(self.at_s * 60)
        drawn_from = self.pictures.current
        its = motion(yaw=yaw)
        posture = posture_of(its.rotation, its.translation, its.expression, drawn_from.source.prepared)
        self.pictures.name(drawn_from.slot, ticks)
        self.pictures.acknowledge(ticks % 4096)
        self.pictures.choose(posture, ticks)
        for step in range(0, 30, EVERY_TICKS):
            self.mirror.note(posture, ticks + step)
        return self.mirror.look(Seen(turned(picture, yaw), its, drawn_from, self.at_s, ticks))

    def looks(self, picture: np.ndarray, count: int, *, yaw: float = 0.0) -> list[Bring]:
        """Take so many looks; what is asked for arrives before the next."""
        brought = []
        for _ in range(count):
            if (bring := self.look(picture, yaw=yaw)) is not None:
                brought.append(bring)
                self.mirror.brought(bring, arrived=True)
        return brought


@pytest.fixture
def call() -> Call:
    """A call that has been calm for two seconds, with nothing to spend on the gallery."""
    calm = Call()
    calm.mirror.budget_bytes_per_s = 0.0
    assert calm.looks(face(), 4) == []
    return calm


def test_an_object_brings_a_new_picture_within_a_second_and_it_is_drawn_from(call: Call) -> None:
    (bring,) = call.looks(spoilt(face()), 2)
    assert bring.repairs
    assert bring.slot != 0
    assert call.pictures.current.slot == bring.slot
    assert call.looks(spoilt(face()), 10) == []
    assert (call.mirror.counts.repairs, call.mirror.counts.added) == (1, 0)


def test_when_the_object_leaves_the_old_picture_is_returned_to_for_nothing(call: Call) -> None:
    call.looks(spoilt(face()), 4)
    assert call.looks(face(), 8) == []
    assert call.pictures.current.slot == 0
    assert call.mirror.counts.returns == 1


def test_an_exchanged_person_brings_a_new_picture(call: Call) -> None:
    (bring,) = call.looks(face(seed=9), 2)
    assert bring.repairs


def test_a_head_turned_as_never_before_belongs_to_the_scene_and_another_room_does_not(call: Call) -> None:
    keypoints = call.pictures.current.source.prepared.keypoints
    inside = cells_around(64, keypoints, margin=0.0)
    head = face()
    head[inside] = 255 - head[inside]
    (turned_head,) = call.looks(head, 2, yaw=60)
    assert turned_head.scene == 0
    room = 255 - face()
    (moved,) = call.looks(room, 6, yaw=120)[:1]
    assert moved.scene > 0


def test_a_hand_before_a_head_that_was_turned_all_along_begins_a_new_scene(call: Call) -> None:
    assert call.looks(face(), 4, yaw=60) == []
    keypoints = call.pictures.current.source.prepared.keypoints
    covered = face()
    covered[cells_around(64, keypoints, margin=0.0)] = 128
    (bring,) = call.looks(covered, 2, yaw=60)
    assert bring.scene > 0


def covered_face(call: Call) -> np.ndarray:
    """Return a picture of which the head alone is not as it was."""
    covered = face()
    covered[cells_around(64, call.pictures.current.source.prepared.keypoints, margin=0.0)] = 128
    return covered


def test_what_covers_a_face_and_seems_to_turn_it_parts_the_scene_as_soon_as_that_draws_the_wrong_picture(
    call: Call,
) -> None:
    covered = covered_face(call)
    (bring,) = call.looks(covered, 2, yaw=60)
    assert bring.scene == 0  # it is taken for an unseen posture
    assert call.pictures.current.slot == bring.slot
    # The next frames' postures are nearer to that of the picture without it.
    assert call.looks(covered, 6, yaw=0) == []
    assert call.pictures.current.slot == bring.slot
    assert [held.slot for held in call.pictures.of_scene()] == [bring.slot]
    assert call.mirror.counts.returns == 1
    assert call.looks(covered, 10, yaw=30) == []
    assert call.pictures.current.slot == bring.slot
    assert call.looks(face(), 6) == []
    assert call.pictures.current.slot == 0


def test_pictures_of_another_posture_stay_in_the_scene_while_they_are_drawn_from_in_time(call: Call) -> None:
    head = covered_face(call)
    call.looks(head, 2, yaw=60)
    for _ in range(3):
        call.looks(face(), 4)
        call.looks(head, 4, yaw=60)
    assert len(call.pictures.of_scene()) == 2
    assert call.mirror.counts.returns == 0


def test_pictures_that_help_are_not_held_against_a_call_in_which_much_changes(call: Call) -> None:
    brought = [bring for seed in range(40, 44) for bring in call.looks(face(seed=seed), 3)]
    assert len(brought) == 4
    assert call.notices == []


def test_while_a_picture_is_on_its_way_nobody_is_told_that_it_did_not_help(call: Call) -> None:
    asked = [bring for _ in range(30) if (bring := call.look(spoilt(face()))) is not None]
    assert len(asked) == 1
    assert call.notices == []
    call.mirror.brought(asked[0], arrived=True)
    assert call.looks(spoilt(face()), 6) == []


def test_once_what_nothing_helped_against_has_come_to_rest_a_picture_of_it_comes(call: Call) -> None:
    for index in range(16):
        call.looks(face(seed=20 + index), 1)
    assert call.notices == [CANNOT_FOLLOW]
    brought = call.looks(face(seed=50), 20)
    assert [bring.slot for bring in brought] == [call.pictures.current.slot]


def test_the_user_is_told_once_in_a_while_not_all_the_time(call: Call) -> None:
    call.mirror.budget_bytes_per_s = BUDGET_BYTES_PER_S
    for index in range(100):
        call.looks(face(seed=20 + index), 1)
    assert call.notices == [CANNOT_FOLLOW]


def test_who_sits_down_after_an_absence_is_seen_at_the_first_look(call: Call) -> None:
    call.at_s += 3.0
    bring = call.look(face(seed=9))
    assert bring is not None
    assert bring.repairs


def test_who_comes_back_as_he_left_costs_nothing(call: Call) -> None:
    call.at_s += 3.0
    assert call.looks(face(), 4) == []


def test_a_picture_that_does_not_arrive_is_asked_for_again(call: Call) -> None:
    asked = [call.look(spoilt(face())) for _ in range(2)]
    assert asked[1] is not None
    call.mirror.brought(asked[1], arrived=False)
    again = [call.look(spoilt(face())) for _ in range(6)]
    assert any(bring is not None for bring in again)


def test_only_one_picture_is_on_its_way(call: Call) -> None:
    asked = [call.look(spoilt(face(), at=8 + index)) for index in range(12)]
    assert sum(bring is not None for bring in asked) == 1


def test_a_picture_without_a_face_is_brought_only_where_another_frame_is_drawn_better_from_it(
    call: Call,
) -> None:
    call.talker.located = False
    for index in range(6):
        assert call.looks(face(seed=20 + index), 1) == []
    (bring,) = call.looks(spoilt(face()), 2)  # what hides the face stays
    assert bring.scene > 0


def test_where_nothing_helps_the_user_is_told(call: Call) -> None:
    for index in range(12):
        call.looks(face(seed=20 + index), 1)
    assert call.notices == [CANNOT_FOLLOW]


def test_a_cheaper_residual_takes_the_place_of_the_picture() -> None:
    asked: list[float] = []

    def corrector(seen: Seen, drawn: np.ndarray, where: np.ndarray) -> Correction:
        asked.append(float(where.mean()))
        return Correction(bytes(100), seen.picture)

    call = Call(corrector=corrector)
    call.mirror.budget_bytes_per_s = 0.0
    call.looks(face(), 4)
    (bring,) = call.looks(spoilt(face()), 2)
    assert (bring.coded, bring.source.data) == ("residual", bytes(100))
    assert asked
    assert 0.05 < asked[0] < 0.25
    assert (call.mirror.counts.corrections, call.mirror.counts.repairs) == (1, 0)


def asked_for(picture: np.ndarray, count: int, **settings: object) -> tuple[Call, list[str], list[str]]:
    """Ask for a repair before each of `count` looks at a picture that was there before; returns the call, how each was
    coded, and `vain` for each that was told to be so."""
    call, told = Call(**settings), []
    call.mirror.budget_bytes_per_s = 0.0
    call.looks(face(), 4)
    call.look(picture)
    coded: list[str] = []
    for _ in range(count):
        call.mirror.ask("repair", on_vain=lambda: told.append("vain"))
        coded += [bring.coded for bring in call.looks(picture, 1)]
    return call, coded, told


def test_a_repair_that_is_asked_for_is_a_residual_and_where_that_did_not_help_a_picture() -> None:
    half = spoilt(face(), size=8)
    camera = spoilt(half, at=40, size=16)
    asked: list[float] = []

    def corrector(seen: Seen, drawn: np.ndarray, where: np.ndarray) -> Correction:
        asked.append(float(where.mean()))
        return Correction(bytes(100), half)

    call, coded, told = asked_for(camera, 2, corrector=corrector)
    assert (coded, told) == (["residual", "picture"], [])
    assert asked == [pytest.approx(RESIDUAL_SHARE)]
    assert asked_for(camera, 1)[1] == ["picture"]  # nothing here codes residuals
    call.mirror.ask("repair")
    call.mirror.ask("picture")
    assert [bring.coded for bring in call.looks(camera, 2)] == ["picture"]


def test_a_residual_that_would_be_no_better_gives_way_to_a_picture() -> None:
    def corrector(seen: Seen, drawn: np.ndarray, where: np.ndarray) -> Correction:
        return Correction(bytes(100), drawn)

    assert asked_for(spoilt(face(), size=8), 1, corrector=corrector)[1:] == (["picture"], [])


def test_what_is_gone_in_a_moment_is_not_mended() -> None:
    call, _, told = asked_for(face(), 0)
    call.mirror.ask("repair", on_vain=lambda: told.append("vain"))
    assert call.look(spoilt(face(), size=8)) is None
    assert told == ["vain"]


def test_where_the_line_has_room_a_repair_that_is_asked_for_is_a_fine_picture() -> None:
    def corrector(seen: Seen, drawn: np.ndarray, where: np.ndarray) -> Correction:
        raise AssertionError("a code only mends what was drawn")

    call, _, _ = asked_for(spoilt(face(), size=16), 0, corrector=corrector)
    call.mirror.budget_bytes_per_s = BUDGET_BYTES_PER_S
    call.mirror.ask("repair")
    (bring,) = call.looks(spoilt(face(), size=16), 1)
    assert (bring.coded, bring.source.fine) == ("picture", True)


def test_where_nothing_would_be_better_nothing_is_brought_and_who_asked_is_told_once() -> None:
    call, coded, told = asked_for(face(), 2)
    assert (coded, told) == ([], ["vain", "vain"])
    assert call.looks(face(), 4) == []
    assert len(told) == call.mirror.counts.vain == 2


def test_a_repair_that_is_asked_for_at_first_waits_for_a_second_frame_to_compare() -> None:
    for camera, brought in ((face(seed=9), 1), (face(), 0)):
        call = Call()
        call.mirror.budget_bytes_per_s = 0.0
        call.mirror.ask("repair")
        assert call.look(camera) is None
        assert len(call.looks(camera, 20)) == brought
        assert call.mirror.counts.vain == 1 - brought


def test_a_repair_that_is_asked_for_after_an_absence_is_not_measured_by_what_was_seen_before_it() -> None:
    call, _, told = asked_for(face(), 0)
    call.at_s += 300.0
    call.mirror.ask("repair", on_vain=lambda: told.append("vain"))
    brought = call.looks(spoilt(face(), size=8), 2)
    assert [bring.repairs for bring in brought] == [True]
    assert told == []


def test_a_new_picture_that_is_asked_for_while_a_repair_is_looked_for_comes() -> None:
    def corrector(seen: Seen, drawn: np.ndarray, where: np.ndarray) -> None:
        call.mirror.ask("picture")

    call, told = Call(corrector=corrector), []
    call.mirror.budget_bytes_per_s = 0.0
    call.looks(face(), 4)
    call.mirror.ask("repair", on_vain=lambda: told.append("vain"))
    assert [bring.coded for bring in call.looks(face(), 3)] == ["picture"]
    assert told == ["vain"]


def test_an_idle_line_fills_the_gallery_with_what_is_held_nowhere_yet() -> None:
    call = Call()
    call.mirror.budget_bytes_per_s = 1000.0
    brought = []
    for yaw in (0, 25, 50, 75):
        brought += call.looks(face(), 12, yaw=float(yaw))
    assert 2 <= len(brought) <= MAX_SOURCES
    assert not any(bring.repairs for bring in brought)
    assert {each.scene for each in call.pictures.of_scene()} == {0}


def test_a_line_without_room_brings_nothing_to_the_gallery() -> None:
    call = Call()
    call.mirror.budget_bytes_per_s = 0.0
    for yaw in (0, 25, 50, 75):
        assert call.looks(face(), 12, yaw=float(yaw)) == []


def test_the_gallery_is_filled_no_faster_than_the_budget_allows() -> None:
    call = Call()
    call.mirror.budget_bytes_per_s = 200.0
    bytes_brought = sum(
        len(bring.source.data) for yaw in range(0, 80, 4) for bring in call.looks(face(), 3, yaw=float(yaw))
    )
    assert bytes_brought <= 200.0 * call.at_s


def test_a_face_that_does_nothing_new_gets_one_finely_coded_picture_and_no_more() -> None:
    call = Call()
    call.mirror.budget_bytes_per_s = 5000.0
    (bring,) = call.looks(face(), 40)
    assert bring.source.fine


class Watched:
    """A watch whose looks take as long as the test wants."""

    def __init__(self) -> None:
        self.dropped = 0
        self.call = Call()
        self.looked = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.go_on.set()
        self.errors: list[Exception] = []
        self.fails = False
        look = self.call.mirror.look

        def slowly(seen: Seen) -> Bring | None:
            self.go_on.wait(PATIENCE_S)
            if self.fails:
                raise RuntimeError("the graph is broken")
            try:
                return look(seen)
            finally:
                self.looked.release()

        self.call.mirror.look = slowly  # type: ignore[method-assign]
        self.watch = Watch(
            self.call.mirror,
            dropped=lambda: self.dropped,
            on_wish=lambda bring: None,
            on_error=self.errors.append,
        )
        self.watch.start()

    def offer(self, at_s: float) -> bool:
        """Offer a frame where it is due; wait until it has been looked at."""
        if not self.watch.due(at_s):
            return False
        self.watch.offer(Seen(face(), motion(), self.call.pictures.current, at_s, round(at_s * 60)))
        if self.go_on.is_set():
            assert self.looked.acquire(timeout=PATIENCE_S)
            until(lambda: not self.watch.looking)
        return True


def test_the_mirror_looks_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sender.watch.COSTLY_S", float("inf"))  # the tests' machine may be slow
    watched = Watched()
    due = [watched.offer(frame / 25) for frame in range(100)]
    watched.watch.stop()
    assert sum(due) == 8


def test_a_repair_that_has_come_is_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sender.watch.COSTLY_S", float("inf"))
    watched = Watched()
    call = watched.call
    call.mirror.budget_bytes_per_s = 0.0
    call.looks(face(), 4)
    (bring,) = call.looks(spoilt(face()), 2)
    assert bring.repairs
    assert call.mirror.curious
    at_s = call.at_s + PERIOD_S
    assert watched.offer(at_s)
    assert not call.mirror.curious
    assert not watched.offer(at_s + 0.04)
    call.mirror.brought(bring, arrived=False)
    assert not watched.offer(at_s + 0.08)
    call.mirror.brought(bring, arrived=True)
    assert watched.offer(at_s + 0.12)
    watched.watch.stop()


def test_a_busy_machine_is_looked_at_seldom_but_not_never() -> None:
    watched = Watched()
    looks = 0
    for frame in range(500):
        watched.dropped += 1
        looks += watched.offer(frame / 25)
    watched.watch.stop()
    assert 2 <= looks <= 8
    assert watched.call.mirror.counts.skipped > 0


def test_nothing_is_offered_while_the_mirror_looks() -> None:
    watched = Watched()
    watched.go_on.clear()
    assert watched.offer(0.0)
    assert not watched.watch.due(100.0)
    watched.go_on.set()
    watched.watch.stop()


def test_a_mirror_that_fails_ends_alone() -> None:
    watched = Watched()
    watched.fails = True
    assert watched.watch.due(0.0)
    watched.watch.offer(Seen(face(), motion(), watched.call.pictures.current, 0.0, 0))
    watched.watch.stop()
    assert [str(error) for error in watched.errors] == ["the graph is broken"]
    assert not watched.watch.due(10.0)
