"""How the commands read what was typed: a bare `--listen`, one way to meet, the servers that help with it, and words
for a setting that cannot be."""

from typing import Any

import typer
from typer.core import TyperCommand

from call import options
from call.address import DEFAULT_LISTEN
from call.errors import CallError
from call.flags import variable
from call.settings import settings_path


class Command(TyperCommand):
    """A command that says of a wrong value where it stands, if that is not the command line."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options; raises CallError for a value of visavis.toml or of the environment that cannot be."""
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            name = getattr(error.param, "name", None)
            source = getattr(ctx.get_parameter_source(name) if name else None, "name", "")
            error.message = error.message.removeprefix("Value error, ")
            why = error.message.rstrip(".")
            if source == "DEFAULT_MAP":
                value = ctx.default_map[name]
                raise CallError(
                    f"{settings_path()} sets {_typed(error.param)} = {value!r}, which cannot be: {why}."
                ) from error
            if source == "ENVIRONMENT":
                raise CallError(
                    f"{variable(_typed(error.param))} in the environment cannot be: {why}."
                ) from error
            raise


class ListenCommand(Command):
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


def choose_way(
    where: str | None, code: str | None, listen: str | None, room: str | None, server: str | None
) -> options.Invited | options.Listening | options.Room:
    """Say how the sides meet; raises BadParameter where the options do not tell, or tell two ways."""
    ways = {"HOST": where, "--listen": listen, "--room": room}
    given = [name for name, value in ways.items() if value is not None]
    if not given:
        raise typer.BadParameter(
            "Say how to meet: --listen to wait for the other side, HOST and CODE to go to one that listens, "
            "or --room and --server."
        )
    if len(given) > 1:
        raise typer.BadParameter(f"{' and '.join(given)} are different ways to meet: give one of them.")
    if where is not None:
        if not where.strip():
            raise typer.BadParameter(
                "HOST is empty: write the address and the CODE that the other side shows."
            )
        if code is None:
            raise typer.BadParameter(f"{where} needs the code that it shows: visavis call {where} CODE.")
        return options.Invited(where, code)
    if listen is not None:
        return options.Listening(listen, code)
    if room is None or server is None:
        raise typer.BadParameter(f"--room {room} is of a server: add --server, as `visavis serve` prints it.")
    return options.Room(server, room, code)


def one_code(typed: str | None, named: str | None) -> str | None:
    """Return the code of a call, typed behind the address or named with --code; raises BadParameter where both are
    given and differ."""
    if typed is not None and named is not None and typed != named:
        raise typer.BadParameter(f"CODE {typed} and --code {named} are two codes: give one of them.")
    return typed or named


def choose_ice(stun: str | None, turn: str | None, user: str | None, password: str | None) -> options.Ice:
    """Say which servers help the sides to meet; raises BadParameter where one is named as the other kind, or a TURN
    server without who may use it."""
    for name, url, schemes in (("stun", stun, ("stun:",)), ("turn", turn, ("turn:", "turns:"))):
        if url and not url.startswith(schemes):
            raise typer.BadParameter(
                f"'{url}' is not a {name.upper()} server: write it as --{name} {name}:host:port."
            )
    if turn and not (user and password):
        raise typer.BadParameter(
            "A TURN server lets nobody in unnamed: add --turn-user and --turn-password, as its owner told you."
        )
    if (user or password) and not turn:
        raise typer.BadParameter(
            "--turn-user and --turn-password are for a TURN server: name it with --turn."
        )
    return options.Ice(stun, turn, user, password)


def require_packets_to_bundle(mode: options.Mode, bundle: int | None) -> None:
    """Raise BadParameter for a bundle of packets that stand alone."""
    if mode == "static" and bundle is not None:
        raise typer.BadParameter(
            "--bundle is for predictive packets, and --mode static sends none: leave out one of them."
        )


def require_page_or_answers(*, headless: bool, yes: bool, audio: str | None) -> None:
    """Raise BadParameter for a call that could ask nobody and was not told what to answer, and for what only one
    without a page takes."""
    if headless and not yes:
        raise typer.BadParameter(
            "A call without a page asks nobody: add --yes to send your picture and let the caller in unasked."
        )
    if audio is not None and not headless:
        raise typer.BadParameter(
            "The call's page takes sound from its own microphone: --audio is for a call with --headless."
        )


def _typed(parameter: Any) -> str:
    """Return an option's name as it is typed, without its dashes."""
    return max(parameter.opts, key=len).lstrip("-")
