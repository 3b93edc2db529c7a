"""Settings from `visavis.toml`, the layer under the environment and the command line.

The file lies in the user's config folder, or where VISAVIS_CONFIG says. A key stands for the option of the
same name (`profile`, `turn-user`); at the top it holds for every command, under `[loopback]` or
`[models.verify]` for one, under `[models]` for all of its commands. Knows nothing of what an option means: the
command line checks the values as if they had been typed.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import platformdirs

from call.errors import CallError
from call.flags import variable

FILE_NAME = "visavis.toml"


def settings_path() -> Path:
    """Say where the settings file is looked for, whether or not it exists."""
    named = os.environ.get("VISAVIS_CONFIG")
    return Path(named) if named else platformdirs.user_config_path("visavis") / FILE_NAME


def read(program: Any) -> dict[str, Any]:
    """Read visavis.toml against the commands of `program` (a Click group) and what each of them takes.

    Returns a default map as Click has it: by command, within a group by its command again, then by parameter.
    Raises CallError as `load` does, and where VISAVIS_CONFIG names a file that does not exist.
    """
    path = settings_path()
    if os.environ.get("VISAVIS_CONFIG") and not path.exists():
        raise CallError(f"VISAVIS_CONFIG in the environment names {path}, which does not exist.")
    parameters = dict(_settable(program))
    defaults: dict[str, Any] = {}
    for command, values in load(path, {name: frozenset(parameters[name]) for name in parameters}).items():
        place = defaults
        for word in command.split():
            place = place.setdefault(word, {})
        place |= {parameters[command][name]: value for name, value in values.items()}
    return defaults


def _settable(group: Any, before: str = "") -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each command as it is typed, with what can be set (`turn_user`, `json`) and its parameter's name."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _settable(command, f"{before}{name} ")
        else:
            named = {parameter.envvar: parameter.name for parameter in command.params if parameter.envvar}
            prefix = variable("")
            yield before + name, {key.removeprefix(prefix).lower(): value for key, value in named.items()}


def load(path: Path, commands: Mapping[str, Set[str]]) -> dict[str, dict[str, Any]]:
    """Read `path` into one mapping of defaults a command.

    `commands` has each command as it is typed ("loopback", "models verify") and what can be set for it, as
    Python names (`turn_user`). Returns command -> name -> value; empty when the file does not exist. Raises
    CallError for a file that is no TOML and for a name that no command has, so that a typing error does not pass
    for a setting.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise CallError(f"The settings in {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CallError(f"The settings in {path} cannot be read: they are no UTF-8 text.") from error
    except tomllib.TOMLDecodeError as error:
        raise CallError(f"The settings in {path} are no TOML: {error}.") from error
    defaults: dict[str, dict[str, Any]] = {command: {} for command in commands}
    for words, values in _tables(content):
        concerned = [command for command in commands if command.split()[: len(words)] == words]
        if not concerned:
            raise CallError(f"{path} has a table [{'.'.join(words)}], but there is no such command.")
        for key, value in values.items():
            name = key.replace("-", "_")
            takers = [command for command in concerned if name in commands[command]]
            if not takers:
                raise CallError(_unknown(path, words, key, commands))
            for command in takers:
                defaults[command][name] = value
    return defaults


def _unknown(path: Path, words: list[str], key: str, commands: Mapping[str, Set[str]]) -> str:
    """Say of a key what is wrong with it, and which one may be meant."""
    if any(command.split()[: len(words) + 1] == [*words, key] for command in commands):
        return (
            f"{path} sets '{key}', which is a command: its settings stand below [{'.'.join([*words, key])}]."
        )
    whose = f"`visavis {' '.join(words)}`" if words else "any command"
    known = {
        name.replace("_", "-")
        for command, names in commands.items()
        if command.split()[: len(words)] == words
        for name in names
    }
    meant = difflib.get_close_matches(key, sorted(known), 1)
    return f"{path} sets '{key}', which is no option of {whose}{f'; {meant[0]!r} is one' if meant else ''}."


def _tables(
    content: Mapping[str, Any], words: tuple[str, ...] = ()
) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Yield every table with its own keys, an outer one before those within, which overrule it."""
    yield list(words), {key: value for key, value in content.items() if not isinstance(value, dict)}
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _tables(value, (*words, key))
