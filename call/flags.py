"""The options that several commands share, as they are typed. Knows no command, and not what an option does."""

from typing import Annotated, Any

import typer

from call import options

LEAST_LIMIT_BPS = 8_000.0  # four motions to a packet, half of the frames


def variable(name: str) -> str:
    """Return the environment's name for a setting: VISAVIS_TURN_USER for turn-user."""
    return f"VISAVIS_{name.replace('-', '_').upper()}"


def option(flag: str, help_text: str, **more: Any) -> Any:
    """Declare an option that can also stand in the environment and in visavis.toml."""
    name = flag.split("/")[0].removeprefix("--")
    return typer.Option(flag, help=help_text, envvar=variable(name), show_envvar=False, **more)


Profile = Annotated[
    str, option("--profile", "Sizes and weights, by name or folder; both ends need the same.")
]
Engine = Annotated[
    str,
    option(
        "--engine",
        "What runs the networks: openvino, openvino-f32, openvino-gpu (Intel graphics), tensorrt, torch, torch-cuda, "
        "or auto (the fastest).",
    ),
]
Crop = Annotated[options.Crop, option("--crop", "Follow the face, or take the whole square frame.")]
Source = Annotated[
    str, option("--source", "Picture to animate: first, chosen (the best of a second), or a file.")
]
Repeat = Annotated[
    float | None, option("--repeat", "Play the input over and over for so many seconds.", min=0.1)
]
Fast = Annotated[
    bool, option("--fast", "Send every frame of a file or folder, as fast as it goes, not in real time.")
]
Keypoints = Annotated[int | None, option("--keypoints", "Send only the first so many keypoints.", min=1)]
Rounding = Annotated[bool, option("--rounding/--no-rounding", "Round motion to steps that can be seen.")]
Mode = Annotated[
    options.Mode, option("--mode", "How motion is coded; auto is predictive where both ends can.")
]
Bundle = Annotated[
    int | None,
    option(
        "--bundle",
        "Motions in a predictive packet: fewer bytes, and later by as many frames; as the line has it, if not given.",
        min=1,
        max=4,
    ),
]


def parse_limit(text: str) -> float:
    """Read what a call may send, in bit/s. Raises typer.BadParameter for less than any call needs."""
    from call.line import parse_rate

    limit_bps = parse_rate(text)
    if limit_bps < LEAST_LIMIT_BPS:
        raise typer.BadParameter(
            f"{text} is too little for a call: it needs {LEAST_LIMIT_BPS / 1000:g}k or more."
        )
    return limit_bps


Limit = Annotated[
    float | None,
    option(
        "--limit",
        "Send no more than so many bit/s in all, as in 50k, at the IP layer.",
        parser=parse_limit,
        metavar="RATE",
    ),
]
Yaw = Annotated[
    float, option("--yaw", "Turn the head by so many degrees; > 0 to the picture's right.", min=-30, max=30)
]
Pitch = Annotated[float, option("--pitch", "Turn the head by so many degrees; > 0 down.", min=-30, max=30)]
Frontal = Annotated[bool, option("--frontal", "Show the head level, whichever way it is turned.")]
Relative = Annotated[
    bool, option("--relative", "Move the source picture's own head by what the other's has moved.")
]
Remember = Annotated[
    bool,
    option("--remember", "Keep source pictures on this machine, so that the next call starts at once."),
]
Overwrite = Annotated[
    bool, option("--overwrite", "Replace a file, or a folder's pictures, that is there already.")
]
Verbose = Annotated[bool, option("--verbose", "Print every figure, not the chief ones alone.")]
Json = Annotated[bool, option("--json", "Print figures as JSON.")]
Stun = Annotated[str | None, option("--stun", "A STUN server, as in stun:stun.example.org:3478.")]
Turn = Annotated[str | None, option("--turn", "A TURN server, as in turn:turn.example.org:3478.")]
TurnUser = Annotated[str | None, option("--turn-user", "User name at the TURN server.")]
TurnPassword = Annotated[str | None, option("--turn-password", "Password at the TURN server.")]

DEFAULT_PROFILE = options.Engine.profile
DEFAULT_ENGINE = options.Engine.engine
