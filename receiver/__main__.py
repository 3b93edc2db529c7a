"""`python -m receiver`: wait for a sender, redraw its face, write what is seen. As `visavis receive`, but plain."""

import argparse
import asyncio
import dataclasses
import json
import signal
import sys

from codec.errors import BitstreamError
from codec.format import MotionFormat
from codec.residual import ResidualFormat
from receiver.errors import ReceiverError
from receiver.output import Output, left_by_earlier_calls, open_output, unnamed_output
from receiver.receiver import Receiver
from receiver.session import make_hello, receive
from receiver.stats import ReceiverStats
from runtime.engine import ENGINES, EngineError, load
from runtime.profile import ProfileError, load_profile
from runtime.repairer import load_repairer
from runtime.talker import Talker
from transport.errors import TransportError
from transport.peer import WireStats

INTERRUPTED = 130  # as shells have it
ENGINE_NAMES = ", ".join(sorted(ENGINES))
SENTENCES = (ReceiverError, TransportError, EngineError, ProfileError, BitstreamError)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m receiver",
        description="Wait for a sender, redraw its face, and write what is seen.",
        epilog="Example: python -m receiver --listen 0.0.0.0:8765 --output received.mp4",
    )
    parser.add_argument("--listen", default="0.0.0.0:8765", help="HOST:PORT to wait at")
    parser.add_argument("--code", help="what the sender must name; made up if not given")
    parser.add_argument(
        "--output",
        help="a video file, a folder ending in /, or none; received.mp4, or the next number, if not given",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace what the output names already")
    parser.add_argument("--wait", type=float, help="give up after so many seconds")
    parser.add_argument("--profile", default="laptop-256", help="sizes and weights, by name or folder")
    parser.add_argument("--engine", default="openvino", help=f"what runs the networks: {ENGINE_NAMES}")
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    if not host or not port.isdecimal():
        parser.error(f"--listen takes HOST:PORT, not {options.listen}")
    options.host, options.port = host.strip("[]"), int(port)
    return options


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _say_where(address: str, code: str) -> None:
    _say(f"Listening at {address}, code {code}")


async def _receive(receiver: Receiver, options: argparse.Namespace, wires: list[WireStats]) -> None:
    await receive(
        receiver,
        host=options.host,
        port=options.port,
        code=options.code,
        wait_s=options.wait,
        on_listening=_say_where,
        on_end=wires.append,
    )


def _print(stats: ReceiverStats, wires: list[WireStats], *, as_json: bool) -> None:
    figures = dataclasses.asdict(stats)
    for wire in wires:
        figures |= {"wire_bytes_forward": wire.received_bytes, "wire_bytes_back": wire.sent_bytes}
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:20} {value:.1f}" if isinstance(value, float) else f"{name:20} {value}")


def _hold(output: Output, options: argparse.Namespace) -> None:
    profile = load_profile(options.profile)
    motion_format = MotionFormat.load(profile.format_path)
    talker = Talker(load(profile, engine=options.engine), picture_size=profile.picture_size)
    hello = make_hello(profile, motion_format)
    residual = None
    if profile.residual:
        residual = load_repairer(profile), ResidualFormat.load(profile.residual_path)
    receiver = Receiver(talker, motion_format, hello=hello, output=output, residual=residual)
    wires: list[WireStats] = []
    try:
        asyncio.run(_receive(receiver, options, wires))
    finally:
        if receiver.stats().ended is not None:
            _print(receiver.stats(), wires, as_json=options.json)


def main() -> int:
    """Run the program; returns its exit code: 0, 130 after Ctrl-C, or 1 after a sentence on what went wrong."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends a call as Ctrl-C does
    try:
        named = unnamed_output() if options.output is None else options.output
        if (left := left_by_earlier_calls(named)) is not None:
            _say(left)
        output = open_output(named, overwrite=options.overwrite)
        try:
            _hold(output, options)
        finally:
            output.discard()  # where no call came about
    except SENTENCES as error:
        _say(f"visavis: {error}")
        return 1
    except OSError as error:
        _say(f"visavis: {error.filename or 'The system'}: {error.strerror or error}.")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED  # a call that was under way has ended cleanly all the same
    return 0


if __name__ == "__main__":
    sys.exit(main())
