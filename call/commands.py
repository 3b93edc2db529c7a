"""The commands that hold a call or look at what one needs: their options, turned into a frozen value of
`call.options` and handed to the module that does the work, which is loaded when it is asked for."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from call import options
from call.address import DEFAULT_LISTEN, SERVE_PORT
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
    Limit,
    Mode,
    Pitch,
    Profile,
    Relative,
    Remember,
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
    bundle: Bundle = None,
    limit: Limit = None,
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
    remember: Remember = False,
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
                limit_bps=limit,
            ),
            engine=options.Engine(profile, engine),
            output=output,
            quality=quality,
            line=None if line == options.Line(seed=seed) else line,
            view=options.View(yaw, pitch, frontal, relative),
            remember=remember,
        ),
        as_json=as_json,
    )


def send(
    video: Annotated[str, typer.Argument(help="A video, a folder of pictures, an RTSP address, or camera.")],
    connect: Annotated[str, option("--connect", "HOST:PORT, as the receiver printed it.")],
    code: Annotated[str, option("--code", "The code that the receiver printed.")],
    crop: Crop = "follow",
    source: Source = "chosen",
    repeat: Repeat = None,
    fast: Fast = False,
    profile: Profile = DEFAULT_PROFILE,
    engine: Engine = DEFAULT_ENGINE,
    keypoints: Keypoints = None,
    rounding: Rounding = True,
    mode: Mode = "auto",
    bundle: Bundle = None,
    limit: Limit = None,
    stun: Stun = None,
    turn: Turn = None,
    turn_user: TurnUser = None,
    turn_password: TurnPassword = None,
    remember: Remember = False,
    as_json: Json = False,
) -> None:
    """Send a face to a receiver that listens.

    Example: visavis send clip.mp4 --connect 192.168.1.5:8765 --code F7K2QX
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
                limit_bps=limit,
            ),
            engine=options.Engine(profile, engine),
            ice=options.Ice(stun, turn, turn_user, turn_password),
            connect=connect,
            code=code,
            remember=remember,
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
    code: Annotated[str | None, option("--code", "What the sender must name; made up if not given.")] = None,
    output: Annotated[
        str | None,
        option(
            "--output",
            "A video file, a folder ending in /, camera, or none; received.mp4 (or -2, ...) if not given.",
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
    remember: Remember = False,
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
            code=code,
            output=output,
            wait_s=wait,
            view=options.View(yaw, pitch, frontal, relative),
            remember=remember,
        ),
        as_json=as_json,
    )


def serve(
    host: Annotated[str, option("--host", "The address to listen on.")] = "0.0.0.0",
    port: Annotated[int, option("--port", "The port to listen on.", min=0, max=65535)] = SERVE_PORT,
    cert: Annotated[
        Path | None, option("--cert", "A certificate (PEM), for wss:// instead of ws://.")
    ] = None,
    key: Annotated[Path | None, option("--key", "Its key, where that is in a file of its own.")] = None,
    behind_proxy: Annotated[
        bool, option("--behind-proxy", "A proxy of one's own stands in front, and names who calls.")
    ] = False,
) -> None:
    """Let laptops meet in rooms that cannot reach each other at first; stores nothing and hears no call.

    Example: visavis serve --port 8766 --cert fullchain.pem --key privkey.pem
    """
    from call import serve as command

    command.run(options.Serve(host, port, cert, key, behind_proxy))


def call(
    where: Annotated[
        str | None, typer.Argument(metavar="[HOST[:PORT]]", help="A side that listens, as it has told you.")
    ] = None,
    code: Annotated[
        str | None, typer.Argument(metavar="[CODE]", help="What that side tells you with it.")
    ] = None,
    listen: Annotated[
        str | None, option("--listen", "Wait for the other side here, at HOST:PORT or on every interface.")
    ] = None,
    room: Annotated[str | None, option("--room", "Meet in this room of a server.")] = None,
    server: Annotated[str | None, option("--server", "The server, as `visavis serve` prints it.")] = None,
    code_again: Annotated[
        str | None, option("--code", "The code: of the room to come to, or to let the other side in with.")
    ] = None,
    video: Annotated[str, option("--video", "A camera, or what to send instead of one.")] = "camera",
    crop: Crop = "follow",
    source: Source = "chosen",
    repeat: Repeat = None,
    mode: Mode = "auto",
    limit: Limit = None,
    profile: Profile = DEFAULT_PROFILE,
    engine: Engine = DEFAULT_ENGINE,
    stun: Stun = None,
    turn: Turn = None,
    turn_user: TurnUser = None,
    turn_password: TurnPassword = None,
    headless: Annotated[
        bool, option("--headless", "Hold the call without a page; wants --yes, for it asks nobody.")
    ] = False,
    audio: Annotated[
        str | None, option("--audio", "Without a page: a sound file to be heard; silence if not given.")
    ] = None,
    output: Annotated[
        str, option("--output", "A video file for the other's face, a folder ending in /, camera, or none.")
    ] = "none",
    seconds: Annotated[
        float | None,
        option("--seconds", "End the call after so long; a file is repeated as needed.", min=0.1),
    ] = None,
    remember: Remember = False,
    name: Annotated[str, option("--name", "What the other side sees you are called, when you ring.")] = "",
    thrifty: Annotated[
        bool, option("--thrifty", "At most 30 kbit/s each way, sound included, for both sides.")
    ] = False,
    yes: Annotated[
        bool, option("--yes", "Send your picture and let the caller in without a question.")
    ] = False,
    accept_foreign: Annotated[
        bool, option("--accept-foreign", "Take a source picture that is not from the other's camera.")
    ] = False,
    browser: Annotated[
        bool, option("--browser/--no-browser", "Open the call's page in the browser, or print its address.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Call another laptop: directly, or in a room of a server; both see each other on a page in the browser.

    Example: visavis call --listen, and on the other laptop: visavis call 192.168.1.5:8765 F7K2QX
    """
    from call import call as command

    command.run(
        options.Call(
            input=options.Input(video, crop, source, repeat_s=repeat, mode=mode, limit_bps=limit),
            engine=options.Engine(profile, engine),
            ice=options.Ice(stun, turn, turn_user, turn_password),
            way=_way(where, code or code_again, listen, room, server),
            headless=headless,
            audio=audio,
            output=output,
            seconds=seconds,
            yes=yes,
            takes_foreign=accept_foreign,
            browser=browser,
            remember=remember,
            name=name,
            thrifty=thrifty,
        ),
        as_json=as_json,
    )


def _way(
    where: str | None, code: str | None, listen: str | None, room: str | None, server: str | None
) -> options.Invited | options.Listening | options.Room:
    """Say how the sides meet; raises BadParameter where the options do not tell, or tell two ways."""
    if sum(each is not None for each in (where, listen, room)) != 1:
        raise typer.BadParameter(
            "Say how to meet: --listen to wait for the other side, HOST and CODE to go to one that listens, "
            "or --room and --server."
        )
    if where is not None:
        if code is None:
            raise typer.BadParameter(f"{where} needs the code that it shows: visavis call {where} CODE.")
        return options.Invited(where, code)
    if listen is not None:
        return options.Listening(listen, code)
    if room is None or server is None:
        raise typer.BadParameter(f"--room {room} is of a server: add --server, as `visavis serve` prints it.")
    return options.Room(server, room, code)


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
