"""`python -m sender`: send a face to a receiver that listens, from the command line. The same as `visavis
send`, which has more options and settings; this one needs no other part of the house than the sender's
own."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from codec.errors import BitstreamError
from codec.format import MotionFormat
from codec.hello import make_hello
from runtime.engine import ENGINES, EngineError, load
from runtime.profile import Profile, ProfileError, load_profile
from runtime.talker import Talker
from sender.capture import Input, open_input
from sender.errors import SenderError
from sender.sender import Sender
from sender.settings import SenderSettings
from transport.errors import TransportError
from transport.peer import Peer
from transport.signalling import offer

CONNECT_LIMIT_S = 15.0
ENGINE_NAMES = ", ".join(sorted(ENGINES))


async def send(
    source_input: Input,
    talker: Talker,
    profile: Profile,
    *,
    settings: SenderSettings,
    address: str,
    code: str,
) -> Sender:
    """Send an input to the receiver at `address` (host:port); return the sender with its counters."""
    motion_format = MotionFormat.load(profile.format_path)
    hello = make_hello(profile, motion_format, frame_rate=source_input.frame_rate)
    sender = Sender(
        talker,
        source_input,
        motion_format=motion_format,
        hello=hello,
        settings=settings,
        on_notice=lambda notice: print(notice, file=sys.stderr),
    )
    peer = Peer(on_motion=lambda data: None, on_control=sender.on_control, on_closed=sender.on_closed)
    try:
        await sender.prepare()  # an input without a face must not ring at anybody's door
        await offer(address, code, peer)
        await peer.connected(CONNECT_LIMIT_S)
        await sender.run(peer)
    finally:
        await peer.close()
    return sender


def main(
    video: Annotated[str, typer.Argument(help="A video, a folder of pictures, an RTSP address, or camera.")],
    connect: Annotated[str, typer.Option(help="HOST:PORT, as the receiver printed it.")],
    code: Annotated[str, typer.Option(help="The code that the receiver printed.")],
    crop: Annotated[str, typer.Option(help="follow the face, or full: the whole square frame.")] = "follow",
    source: Annotated[str, typer.Option(help="Picture to animate: first, chosen, or a file.")] = "chosen",
    repeat: Annotated[float | None, typer.Option(help="Play the input for so many seconds.", min=0.1)] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Send every frame, as fast as it goes.")] = False,
    profile: Annotated[str, typer.Option(help="Sizes and weights, by name or folder.")] = "laptop-256",
    engine: Annotated[str, typer.Option(help=f"What runs the networks: {ENGINE_NAMES}.")] = "openvino",
) -> None:
    """Send a face to a receiver that listens; prints the call's figures as JSON.

    Example: python -m sender clip.mp4 --connect 192.168.1.5:8765 --code F7K2QX
    """
    if crop not in ("follow", "full"):
        raise typer.BadParameter(f"crop is follow or full, not {crop}.")
    settings = SenderSettings(
        crop="full" if crop == "full" else "follow",
        source="first" if source == "first" else "chosen" if source == "chosen" else Path(source),
    )
    try:
        with open_input(video, realtime=not fast, repeat_s=repeat) as source_input:
            loaded = load_profile(profile)
            talker = Talker(load(loaded, engine=engine), picture_size=loaded.picture_size)
            sender = asyncio.run(
                send(source_input, talker, loaded, settings=settings, address=connect, code=code)
            )
    except (SenderError, TransportError, BitstreamError, ProfileError, EngineError) as error:
        print(f"visavis: {error}", file=sys.stderr)
        raise typer.Exit(1) from error
    except OSError as error:
        print(
            f"visavis: {error.filename or 'The system'}: {error.strerror or error}.",
            file=sys.stderr,
        )
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    print(json.dumps(asdict(sender.stats)))


if __name__ == "__main__":
    typer.run(main)
