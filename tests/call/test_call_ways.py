"""A wrong file is told before anything is loaded, and what nobody used is not left behind."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from call import call, demo, loopback, options, receive, send
from call.errors import CallError
from call.parts import numbered
from receiver.errors import OutputError
from sender.errors import InputError
from transport.errors import TransportError

NO_ICE = options.Ice()


def load_nothing(engine: options.Engine) -> None:
    """Stand in for what loads the networks."""
    raise AssertionError("the networks were loaded")


@pytest.fixture(autouse=True)
def _without_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in (call, demo, loopback, receive, send):
        monkeypatch.setattr(command, "load_ends", load_nothing)


def run_loopback(video: str, source: str, output: str = "none") -> None:
    wanted = options.Loopback(options.Input(video, source=source), options.Engine(), output=output)
    loopback.run(wanted, as_json=True)


def run_send(video: str, source: str) -> None:
    sent = options.Input(video, source=source)
    send.run(options.Send(sent, options.Engine(), NO_ICE, "127.0.0.1:9", "x"), as_json=True)


@pytest.fixture
def clip(tmp_path: Path) -> str:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        container.mux(stream.encode(None))
    return str(path)


@pytest.mark.parametrize("run", [run_loopback, run_send])
def test_an_input_that_cannot_be_sent_is_told_before_the_networks_are_loaded(
    run: Callable[[str, str], None], clip: str, tmp_path: Path
) -> None:
    letter = tmp_path / "letter.mp4"
    letter.write_text("Dear Ada, this is no video.")
    for video, source, named in (
        ("no-such.mp4", "chosen", "no-such.mp4"),
        (str(letter), "chosen", "letter.mp4"),
        (clip, "no-such.png", "no-such.png"),
        (clip, str(letter), "letter.mp4"),
    ):
        with pytest.raises(InputError, match=named):
            run(video, source)


def test_an_output_that_cannot_be_written_is_told_before_the_networks_are_loaded(
    clip: str, tmp_path: Path
) -> None:
    absent = str(tmp_path / "absent" / "call.mp4")
    with pytest.raises(OutputError, match=r"absent.*cannot be written"):
        run_loopback(clip, "chosen", absent)
    with pytest.raises(OutputError, match=r"absent.*cannot be written"):
        receive.run(
            options.Receive(options.Engine(), NO_ICE, "127.0.0.1:0", None, absent, None), as_json=True
        )


@pytest.mark.parametrize(
    ("way", "stun", "said"),
    [
        (options.Invited("http://192.168.1.5", "F7K2QX"), None, "is no address"),
        (options.Listening("127.0.0.1:99999"), None, "must be a number up to 65535"),
        (options.Room("wss://meet.example.org", "my den"), None, "A room's name"),
        (options.Listening("127.0.0.1:0"), "stun:stun.example:99999", "must be from 1 to 65535"),
    ],
)
def test_a_way_to_meet_that_is_none_is_told_before_the_networks_are_loaded(
    clip: str, way: Any, stun: str | None, said: str
) -> None:
    wanted = options.Call(options.Input(clip), options.Engine(), options.Ice(stun), way)
    with pytest.raises((CallError, TransportError), match=said):
        call.run(wanted, as_json=True)


def test_an_output_that_is_there_is_told_before_the_networks_are_loaded_and_left_as_it_is(
    clip: str, tmp_path: Path
) -> None:
    older = tmp_path / "call.mp4"
    older.write_bytes(b"older")
    (tmp_path / "demo.html").write_bytes(b"older")
    with pytest.raises(OutputError, match="--overwrite"):
        run_loopback(clip, "chosen", str(older))
    with pytest.raises(OutputError, match="--overwrite"):
        receive.run(
            options.Receive(options.Engine(), NO_ICE, "127.0.0.1:0", None, str(older), None), as_json=True
        )
    way = options.Invited("127.0.0.1:9", "x")
    wanted = options.Call(options.Input(clip), options.Engine(), NO_ICE, way, output=str(older))
    with pytest.raises(OutputError, match="--overwrite"):
        call.run(wanted, as_json=True)
    with pytest.raises(OutputError, match=r"demo\.html exists already.*--overwrite"):
        demo.run(options.Demo(options.Engine(), clip, tmp_path, 1.0), as_json=True)
    assert older.read_bytes() == b"older"
    with pytest.raises(AssertionError, match="the networks were loaded"):
        demo.run(options.Demo(options.Engine(), clip, tmp_path, 1.0, overwrite=True), as_json=True)


def test_later_calls_on_a_page_are_written_to_names_of_their_own(tmp_path: Path) -> None:
    seen = str(tmp_path / "seen.mp4")
    assert numbered(seen, 1, overwrite=False) == seen
    assert numbered(seen, 2, overwrite=False) == str(tmp_path / "seen-2.mp4")
    (tmp_path / "seen-2.mp4").touch()
    assert numbered(seen, 2, overwrite=False) == str(tmp_path / "seen-3.mp4")
    assert numbered(seen, 2, overwrite=True) == str(tmp_path / "seen-2.mp4")
    assert numbered("pictures/", 2, overwrite=False) == "pictures-2/"
    assert numbered("camera:/dev/video7", 2, overwrite=False) == "camera:/dev/video7"


def test_networks_that_cannot_be_loaded_leave_no_output(clip: str, tmp_path: Path) -> None:
    before = os.listdir(tmp_path)
    with pytest.raises(AssertionError, match="the networks were loaded"):
        run_loopback(clip, "chosen", str(tmp_path / "call.mp4"))
    assert os.listdir(tmp_path) == before


def test_a_recording_that_was_cut_off_is_told_of_at_the_next_start(
    clip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = tmp_path / "call.part.mp4"
    part.write_bytes(b"what came until then")
    with pytest.raises(AssertionError, match="the networks were loaded"):
        run_loopback(clip, "chosen", str(tmp_path / "call.mp4"))
    assert str(part) in capsys.readouterr().err
    assert part.read_bytes() == b"what came until then"
