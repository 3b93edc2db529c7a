"""The command line: help, usage, versions, and how errors are told."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from call import settings
from call.cli import app
from call.errors import CallError, explain
from tests.call.program import Visavis

COMMANDS = [
    ("loopback",), ("send",), ("receive",), ("serve",), ("demo",), ("doctor",),
    ("models", "list"), ("models", "verify"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(visavis: Visavis, command: tuple[str, ...]) -> None:
    result = visavis(*command, "--help")
    assert result.returncode == 0
    assert "Example: visavis " + " ".join(command) in result.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("bench", "quality"),
        ("train",),
        ("data", "pack"),
        ("tables", "fit"),
        ("models", "build"),
        ("models", "export"),
    ],
    ids=" ".join,
)
def test_a_command_that_is_passed_on_explains_itself_too(visavis: Visavis, command: tuple[str, ...]) -> None:
    result = visavis(*command, "--help")
    assert result.returncode == 0, result.stderr
    assert "usage" in result.stdout.lower()


@pytest.mark.parametrize(
    "arguments",
    [
        ("loopback",),
        ("loopback", "clip.mp4", "--crop", "round"),
        ("loopback", "clip.mp4", "--repeat", "0"),
        ("send", "clip.mp4"),
        ("receive", "--bogus"),
        ("fly",),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_from_failure_by_its_exit_code(
    visavis: Visavis, arguments: tuple[str, ...]
) -> None:
    assert visavis(*arguments).returncode == 2


def test_settings_know_options_by_what_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "visavis.toml").write_text('json = true\n[send]\nturn-user = "ada"\n')
    monkeypatch.setenv("VISAVIS_CONFIG", str(tmp_path / "visavis.toml"))
    read = settings.read(typer.main.get_command(app))
    assert read["loopback"] == {"as_json": True}
    assert read["send"] == {"as_json": True, "turn_user": "ada"}


def test_help_loads_nothing_that_a_call_or_training_needs(environment: dict[str, str]) -> None:
    script = (
        "import sys\nfrom call.cli import app\ntry:\n    app(['--help'])\nexcept SystemExit as end:\n"
        "    assert not end.code\n"
        "heavy = {'torch', 'numpy', 'cv2', 'av', 'openvino', 'aiortc', 'models', 'bench'} & sys.modules.keys()\n"
        "assert not heavy, heavy\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_the_version_is_printed(visavis: Visavis) -> None:
    assert visavis("--version").stdout.startswith("visavis ")


def test_a_traceback_is_shown_only_to_those_who_ask(visavis: Visavis) -> None:
    wrong = ("send", "clip.mp4", "--connect", "a b", "--code", "x", "--profile", "nothing-here")
    assert "Traceback" not in visavis(*wrong).stderr
    assert "Traceback" in visavis(*wrong, "--debug").stderr
    assert "Traceback" in visavis(*wrong, env={"VISAVIS_DEBUG": "1"}).stderr


def test_errors_of_the_house_are_told_in_their_own_words() -> None:
    assert explain(CallError("The line is dead.")) == "The line is dead."


def test_errors_of_the_system_name_the_file() -> None:
    assert explain(FileNotFoundError(2, "No such file or directory", "x.mp4")) == (
        "x.mp4: No such file or directory."
    )


def test_a_fault_of_the_program_says_how_to_look_closer() -> None:
    assert "--debug" in explain(RuntimeError("boom"))
