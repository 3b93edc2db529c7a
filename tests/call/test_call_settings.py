"""Settings from visavis.toml, and their place under the environment and the command line."""

import json
from pathlib import Path

import pytest
import typer

from call import settings
from call.cli import app
from call.errors import CallError
from tests.call.program import Visavis, sentence_of

OPTIONS = {"loopback": frozenset({"crop", "profile"}), "receive": frozenset({"profile", "turn_user"})}
NESTED = {
    "loopback": frozenset({"json"}),
    "models list": frozenset({"json"}),
    "models verify": frozenset({"json"}),
}


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


def test_a_command_within_a_group_has_a_table_of_its_own_and_its_groups(tmp_path: Path) -> None:
    path = write(tmp_path, "json = false\n[models.verify]\njson = true\n")
    values = {"loopback": {"json": False}, "models list": {"json": False}, "models verify": {"json": True}}
    assert settings.load(path, NESTED) == values
    path = write(tmp_path, "[models]\njson = true\n[models.verify]\njson = false\n")
    values = {"loopback": {}, "models list": {"json": True}, "models verify": {"json": False}}
    assert settings.load(path, NESTED) == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("profil = 'a'", "'profil'"),
        ("[loopback]\nturn-user = 'a'", "'turn-user'"),
        ("[lopback]\ncrop = 'full'", r"\[lopback\]"),
        ("crop = ", "are no TOML: Invalid value"),
        ("crpo = 'full'", "'crop' is one"),
        ("loopback = 3", r"below \[loopback\]"),
        ("[[loopback]]\ncrop = 'full'", r"below \[loopback\]"),
        ("[loopback.quickly]\ncrop = 'full'", r"\[loopback\.quickly\]"),
    ],
)
def test_a_mistyped_setting_is_named_and_not_passed_over(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(CallError, match=said):
        settings.load(write(tmp_path, text), OPTIONS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("crop = 'round'", "sets crop = 'round'"),
        ("repeat = 'x'", "sets repeat = 'x'"),
        ("limit = 20", "sets limit = 20"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_its_file_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    path = write(tmp_path, f"[loopback]\n{text}\n")
    monkeypatch.setenv("VISAVIS_CONFIG", str(path))
    program = typer.main.get_command(app)
    with pytest.raises(CallError) as error:
        program(["loopback", "clip.mp4"], default_map=settings.read(program))
    assert str(error.value).startswith(f"{path} {said}, which cannot be: ")


def test_a_settings_file_that_is_named_and_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISAVIS_CONFIG", str(tmp_path / "mistyped.toml"))
    with pytest.raises(CallError, match=r"mistyped\.toml, which does not exist"):
        settings.read(typer.main.get_command(app))


def test_a_value_of_the_environment_that_cannot_be_is_told_with_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VISAVIS_TURN_USER", "ada")
    monkeypatch.setenv("VISAVIS_CROP", "round")
    with pytest.raises(CallError, match="VISAVIS_CROP in the environment cannot be: 'round'"):
        typer.main.get_command(app)(["loopback", "clip.mp4"])


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


def test_the_same_order_holds_for_the_commands_of_models(tmp_path: Path, visavis: Visavis) -> None:
    write(tmp_path, 'json = true\nprofile = "from-file"\n[models.verify]\nengine = "engine-from-file"\n')
    file = {"VISAVIS_CONFIG": str(tmp_path / "visavis.toml")}
    environment = {**file, "VISAVIS_PROFILE": "from-environment", "VISAVIS_ENGINE": "from-environment"}

    def profiles(*arguments: str, env: dict[str, str]) -> list[str]:
        return [row["profile"] for row in json.loads(visavis(*arguments, env=env).stdout)]

    assert "laptop-256" in profiles("models", "list", env=file)
    assert profiles("models", "verify", env=file) == ["from-file"]
    assert profiles("models", "verify", env=environment) == ["from-environment"]
    assert profiles("models", "verify", "typed", env=environment) == ["typed"]
    assert not visavis("models", "list", env={**file, "VISAVIS_JSON": "0"}).stdout.startswith("[")


def test_the_engine_of_models_verify_can_be_set(
    tmp_path: Path, visavis: Visavis, profile_folder: Path
) -> None:
    write(tmp_path, '[models.verify]\nengine = "engine-from-file"\n')
    file = {"VISAVIS_CONFIG": str(tmp_path / "visavis.toml")}
    environment = {**file, "VISAVIS_ENGINE": "engine-from-environment"}
    verify = ("models", "verify", str(profile_folder))
    assert "engine-from-file" in sentence_of(visavis(*verify, env=file))
    assert "engine-from-environment" in sentence_of(visavis(*verify, env=environment))
    assert "engine-typed" in sentence_of(visavis(*verify, "--engine", "engine-typed", env=environment))
