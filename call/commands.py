"""The commands that hold a call: their options, turned into a frozen value of `call.options` and handed to the module
that does the work, which is loaded when it is asked for."""

from typing import Annotated

import typer

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
    Limit,
    Mode,
    Overwrite,
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
    Verbose,
    Yaw,
    option,
)
from call.line import Burst, Delay, Jitter, LineRate, Loss, Outage, Seed
from call.usage import choose_ice, choose_way, one_code, require_packets_to_bundle, require_page_or_answers


def loopback(
    video: Annotated[str, typer.Argument(help="A video, a folder of pictures, or camera.")],
    crop: Crop = "follow",
    source: Source = "chosen",
    repeat: Repeat = None,
    fast: Fast = False,
    output: Annotated[str, option("--output", "A video file, a folder ending in /, or none.")] = "none",
    overwrite: Overwrite = False,
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
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Hold a call with itself: both ends in this process, over real WebRTC.

    Example: visavis loopback clip.mp4 --output redrawn.mp4
    """
    from call import loopback as command

    require_packets_to_bundle(mode, bundle)
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
            overwrite=overwrite,
            quality=quality,
            line=None if line == options.Line(seed=seed) else line,
            view=options.View(yaw, pitch, frontal, relative),
            remember=remember,
        ),
        as_json=as_json,
        verbose=verbose,
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
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Send a face to a receiver that listens.

    Example: visavis send clip.mp4 --connect 192.168.1.5:8765 --code F7K2QX
    """
    from call import send as command

    require_packets_to_bundle(mode, bundle)
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
            ice=choose_ice(stun, turn, turn_user, turn_password),
            connect=connect,
            code=code,
            remember=remember,
        ),
        as_json=as_json,
        verbose=verbose,
    )


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
    overwrite: Overwrite = False,
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
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Wait for a sender, redraw its face, and write what is seen.

    Example: visavis receive --listen --output received.mp4 --frontal
    """
    from call import receive as command

    command.run(
        options.Receive(
            engine=options.Engine(profile, engine),
            ice=choose_ice(stun, turn, turn_user, turn_password),
            listen=listen,
            code=code,
            output=output,
            overwrite=overwrite,
            wait_s=wait,
            view=options.View(yaw, pitch, frontal, relative),
            remember=remember,
        ),
        as_json=as_json,
        verbose=verbose,
    )


def call(
    where: Annotated[
        str | None, typer.Argument(metavar="HOST[:PORT]", help="A side that listens, as it has told you.")
    ] = None,
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="What that side tells you with it.")
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
        str | None,
        option("--audio", "Without a page: a sound file to be heard; the video's own if not given."),
    ] = None,
    output: Annotated[
        str, option("--output", "A video file for the other's face, a folder ending in /, camera, or none.")
    ] = "none",
    overwrite: Overwrite = False,
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
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Call another laptop: directly, or in a room of a server; both see each other on a page in the browser.

    Example: visavis call --listen, and on the other laptop: visavis call 192.168.1.5:8765 F7K2QX
    """
    from call import call as command

    require_page_or_answers(headless=headless, yes=yes, audio=audio)
    command.run(
        options.Call(
            input=options.Input(video, crop, source, repeat_s=repeat, mode=mode, limit_bps=limit),
            engine=options.Engine(profile, engine),
            ice=choose_ice(stun, turn, turn_user, turn_password),
            way=choose_way(where, one_code(code, code_again), listen, room, server),
            headless=headless,
            audio=audio,
            output=output,
            overwrite=overwrite,
            seconds=seconds,
            yes=yes,
            takes_foreign=accept_foreign,
            browser=browser,
            remember=remember,
            name=name,
            thrifty=thrifty,
        ),
        as_json=as_json,
        verbose=verbose,
    )
