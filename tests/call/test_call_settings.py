"""Settings from visavis.toml, and their place under the environment and the command line."""

import json
from pathlib import Path

import pytest

from call import settings
from call.errors import CallError
from tests.call.program import Visavis

OPTIONS = {"loopback": frozenset({"crop", "profile"}), "receive": frozenset({"profile", "turn_user"})}


def write(folder: Path, text: str) -> Path:
    path = folder / "visavis.toml"
    path.write_text(text)
    return path


def test_no_settings_file_means_no_settings(tmp_path: Path) -> None:
    assert settings.load(tmp_path / "visavis.toml", OPTIONS) == {}


def test_a_key_at_the_top_holds_for_every_command_that_has_the_option(tmp_path: Path) -> None:
    path = write(tmp_path, 'profile = "paper-256"\nturn-user = "ada"\n')
    assert settings.load(path, OPTIONS) == {
        "loopback": {"profile": "paper-256"},
        "receive": {"profile": "paper-256", "turn_user": "ada"},
    }


def test_a_commands_own_table_overrules_the_top(tmp_path: Path) -> None:
    path = write(tmp_path, 'profile = "a"\n[loopback]\nprofile = "b"\ncrop = "full"\n')
    assert settings.load(path, OPTIONS) == {
        "loopback": {"profile": "b", "crop": "full"},
        "receive": {"profile": "a"},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profil = 'a'", "'profil'"),
        ("[loopback]\nturn-user = 'a'", "'turn-user'"),
        ("[lopback]\ncrop = 'full'", r"\[lopback\]"),
        ("crop = ", "cannot be read"),
    ],
)
def test_a_mistyped_setting_is_named_and_not_passed_over(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CallError, match=said):
        settings.load(write(tmp_path, text), OPTIONS)


def test_the_command_line_stands_over_the_environment_and_that_over_the_file(
    tmp_path: Path, visavis: Visavis
) -> None:
    write(tmp_path, 'profile = "from-file"\n')
    file = {"VISAVIS_CONFIG": str(tmp_path / "visavis.toml")}
    said = visavis("doctor", "--json", env=file)
    assert "from-file" in json.dumps(json.loads(said.stdout))
    said = visavis("doctor", "--json", env={**file, "VISAVIS_PROFILE": "from-environment"})
    assert "from-environment" in said.stdout
    said = visavis(
        "doctor", "--json", "--profile", "typed", env={**file, "VISAVIS_PROFILE": "from-environment"}
    )
    assert "typed" in said.stdout
    assert "from-environment" not in said.stdout
