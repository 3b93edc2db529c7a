"""The virtual camera, with a stand-in for pyvirtualcam: no machine that tests has such a device."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from receiver.errors import OutputError
from receiver.output import open_output
from receiver.writer import Writer


class Device:
    """A camera as pyvirtualcam gives it; notes what is sent."""

    def __init__(self, **wanted: Any) -> None:
        self.wanted = wanted
        self.sent: list[Any] = []
        self.closed = False

    def send(self, frame: Any) -> None:
        if self.wanted["device"] == "breaks":
            raise RuntimeError("write failed\nat line 12")
        self.sent.append(frame)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[Device]:
    """Stand in for pyvirtualcam; the devices that were opened."""
    opened: list[Device] = []

    def camera(**wanted: Any) -> Device:
        if wanted["device"] == "absent":
            raise RuntimeError("No camera registered. Did you install any virtual camera?")
        opened.append(Device(**wanted))
        return opened[-1]

    module = ModuleType("pyvirtualcam")
    module.Camera = camera  # type: ignore[attr-defined]
    module.PixelFormat = SimpleNamespace(RGB="rgb")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pyvirtualcam", module)
    return opened


def test_the_face_stands_whole_and_marked_in_a_picture_that_every_program_takes(
    devices: list[Device],
) -> None:
    output = open_output("camera")
    face = np.full((256, 256, 3), (200, 100, 50), np.uint8)
    errors: list[Exception] = []
    writer = Writer(output, on_error=errors.append)
    writer.put(face, 0.0)
    writer.put_sound(np.zeros(960, np.int16), 0.0)
    writer.put(face, 0.04)
    writer.finish()
    (device,) = devices
    assert errors == []
    assert device.wanted == {"width": 1280, "height": 720, "fps": 30, "fmt": "rgb", "device": None}
    assert len(device.sent) == 2
    frame = device.sent[0]
    assert frame.shape == (720, 1280, 3)
    assert frame.dtype == np.uint8
    assert frame[360, 640].tolist() == [200, 100, 50]
    assert frame[360, 279].tolist() == [0, 0, 0]
    assert frame[690:, :280].max() == 255, "it says what it is"
    assert device.closed


def test_a_device_can_be_named(devices: list[Device]) -> None:
    open_output("camera:/dev/video7").discard()
    assert devices[0].wanted["device"] == "/dev/video7"
    assert devices[0].closed


def test_without_pyvirtualcam_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(OutputError, match=r"EXTRAS=camera|'visavis\[camera\]'"):
        open_output("camera")


def test_without_a_device_a_sentence_says_what_to_install(devices: list[Device]) -> None:
    with pytest.raises(OutputError, match=r"No camera registered\. Did you .*v4l2loopback"):
        open_output("camera:absent")


def test_a_device_that_goes_away_is_told_of_in_one_line(devices: list[Device]) -> None:
    output = open_output("camera:breaks")
    with pytest.raises(OutputError, match=r"no more pictures \(write failed\)"):
        output.write(np.zeros((8, 8, 3), np.uint8), 0.0)
