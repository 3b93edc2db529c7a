"""The commands that get a machine ready for calls, or look at one: the server, the demo, the doctor, the profiles.
As in `call.commands`, each is its options, and loads what does the work."""

from pathlib import Path
from typing import Annotated

import typer

from call import options
from call.address import SERVE_PORT
from call.flags import DEFAULT_ENGINE, DEFAULT_PROFILE, Engine, Json, Profile, option, variable


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
    if key is not None and cert is None:
        raise typer.BadParameter("--key is the key of a certificate: name that as well, with --cert.")
    from call import serve as command

    command.run(options.Serve(host, port, cert, key, behind_proxy))


def demo(
    video: Annotated[str | None, typer.Argument(help="A clip, or camera; a portrait without either.")] = None,
    folder: Annotated[Path, option("--folder", "Where the results go.")] = Path("out"),
    overwrite: Annotated[bool, option("--overwrite", "Replace an earlier demo's results.")] = False,
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
        options.Demo(options.Engine(profile, engine), video, folder, seconds, overwrite),
        as_json=as_json,
    )


def doctor(
    profile: Profile = DEFAULT_PROFILE,
    as_json: Json = False,
) -> None:
    """Look at this machine: engines and their speed, cameras, browser, ports, codecs, data; and what to do about each.

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
    """Look at every file of a profile and run each of its graphs once; says what is missing or damaged.

    Example: visavis models verify laptop-256
    """
    from call import profiles as command

    command.verify(profile, engine, as_json=as_json)
