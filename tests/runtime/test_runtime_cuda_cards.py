"""What the driver says of its cards, from a stand-in for it."""

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

from runtime import cuda_cards


def driver(**changed: Any) -> SimpleNamespace:
    """A driver for CUDA 13.0 with two cards."""
    names = [b"NVIDIA RTX A", b"NVIDIA RTX B"]

    def put(value: int) -> Any:
        def into(place: Any) -> int:
            place._obj.value = value
            return 0

        return into

    def get(place: Any, index: int) -> int:
        return put(index)(place)

    def name(text: Any, size: int, device: ctypes.c_int) -> int:
        text.value = names[device.value][: size - 1]
        return 0

    said = {
        "cuInit": lambda flags: 0,
        "cuDriverGetVersion": put(13000),
        "cuDeviceGetCount": put(len(names)),
        "cuDeviceGet": get,
        "cuDeviceGetName": name,
    }
    return SimpleNamespace(**{**said, **changed})


def test_cards_are_named_with_their_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_cards.ctypes, "CDLL", lambda name: driver())
    assert cuda_cards.list_cards() == ["NVIDIA RTX A, CUDA 13000", "NVIDIA RTX B, CUDA 13000"]


@pytest.mark.parametrize("refusing", ["cuInit", "cuDriverGetVersion", "cuDeviceGetCount"])
def test_a_driver_that_refuses_has_no_cards(monkeypatch: pytest.MonkeyPatch, refusing: str) -> None:
    monkeypatch.setattr(cuda_cards.ctypes, "CDLL", lambda name: driver(**{refusing: lambda *_: 100}))
    assert cuda_cards.list_cards() == []


def test_without_a_driver_there_are_no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(cuda_cards.ctypes, "CDLL", absent)
    assert cuda_cards.list_cards() == []
