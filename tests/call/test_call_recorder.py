import asyncio
import os
from pathlib import Path

import av
import numpy as np
import pytest

from call.recorder import MARK, CallRecorder
from receiver.errors import OutputError
from receiver.marks import mark
from receiver.playout import Shown
from tests.receiver.receiver_fakes import motion

GREY = np.full((128, 128, 3), 100, np.uint8)


def shown(ticks: int) -> Shown:
    return Shown("fresh", ticks, 0, motion(0.0))


async def test_a_recording_holds_marked_pictures_and_sound_at_their_times_and_nothing_of_before(
    tmp_path: Path,
) -> None:
    errors: list[Exception] = []
    saved: list[str | None] = []
    recorder = CallRecorder(folder=tmp_path / "new", on_error=errors.append)
    recorder.show(shown(0), GREY, 0.0)
    name = Path(recorder.start())
    assert name.parent == tmp_path / "new"
    for index in range(12):
        recorder.show(shown(600 + 5 * index), GREY, 10 + index / 12)
        recorder.hear(np.full(960, 1000, np.int16), 600 + 1.2 * index, 10 + index / 50)
        recorder.hear(np.full(960, 1000, np.int16), None, 10 + index / 50)
    recorder.stop(saved.append)
    recorder.show(shown(900), GREY, 20.0)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert errors == []
    assert saved == [str(name)]
    with av.open(str(name)) as film:
        pictures = list(film.decode(video=0))
    assert [picture.time for picture in pictures] == pytest.approx(
        [index / 12 for index in range(12)], abs=0.01
    )
    with av.open(str(name)) as film:
        assert sum(frame.samples for frame in film.decode(audio=0)) >= 12 * 960
    edge = pictures[0].to_ndarray(format="rgb24").astype(int)
    assert np.ptp(edge[-12:]) > 100
    assert np.ptp(edge[:64]) < 10


async def test_a_recording_that_cannot_be_written_is_refused_with_a_sentence(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.touch()
    recorder = CallRecorder(folder=taken, on_error=lambda error: None)
    with pytest.raises(OutputError, match="cannot be written"):
        recorder.start()
    recorder.stop(lambda path: None)


async def test_a_recording_that_fails_in_the_middle_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OutputError("The disk is full.")

    monkeypatch.setattr("call.recorder.VideoFile.write", fail)
    errors: list[Exception] = []
    saved: list[str | None] = []
    recorder = CallRecorder(folder=tmp_path, on_error=errors.append)
    recorder.start()
    recorder.show(shown(0), GREY, 0.0)
    recorder.show(shown(5), GREY, 0.1)
    recorder.stop(saved.append)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert [str(error) for error in errors] == ["The disk is full."]
    assert saved == []


async def test_a_recording_without_a_picture_is_no_file_and_is_not_called_saved(tmp_path: Path) -> None:
    saved: list[str | None] = []
    recorder = CallRecorder(folder=tmp_path, on_error=lambda error: None)
    recorder.start()
    for index in range(5):
        recorder.hear(np.full(960, 1000, np.int16), 6 * index, 5 + index / 10)
    recorder.stop(saved.append)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert os.listdir(tmp_path) == []
    assert saved == [None]


def test_the_mark_leaves_the_picture_that_is_shown_as_it_is() -> None:
    before = GREY.copy()
    assert (mark(GREY, MARK) != GREY).any()
    np.testing.assert_array_equal(GREY, before)


async def test_ordinary_video_is_recorded_in_the_same_file_at_its_size_and_without_saying_redrawn(
    tmp_path: Path,
) -> None:
    errors: list[Exception] = []
    recorder = CallRecorder(folder=tmp_path, on_error=errors.append)
    name = recorder.start()
    wide = np.full((60, 120, 3), 200, np.uint8)
    for index in range(10):
        recorder.film(wide, 5 + index / 10)
        recorder.hear(np.full(960, 1000, np.int16), 6 * index, 5 + index / 10)
    for index in range(10):
        recorder.show(shown(60 + 6 * index), GREY, 6 + index / 10)
    recorder.film(wide, 7.0)
    recorder.stop(lambda path: None)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert errors == []
    with av.open(name) as film:
        pictures = list(film.decode(video=0))
    assert {(picture.width, picture.height) for picture in pictures} == {(120, 60)}
    assert [picture.time for picture in pictures] == pytest.approx([i / 10 for i in range(21)], abs=0.01)
    drawn = pictures[15].to_ndarray(format="rgb24")
    assert drawn[20, 60].mean() == pytest.approx(100, abs=8)
    assert drawn[20, 5].mean() < 20, "a picture of another shape stands whole in the middle"
    with av.open(name) as film:
        assert sum(frame.samples for frame in film.decode(audio=0)) >= 8 * 960


async def test_ordinary_video_with_odd_sides_is_recorded_too(tmp_path: Path) -> None:
    errors: list[Exception] = []
    saved: list[str | None] = []
    recorder = CallRecorder(folder=tmp_path, on_error=errors.append)
    name = recorder.start()
    for index in range(5):
        recorder.film(np.full((61, 121, 3), 200, np.uint8), index / 10)
    recorder.stop(saved.append)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert errors == []
    assert saved == [name]
    with av.open(name) as film:
        assert {(picture.width, picture.height) for picture in film.decode(video=0)} == {(120, 60)}


async def test_recordings_that_begin_within_one_second_do_not_take_each_others_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("call.recorder.time.strftime", lambda form: "Visavis now.mp4")
    errors: list[Exception] = []
    saved: list[str | None] = []
    recorder = CallRecorder(folder=tmp_path, on_error=errors.append)
    names = []
    for index in range(3):
        names.append(recorder.start())
        recorder.show(shown(600 + index), GREY, 10.0 + index)
        recorder.stop(saved.append)
    await asyncio.get_running_loop().shutdown_default_executor()
    assert errors == []
    assert sorted(saved) == sorted(names) == sorted(f"{tmp_path}/{name}" for name in os.listdir(tmp_path))
