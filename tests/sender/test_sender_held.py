"""What the receiver's slots hold, and which of them is drawn from."""

import pytest

from codec.packet import MAX_SOURCES
from codec.time import TICK_CYCLE, TICKS_PER_SECOND
from sender.held import QUIET_TICKS, STAY_TICKS, HeldPictures
from sender.posture import Posture, apart, posture_in, posture_of
from tests.sender.held_fakes import held, motion, source


def posture(yaw: float) -> Posture:
    its = motion(yaw=yaw)
    return posture_of(its.rotation, its.translation, its.expression, source().prepared)


@pytest.fixture
def full() -> HeldPictures:
    """Four pictures of one scene: heads at 0, 20, 40 and 60 degrees."""
    pictures = HeldPictures(held(0))
    for slot in range(1, MAX_SOURCES):
        assert pictures.make_room() == slot
        pictures.take(held(slot, yaw=20.0 * slot))
    return pictures


def test_the_nearest_picture_is_drawn_from(full: HeldPictures) -> None:
    for index, (yaw, slot) in enumerate([(2, 0), (21, 1), (58, 3), (-30, 0)]):
        full.choose(posture(yaw), ticks=index * STAY_TICKS)
        assert full.current.slot == slot


def test_a_head_between_two_pictures_does_not_go_back_and_forth(full: HeldPictures) -> None:
    slots = []
    for tick in range(0, 600, 2):
        full.choose(posture(10 + 1.5 * (-1) ** (tick // 2)), ticks=tick)
        slots.append(full.current.slot)
    assert len(set(slots)) == 1


def test_a_change_waits_for_a_moment_where_little_is_gained(full: HeldPictures) -> None:
    full.choose(posture(20), ticks=100)
    assert full.current.slot == 1
    full.choose(posture(37), ticks=102)
    assert full.current.slot == 1
    full.choose(posture(37), ticks=100 + STAY_TICKS)
    assert full.current.slot == 2
    full.choose(posture(0), ticks=102 + STAY_TICKS)  # a lot: at once
    assert full.current.slot == 0


def test_postures_are_as_far_apart_as_the_pictures_would_look_different() -> None:
    assert apart(posture(0), posture(0)) == 0
    assert apart(posture(0), posture(10)) == pytest.approx(0.016, abs=1e-4)
    assert apart(posture_in(source(yaw=5).prepared), posture(5)) == pytest.approx(0, abs=1e-6)


def test_pictures_of_another_scene_are_not_drawn_from_until_it_is_back() -> None:
    pictures = HeldPictures(held(0))
    assert pictures.make_room() == 1
    pictures.take(held(1, yaw=20, scene=1))
    pictures.choose(posture(20), ticks=0)
    assert pictures.current.slot == 0
    pictures.switch(1)
    assert (pictures.current.slot, pictures.scene) == (1, 1)
    pictures.choose(posture(0), ticks=STAY_TICKS)
    assert pictures.current.slot == 1


def test_a_slot_is_given_away_only_when_no_motion_under_way_can_name_it(full: HeldPictures) -> None:
    full.name(1, 1000)
    full.switch(0)
    for slot in (2, 3):
        full.name(slot, 1000)
    full.name(0, 1001)
    assert full.make_room() is None  # nobody has said what came
    full.acknowledge((1000 + QUIET_TICKS - 1) % TICK_CYCLE)
    assert full.make_room() is None
    full.name(0, 1000 + QUIET_TICKS + 5)
    full.acknowledge((1000 + QUIET_TICKS) % TICK_CYCLE)
    assert full.make_room() in (1, 2, 3)


def test_room_is_made_beside_a_face_that_draws_from_every_picture_again_and_again(full: HeldPictures) -> None:
    asked: list[bool] = []

    def speak(seconds: int, *, asking: bool) -> set[int]:
        """Turn from picture to picture four times a second; returns which were drawn from."""
        drawn = set()
        for ticks in range(now[0], now[0] + seconds * TICKS_PER_SECOND, 8):
            full.choose(posture(20.0 * (ticks // (TICKS_PER_SECOND // 4) % MAX_SOURCES)), ticks)
            full.name(full.current.slot, ticks)
            full.acknowledge((ticks - 8) % TICK_CYCLE)
            drawn.add(full.current.slot)
            if asking and full.seek_room():
                asked.append(True)
                break
        now[0] = ticks + 8
        return drawn

    now = [0]
    assert speak(4, asking=False) == {0, 1, 2, 3}
    speak(4, asking=True)
    assert asked
    # What nobody asks for any more is drawn from again.
    assert speak(10, asking=False) == {0, 1, 2, 3}
    full.seek_room()
    speak(3, asking=True)
    slot = full.make_room()
    assert slot is not None
    full.take(held(slot, yaw=20.0 * slot))
    assert slot in speak(2, asking=False)


def test_an_acknowledgement_from_before_the_clock_began_anew_is_no_newer_one() -> None:
    pictures = HeldPictures(held(0))
    for slot in range(1, MAX_SOURCES):
        pictures.make_room()
        pictures.take(held(slot, yaw=20.0 * slot))
        pictures.name(slot, TICK_CYCLE - 10)
    pictures.name(0, TICK_CYCLE + 30)
    pictures.acknowledge(TICK_CYCLE - 20)
    assert pictures.make_room() is None


def test_pictures_that_are_parted_are_drawn_from_and_chosen_from_alone(full: HeldPictures) -> None:
    full.part([1, 3], posture(5), scene=4)
    assert (full.scene, full.current.slot) == (4, 1)
    full.choose(posture(0), ticks=0)
    assert full.current.slot == 1
    full.choose(posture(60), ticks=STAY_TICKS)
    assert full.current.slot == 3
    assert {each.slot for each in full.others()} == {0, 2}


def test_what_is_held_no_longer_parts_nothing() -> None:
    pictures = HeldPictures(held(0))
    pictures.part([2], posture(0), scene=4)
    assert (pictures.scene, pictures.current.slot) == (0, 0)


def test_what_is_given_away_is_not_drawn_from_and_not_given_twice() -> None:
    pictures = HeldPictures(held(0))
    given = [pictures.make_room() for _ in range(MAX_SOURCES)]
    assert given == [1, 2, 3, None]
    assert [each.slot for each in pictures.of_scene()] == [0]
    pictures.lose(2)
    assert pictures.make_room() == 2
    assert not pictures.give(2)  # to who found it spare a moment before another thread took it


def test_the_picture_that_is_drawn_from_is_never_given_away(full: HeldPictures) -> None:
    full.choose(posture(40), ticks=0)
    given = {full.make_room() for _ in range(MAX_SOURCES)}
    assert given == {0, 1, 3, None}


def test_pictures_of_other_scenes_go_first_then_what_was_not_drawn_from_for_long() -> None:
    pictures = HeldPictures(held(0))
    for slot, yaw, scene in ((1, 40.0, 0), (2, 45.0, 0), (3, 90.0, 7)):
        pictures.make_room()
        pictures.take(held(slot, yaw=yaw, scene=scene))
    for slot, ticks in ((2, 10), (1, 20), (0, 200)):
        pictures.name(slot, ticks)
    pictures.acknowledge(200)
    empty, able = pictures.spare()
    assert empty == []
    assert [each.slot for each in able] == [3, 2, 1]


def test_a_slot_whose_new_picture_was_lost_still_waits_for_the_old_ones_motions() -> None:
    pictures = HeldPictures(held(0))
    assert [pictures.make_room() for _ in range(3)] == [1, 2, 3]
    pictures.take(held(1, yaw=20))
    pictures.name(1, 500)
    pictures.name(0, 500 + 3 * TICKS_PER_SECOND)
    pictures.acknowledge(500 + QUIET_TICKS)
    assert pictures.make_room() == 1
    pictures.lose(1)
    assert pictures.make_room() == 1
