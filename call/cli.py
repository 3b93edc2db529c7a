"""The command line: what can be typed, and nothing else. The only module that knows every command.

Each command turns its options into a frozen value of `call.options` and loads the module that does the work
when it is asked for, so that `visavis --help` starts at once and a call never loads torch.
"""

import os
import runpy
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from call import options, settings
from call.address import DEFAULT_LISTEN
from call.errors import CallError

# Every exception that a folder of the house defines is a sentence for the person at the keyboard.
HOUSE = frozenset({"codec", "models", "runtime", "transport", "sender", "receiver", "call", "bench"})

app = typer.Typer(
    name="visavis",
    help="A video call that sends a face as a few bytes a frame.",
    epilog="Every option of a call can also be set as VISAVIS_NAME in the environment, or in visavis.toml.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(no_args_is_help=True, help="The profiles that this installation holds.")
app.add_typer(models_app, name="models")


def option(flag: str, help_text: str, **more: Any) -> Any:
    """Declare an option that can also stand in the environment as VISAVIS_NAME."""
    name = flag.split("/")[0].removeprefix("--").replace("-", "_").upper()
    return typer.Option(flag, help=help_text, envvar=f"VISAVIS_{name}", show_envvar=False, **more)


Profile = Annotated[
    str, option("--profile", "Sizes and weights, by name or folder; both ends need the same.")
]
Engine = Annotated[str, option("--engine", "What runs the networks.")]
Crop = Annotated[options.Crop, option("--crop", "Follow the face, or take the whole square frame.")]
Source = Annotated[
    str, option("--source", "Picture to animate: first, chosen (the best of a second), or a file.")
]
Repeat = Annotated[
    float | None, option("--repeat", "Play the input over and over for so many seconds.", min=0.1)
]
Keypoints = Annotated[int | None, option("--keypoints", "Send only the first so many keypoints.", min=1)]
Rounding = Annotated[bool, option("--rounding/--no-rounding", "Round motion to steps that can be seen.")]
Json = Annotated[bool, option("--json", "Print figures as JSON.")]
Stun = Annotated[str | None, option("--stun", "A STUN server, as in stun:stun.example.org:3478.")]
Turn = Annotated[str | None, option("--turn", "A TURN server, as in turn:turn.example.org:3478.")]
TurnUser = Annotated[str | None, option("--turn-user", "User name at the TURN server.")]
TurnPassword = Annotated[str | None, option("--turn-password", "Password at the TURN server.")]

DEFAULT_PROFILE = options.Engine.profile
DEFAULT_ENGINE = options.Engine.engine


def print_version(wanted: bool) -> None:
    """Print the version and end, before a command is asked for."""
    if wanted:
        from importlib.metadata import version

        typer.echo(f"visavis {version('visavis')}")
        raise typer.Exit


@app.callback()
def everything(
    debug: Annotated[bool, option("--debug", "Show where an error comes from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """A video call that sends a face as a few bytes a frame."""


@app.command()
def loopback(
    video: Annotated[str, typer.Argument(help="A video, a folder of pictures, or camera.")],
    crop: Crop = "follow",
    source: Source = "chosen",
    repeat: Repeat = None,
    output: Annotated[str, option("--output", "A video file, a folder ending in /, or none.")] = "none",
    profile: Profile = DEFAULT_PROFILE,
    engine: Engine = DEFAULT_ENGINE,
    keypoints: Keypoints = None,
    rounding: Rounding = True,
    quality: Annotated[bool, option("--quality/--no-quality", "Compare the pictures after the call.")] = True,
    as_json: Json = False,
) -> None:
    """Hold a call with itself: both ends in this process, over real WebRTC.

    Example: visavis loopback clip.mp4 --output redrawn.mp4
    """
    from call import loopback as command

    command.run(
        options.Loopback(
            input=options.Input(video, crop, source, repeat_s=repeat, keypoints=keypoints, rounding=rounding),
            engine=options.Engine(profile, engine),
            output=output,
            quality=quality,
        ),
        as_json=as_json,
    )


@app.command()
def send(
    video: Annotated[str, typer.Argument(help="A video, a folder of pictures, an RTSP address, or camera.")],
    connect: Annotated[str, option("--connect", "HOST:PORT, as the receiver printed it.")],
    token: Annotated[str, option("--token", "The token that the receiver printed.")],
    crop: Crop = "follow",
    source: Source = "chosen",
    repeat: Repeat = None,
    profile: Profile = DEFAULT_PROFILE,
    engine: Engine = DEFAULT_ENGINE,
    keypoints: Keypoints = None,
    rounding: Rounding = True,
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
            input=options.Input(video, crop, source, repeat_s=repeat, keypoints=keypoints, rounding=rounding),
            engine=options.Engine(profile, engine),
            ice=options.Ice(stun, turn, turn_user, turn_password),
            connect=connect,
            token=token,
        ),
        as_json=as_json,
    )


# Commands whose own module reads the rest of the line, --help too: models and bench are loaded in no other way.
PASSED_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


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


@app.command(cls=ListenCommand)
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
    as_json: Json = False,
) -> None:
    """Wait for a sender, redraw its face, and write what is seen.

    Example: visavis receive --listen --output received.mp4
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
        ),
        as_json=as_json,
    )


@app.command()
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


@app.command()
def doctor(
    profile: Profile = DEFAULT_PROFILE,
    as_json: Json = False,
) -> None:
    """Look at this machine: engines and their speed, cameras, ports, codecs, data; and what to do about each.

    Example: visavis doctor
    """
    from call import doctor as command

    raise typer.Exit(command.run(profile, as_json=as_json))


@models_app.command("list")
def models_list(as_json: Json = False) -> None:
    """List the profiles and say whether their graphs are there.

    Example: visavis models list
    """
    from call import profiles as command

    command.list_all(as_json=as_json)


@models_app.command("verify")
def models_verify(
    profile: Annotated[
        str | None, typer.Argument(help="A name or a folder; every profile if left out.")
    ] = None,
    engine: Engine = DEFAULT_ENGINE,
    as_json: Json = False,
) -> None:
    """Load a profile's graphs and run each once; says what is missing or damaged.

    Example: visavis models verify laptop-256
    """
    from call import profiles as command

    command.verify(profile, engine, as_json=as_json)


@models_app.command("build", context_settings=PASSED_ON)
def models_build(context: typer.Context) -> None:
    """Take a finished training's weights into a profile and export its graphs.

    Example: visavis models build laptop-256
    """
    hand_over("models.build", ["build", *context.args])


@models_app.command("export", context_settings=PASSED_ON)
def models_export(context: typer.Context) -> None:
    """Export a profile's graphs again from its weights.

    Example: visavis models export laptop-256
    """
    hand_over("models.build", ["export", *context.args])


@app.command(context_settings=PASSED_ON)
def bench(context: typer.Context) -> None:
    """Measure: `visavis bench quality`, `visavis bench rate`.

    Example: visavis bench quality --data ../shared/data/val --json
    """
    hand_over("bench", context.args)


@app.command(context_settings=PASSED_ON)
def tables(context: typer.Context) -> None:
    """Fit the entropy coder's tables to clips: `visavis tables fit`.

    Example: visavis tables fit --help
    """
    hand_over("models.tables", context.args)


@app.command(context_settings=PASSED_ON)
def data(context: typer.Context) -> None:
    """Pack training data into one small file: `visavis data pack`.

    Example: visavis data pack --data ../shared/data --output runs/pack.npz
    """
    hand_over("models.data", context.args)


@app.command(context_settings=PASSED_ON)
def train(context: typer.Context) -> None:
    """Train a profile's networks from a run file.

    Example: visavis train --help
    """
    hand_over("models.training", context.args)


def hand_over(module: str, arguments: list[str]) -> None:
    """Run a module's own command line with the rest of ours, as `python -m module` would.

    Raises CallError when the module wants a package that a call's installation does not have.
    """
    sys.argv = [f"visavis {module.rpartition('.')[2]}", *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in HOUSE:
            raise
        raise CallError(
            f"{error.name} is not installed, which a call does not need: make install-dev."
        ) from error


def read_settings() -> dict[str, dict[str, Any]]:
    """Read visavis.toml against the options that the commands really have."""
    command = typer.main.get_command(app)
    children: dict[str, Any] = getattr(command, "commands", {})
    names = {name: option_names(child) for name, child in children.items()}
    loaded = settings.load(
        settings.settings_path(), {name: frozenset(known) for name, known in names.items()}
    )
    return {
        name: {names[name][typed]: value for typed, value in values.items()}
        for name, values in loaded.items()
    }


def option_names(command: Any) -> dict[str, str]:
    """Return a command's options as they are typed (`turn_user`, `json`), each with its parameter's name."""
    return {
        parameter.opts[0].removeprefix("--").replace("-", "_"): parameter.name
        for parameter in command.params
        if parameter.param_type_name == "option"
    }


def explain(error: Exception) -> str:
    """Say in a sentence what went wrong."""
    if type(error).__module__.partition(".")[0] in HOUSE:
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}."
    return f"Something went wrong inside Visavis ({type(error).__name__}: {error}). --debug shows where."


def end_as_interrupted(number: int, frame: FrameType | None) -> None:
    """Do on a signal what Ctrl-C does: during a call that is asyncio's own handler, which cancels the call."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # a script that starts us with & has it ignored
        raise KeyboardInterrupt
    handler(number, frame)


def main() -> None:
    """Run the command that was typed: exit code 0, 1 with a sentence on failure, 2 for wrong usage."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1 or os.environ.get("VISAVIS_DEBUG") not in (None, "", "0")
    # Who stops a service or a container wants the same clean end as who presses Ctrl-C.
    signal.signal(signal.SIGTERM, end_as_interrupted)
    try:
        app(arguments, prog_name="visavis", default_map=read_settings())
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(f"visavis: {explain(error)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
