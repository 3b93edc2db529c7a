"""Both directions of a call over one line: what the one knows of the other."""

from types import SimpleNamespace
from typing import Any

from call.duplex import Duplex


def test_the_mirror_is_told_what_the_receiver_leaves_out() -> None:
    told: list[Any] = []
    receiver: Any = SimpleNamespace(pictures_skipped=0)
    sender: Any = SimpleNamespace(yield_to=told.append)
    Duplex(sender, receiver, on_input_lost=told.append)
    (dropped,) = told
    assert dropped() == 0
    receiver.pictures_skipped = 7
    assert dropped() == 7
