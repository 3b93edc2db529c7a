"""The command line: every command under its name, and how the program starts and ends.

What a command's options are stands in `call.commands`, `call.machine_commands` and `call.passed_on`; none loads what
does the work before it is asked for, so that `visavis --help` starts at once and a call never loads torch.
"""

import os
import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer

from call import commands, machine_commands, passed_on, settings
from call.errors import explain
from call.flags import option
from call.signals import endings
from call.usage import Command, ListenCommand

app = typer.Typer(
    name="visavis",
    help="A video call that sends a face as a few bytes a frame.",
    epilog="Options of a call and of models can also be set as VISAVIS_NAME in the environment, or in visavis.toml.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(no_args_is_help=True, help="The profiles that this installation holds.")
app.add_typer(models_app, name="models")


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


# As the help lists them: what most people come for is first.
app.command(cls=ListenCommand)(commands.call)
app.command(cls=Command)(commands.send)
app.command(cls=ListenCommand)(commands.receive)
app.command(cls=Command)(commands.loopback)
app.command(cls=Command)(machine_commands.serve)
app.command(cls=Command)(machine_commands.demo)
app.command(cls=Command)(machine_commands.doctor)
models_app.command("list", cls=Command)(machine_commands.models_list)
models_app.command("verify", cls=Command)(machine_commands.models_verify)
models_app.command("build", context_settings=passed_on.SETTINGS)(passed_on.models_build)
models_app.command("export", context_settings=passed_on.SETTINGS)(passed_on.models_export)
models_app.command("residual", context_settings=passed_on.SETTINGS)(passed_on.models_residual)
models_app.command("quantise", context_settings=passed_on.SETTINGS)(passed_on.models_quantise)
models_app.command("half", context_settings=passed_on.SETTINGS)(passed_on.models_half)
for command in (passed_on.bench, passed_on.tables, passed_on.data, passed_on.train):
    app.command(context_settings=passed_on.SETTINGS)(command)


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
    # Who stops a service or closes the terminal's window wants the same clean end as who presses Ctrl-C.
    for ending in endings():
        signal.signal(ending, end_as_interrupted)
    try:
        app(arguments, prog_name="visavis", default_map=settings.read(typer.main.get_command(app)))
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(f"visavis: {explain(error)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
