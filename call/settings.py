"""Settings from `visavis.toml`, the layer under the environment and the command line.

The file lies in the user's config folder, or where VISAVIS_CONFIG says. A key stands for the option of the
same name (`profile`, `turn-user`); at the top it holds for every command, under `[loopback]` for one. Knows
nothing of what an option means: the command line checks the values as if they had been typed.
"""

import os
import tomllib
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import platformdirs

from call.errors import CallError

FILE_NAME = "visavis.toml"


def settings_path() -> Path:
    """Say where the settings file is looked for, whether or not it exists."""
    named = os.environ.get("VISAVIS_CONFIG")
    return Path(named) if named else platformdirs.user_config_path("visavis") / FILE_NAME


def load(path: Path, options: Mapping[str, Set[str]]) -> dict[str, dict[str, Any]]:
    """Read `path` into one mapping of defaults a command.

    `options` names each command's options as Python names (`turn_user`). Returns command -> option ->
    value; empty when the file does not exist. Raises CallError for a file that is no TOML and for a name
    that no command has, so that a typing error does not pass for a setting.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CallError(f"The settings in {path} cannot be read: {error}.") from error

    shared = {key: value for key, value in content.items() if not isinstance(value, dict)}
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    anywhere = frozenset[str]().union(*options.values())
    _check(path, shared, anywhere, "any command")
    for command, table in tables.items():
        if command not in options:
            raise CallError(f"{path} has a table [{command}], but there is no such command.")
        _check(path, table, options[command], f"`visavis {command}`")

    defaults: dict[str, dict[str, Any]] = {}
    for command, names in options.items():
        merged = {**shared, **tables.get(command, {})}
        defaults[command] = {
            _python_name(key): value for key, value in merged.items() if _python_name(key) in names
        }
    return defaults


def _check(path: Path, table: Mapping[str, Any], names: Set[str], whose: str) -> None:
    for key in table:
        if _python_name(key) not in names:
            raise CallError(f"{path} sets '{key}', which is no option of {whose}.")


def _python_name(key: str) -> str:
    return key.replace("-", "_")
