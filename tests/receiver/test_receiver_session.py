"""A receiving call over real sockets: a caller who knows the code, none, and one who does not."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from receiver_fakes import SIZE, FakeTalker, hello, motion, motion_format

from codec.control import decode_control, encode_control
from codec.encoder import MotionEncoder
from codec.hello import Goodbye
from codec.picture import cut_picture, encode_picture
from codec.transfer import PictureReady
from receiver.errors import ReceiverError
from receiver.output import Nothing
from receiver.receiver import Receiver
from receiver.session import receive
from tests.patience import PATIENCE_S
from transport.errors import TransportError
from transport.peer import Peer, WireStats
from transport.signalling import offer


@pytest.fixture(autouse=True)
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long something takes, it is neither given up nor taken for a sender that starts anew."""
    for limit in (
        "receiver.drawing.FINISH_S",
        "receiver.playout.RESTART_S",
        "receiver.receiver.HELLO_LIMIT_S",
        "receiver.session.CONNECT_LIMIT_S",
        "transport.listening.BODY_TIMEOUT_S",
        "transport.peer.CLOSE_LIMIT_S",
        "transport.peer.LINE_LOST_S",
    ):
        monkeypatch.setattr(limit, PATIENCE_S)
    monkeypatch.setitem(offer.__kwdefaults__, "timeout_s", PATIENCE_S)


def make_receiver() -> Receiver:
    return Receiver(FakeTalker(), motion_format(), hello=hello(), output=Nothing())  # type: ignore[arg-type]


async def send(address: str, code: str, *, frames: int) -> None:
    """Be a sender: greet, bring a picture, send motions in real time, say goodbye."""
    ready = asyncio.Event()

    def on_control(data: bytes) -> None:
        if isinstance(decode_control(data), PictureReady):
            ready.set()

    peer = Peer(on_motion=lambda data: None, on_control=on_control, on_closed=lambda reason: ready.set())
    try:
        await offer(address, code, peer)
        await peer.connected(PATIENCE_S)
        peer.send_control(encode_control(hello()))
        picture = np.full((SIZE, SIZE, 3), 90, np.uint8)
        for piece in cut_picture(encode_picture(picture), transfer=0, slot=0):
            peer.send_control(encode_control(piece))
        await asyncio.wait_for(ready.wait(), PATIENCE_S)
        encoder = MotionEncoder(motion_format())
        for index in range(frames):
            peer.send_motion(encoder.encode(motion(float(index)), captured_s=time.monotonic(), source=0))
            await asyncio.sleep(0.04)
        peer.send_control(encode_control(Goodbye("the input has ended")))
        await peer.drain(PATIENCE_S)
    finally:
        await peer.close()


async def test_a_caller_with_the_code_is_received_to_the_end() -> None:
    receiver = make_receiver()
    callers: list[asyncio.Task[None]] = []
    wires: list[WireStats] = []
    await receive(
        receiver,
        host="127.0.0.1",
        port=0,
        wait_s=PATIENCE_S,
        on_listening=lambda address, code: callers.append(
            asyncio.create_task(send(address, code, frames=20))
        ),
        on_end=wires.append,
    )
    await callers[0]
    stats = receiver.stats()
    assert stats.frames_fresh + stats.frames_skipped + stats.frames_late == 20
    assert stats.ended == "The other side has ended the call: the input has ended."
    assert [wire.received_bytes > 0 for wire in wires] == [True]


async def test_nobody_who_calls_is_told_in_a_sentence() -> None:
    wires: list[WireStats] = []
    with pytest.raises(ReceiverError, match=r"Nobody called within 0\.05 seconds\."):
        await receive(
            make_receiver(),
            host="127.0.0.1",
            port=0,
            wait_s=0.05,
            on_listening=lambda *where: None,
            on_end=wires.append,
        )


async def test_a_port_in_use_is_told_in_a_sentence() -> None:
    wires: list[WireStats] = []

    async def second(address: str, code: str) -> None:
        port = int(address.rpartition(":")[2])
        with pytest.raises(TransportError, match="in use"):
            await receive(
                make_receiver(),
                host="127.0.0.1",
                port=port,
                on_listening=lambda *where: None,
                on_end=wires.append,
            )
        first.cancel()

    seconds: list[asyncio.Task[None]] = []
    first = asyncio.create_task(
        receive(
            make_receiver(),
            host="127.0.0.1",
            port=0,
            on_listening=lambda *where: seconds.append(asyncio.create_task(second(*where))),
            on_end=wires.append,
        )
    )
    with pytest.raises(asyncio.CancelledError):
        await first
    await seconds[0]
    assert len(wires) == 2  # what a call has cost is told however it ends


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--output", "absent/call.mp4"], "absent/call.mp4 cannot be written"),
        (["--profile", "absent"], "absent"),
        (["--output", "pictures/", "--profile", "absent"], "absent"),
    ],
)
def test_the_program_says_what_is_wrong_in_one_line(
    options: list[str], sentence: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "receiver", "--listen", "127.0.0.1:0", *options]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert result.returncode == 1
    assert sentence in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == []
