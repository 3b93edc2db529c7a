"""Both directions of a call over one line: what the one knows of the other."""

from types import SimpleNamespace
from typing import Any

import pytest

from call.duplex import Duplex
from codec.hello import PROTOCOL_VERSION, Capability, Hello


def hello(able: Capability) -> Hello:
    return Hello(PROTOCOL_VERSION, "laptop-256", bytes(32), bytes(32), 256, 25, able, bytes(16))


class End:
    """A sender or a receiver that has nothing to do."""

    pictures_skipped = 0

    def __init__(self, able: Capability) -> None:
        self.hello = hello(able)

    def yield_to(self, dropped: Any) -> None:
        pass

    def on_control(self, data: bytes) -> None:
        pass

    def stop(self) -> None:
        pass

    async def run(self, line: Any) -> None:
        pass


def test_the_mirror_is_told_what_the_receiver_leaves_out() -> None:
    told: list[Any] = []
    receiver: Any = SimpleNamespace(pictures_skipped=0)
    sender: Any = SimpleNamespace(yield_to=told.append)
    Duplex(sender, receiver, on_input_lost=told.append)
    (dropped,) = told
    assert dropped() == 0
    receiver.pictures_skipped = 7
    assert dropped() == 7


@pytest.mark.parametrize("may_ride", [True, False])
async def test_motion_may_ride_with_sound_where_the_other_side_looks_for_it_there(may_ride: bool) -> None:
    sender: Any = End(Capability.SENDS_IN_ORDER)
    receiver: Any = End(Capability.DRAWS_IN_ORDER)
    duplex = Duplex(sender, receiver, on_input_lost=lambda why: None)
    ours = Capability(duplex.hello.capabilities)
    assert ours == Capability.SENDS_IN_ORDER | Capability.DRAWS_IN_ORDER
    await duplex.run(hello(ours | Capability.TAKES_RIDERS if may_ride else ours))
    assert duplex.may_ride is may_ride
