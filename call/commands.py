"""The commands that hold a call or look at what one needs: their options, turned into a frozen value of
`call.options` and handed to the module that does the work, which is loaded when it is asked for."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from call import options
from call.address import DEFAULT_LISTEN
from call.flags import (
    DEFAULT_ENGINE,
    DEFAULT_PROFILE,
    Bundle,
    Crop,
    Engine,
    Fast,
    Frontal,
    Json,
    Keypoints,
    Mode,
    Pitch,
    Profile,
    Relative,
    Repeat,
    Rounding,
    Source,
    Stun,
    Turn,
    TurnPassword,
    TurnUser,
    Yaw,
    option,
    variable,
)
from call.line import Burst, Delay, Jitter, LineRate, Loss, Outage, Seed


def loopback(
    video: Annotated[str, typer.Argument(help="A video, a folder of pictures, or camera.")],
    crop: Crop = "follow",
    source: Source = "chosen",
    repeat: Repeat = None,
    fast: Fast = False,
    output: Annotated[str, option("--output", "A video file, a folder ending in /, or none.")] = "none",
    profile: Profile = DEFAULT_PROFILE,
    engine: Engine = DEFAULT_ENGINE,
    keypoints: Keypoints = None,
    rounding: Rounding = True,
    mode: Mode = "auto",
    bundle: Bundle = 1,
    quality: Annotated[bool, option("--quality/--no-quality", "Compare the pictures after the call.")] = True,
    loss: Loss = 0.0,
    burst: Burst = 1.0,
    delay: Delay = 0.0,
    jitter: Jitter = 0.0,
    rate: LineRate = None,
    outage: Outage = None,
    seed: Seed = 0,
    yaw: Yaw = 0.0,
    pitch: Pitch = 0.0,
    frontal: Frontal = False,
    relative: Relative = False,
    as_json: Json = False,
) -> None:
    """Hold a call with itself: both ends in this process, over real WebRTC.

    Example: visavis loopback clip.mp4 --output redrawn.mp4
    """
    from call import loopback as command

    line = options.Line(loss, burst, delay, jitter, rate, outage, seed)
    command.run(
        options.Loopback(
            input=options.Input(
                video,
                crop,
                source,
                repeat_s=repeat,
                fast=fast,
                keypoints=keypoints,
                rounding=rounding,
                mode=mode,
                bundle=bundle,
            ),
            engine=options.Engine(profile, engine),
            output=output,
            quality=quality,
            line=None if line == options.Line(seed=seed) else line,
            view=options.View(yaw, pitch, frontal, relative),
        ),
        as_json=as_json,
    )


def send(
    video: Annotated[str, typer.Argument(help="A video, a folder of pictures, an RTSP address, or camera.")],
    connect: Annotated[str, option("--connect", "HOST:PORT, as the receiver printed it.")],
    token: Annotated[str, option("--token", "The token that the receiver printed.")],
    crop: Crop = "follow",
    source: Source = "chosen",
    repeat: Repeat = None,
    fast: Fast = False,
    profile: Profile = DEFAULT_PROFILE,
    engine: Engine = DEFAULT_ENGINE,
    keypoints: Keypoints = None,
    rounding: Rounding = True,
    mode: Mode = "auto",
    bundle: Bundle = 1,
    stun: Stun = None,
    turn: Turn = None,
    turn_user: TurnUser = None,
    turn_password: TurnPassword = None,
    as_json: Json = False,
) -> None:
    """Send a face to a receiver that listens.

    Example: visavis send clip.mp4 --connect 192.168.1.5:8765 --token F7K2QX
    """
    from call import send as command

    command.run(
        options.Send(
            input=options.Input(
                video,
                crop,
                source,
                repeat_s=repeat,
                fast=fast,
                keypoints=keypoints,
                rounding=rounding,
                mode=mode,
                bundle=bundle,
            ),
            engine=options.Engine(profile, engine),
            ice=options.Ice(stun, turn, turn_user, turn_password),
            connect=connect,
            token=token,
        ),
        as_json=as_json,
    )


class ListenCommand(TyperCommand):
    """`--listen` may stand alone: then it listens on every interface, on the port that we always use."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare `--listen` its address before the options are read."""
        given: list[str] = []
        for index, argument in enumerate(args):
            given.append(argument)
            following = args[index + 1] if index + 1 < len(args) else "-"
            if argument == "--listen" and following.startswith("-"):
                given.append(DEFAULT_LISTEN)
        return super().parse_args(ctx, given)


def receive(
    listen: Annotated[str, option("--listen", "HOST:PORT to wait at.")] = DEFAULT_LISTEN,
    token: Annotated[
        str | None, option("--token", "What the sender must name; made up if not given.")
    ] = None,
    output: Annotated[
        str | None,
        option(
            "--output",
            "A video file, a folder ending in /, or none; received.mp4, or the next number, if not given.",
        ),
    ] = None,
    wait: Annotated[float | None, option("--wait", "Give up after so many seconds.", min=0.1)] = None,
    profile: Profile = DEFAULT_PROFILE,
    engine: Engine = DEFAULT_ENGINE,
    stun: Stun = None,
    turn: Turn = None,
    turn_user: TurnUser = None,
    turn_password: TurnPassword = None,
    yaw: Yaw = 0.0,
    pitch: Pitch = 0.0,
    frontal: Frontal = False,
    relative: Relative = False,
    as_json: Json = False,
) -> None:
    """Wait for a sender, redraw its face, and write what is seen.

    Example: visavis receive --listen --output received.mp4 --frontal
    """
    from call import receive as command

    command.run(
        options.Receive(
            engine=options.Engine(profile, engine),
            ice=options.Ice(stun, turn, turn_user, turn_password),
            listen=listen,
            token=token,
            output=output,
            wait_s=wait,
            view=options.View(yaw, pitch, frontal, relative),
        ),
        as_json=as_json,
    )


def demo(
    video: Annotated[str | None, typer.Argument(help="A clip, or camera; a portrait without either.")] = None,
    folder: Annotated[Path, option("--folder", "Where the results go.")] = Path("out"),
    seconds: Annotated[float, option("--seconds", "How long to call, at most.", min=1)] = 10.0,
    profile: Profile = DEFAULT_PROFILE,
    engine: Engine = DEFAULT_ENGINE,
    as_json: Json = False,
) -> None:
    """Hold a call with itself and put the result side by side with the original and H.264.

    Example: visavis demo clip.mp4
    """
    from call import demo as command

    command.run(
        options.Demo(options.Engine(profile, engine), video, folder, seconds),
        as_json=as_json,
    )


def doctor(
    profile: Profile = DEFAULT_PROFILE,
    as_json: Json = False,
) -> None:
    """Look at this machine: engines and their speed, cameras, ports, codecs, data; and what to do about each.

    Example: visavis doctor
    """
    from call import doctor as command

    raise typer.Exit(command.run(profile, as_json=as_json))


def models_list(as_json: Json = False) -> None:
    """List the profiles and say whether their graphs are there.

    Example: visavis models list
    """
    from call import profiles as command

    command.list_all(as_json=as_json)


def models_verify(
    profile: Annotated[
        str | None,
        typer.Argument(
            help="A name or a folder; if left out, the one of the settings, or else every profile.",
            envvar=variable("profile"),
            show_envvar=False,
        ),
    ] = None,
    engine: Engine = DEFAULT_ENGINE,
    as_json: Json = False,
) -> None:
    """Load a profile's graphs and run each once; says what is missing or damaged.

    Example: visavis models verify laptop-256
    """
    from call import profiles as command

    command.verify(profile, engine, as_json=as_json)
