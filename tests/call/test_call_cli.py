"""The command line: help, usage, versions, and how errors are told."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from call import settings
from call.cli import app
from call.errors import CallError, explain
from tests.call.program import PROGRAM, Visavis, sentence_of

COMMANDS = [
    ("loopback",), ("send",), ("receive",), ("serve",), ("demo",), ("doctor",),
    ("models", "list"), ("models", "verify"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(visavis: Visavis, command: tuple[str, ...]) -> None:
    result = visavis(*command, "--help")
    assert result.returncode == 0
    assert "Example: visavis " + " ".join(command) in result.stdout


# What a call's own installation is without.
TRAINING = (
    "torch lightning nncf onnx safetensors tensorboard dask distributed scipy matplotlib torchmetrics skimage"
)
PASSED_ON = [
    ("bench", "quality"), ("train",), ("data", "prepare"), ("data", "pack"), ("tables", "fit"), ("models", "build"),
    ("models", "export"), ("models", "residual"), ("models", "quantise"), ("models", "half"),
]  # fmt: skip


def without_training(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as where only what a call needs is installed."""
    script = (
        f"import sys\nsys.modules.update(dict.fromkeys({TRAINING.split()}))\n"
        f"sys.argv = {['visavis', *arguments]}\nfrom call.cli import main\nmain()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", PASSED_ON, ids=" ".join)
def test_a_command_that_is_passed_on_explains_itself_without_what_it_needs(
    environment: dict[str, str], command: tuple[str, ...]
) -> None:
    result = without_training(environment, *command, "--help")
    assert result.returncode == 0, result.stderr
    assert f"Usage: visavis {' '.join(command)} [OPTIONS]" in " ".join(result.stdout.split())


def test_training_without_its_packages_says_what_to_install(
    environment: dict[str, str], tmp_path: Path
) -> None:
    for command in (("train", "--data", str(tmp_path)), ("models", "export")):
        said = sentence_of(without_training(environment, *command))
        assert "is not installed" in said
        assert "train" in said.partition("is not installed")[2]


@pytest.mark.parametrize(
    "arguments",
    [
        ("loopback",),
        ("loopback", "clip.mp4", "--crop", "round"),
        ("loopback", "clip.mp4", "--repeat", "0"),
        ("send", "clip.mp4"),
        ("receive", "--bogus"),
        ("train", "--data", "clips", "--minutes", "-1"),
        ("fly",),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told_from_failure_by_its_exit_code(
    visavis: Visavis, arguments: tuple[str, ...]
) -> None:
    assert visavis(*arguments).returncode == 2


@pytest.mark.parametrize("way", [("loopback",), ("send", "--connect", "localhost:1", "--code", "F7K2QX")])
def test_packets_that_stand_alone_have_no_bundles(visavis: Visavis, way: tuple[str, ...]) -> None:
    result = visavis(*way, "clip.mp4", "--mode", "static", "--bundle", "4")
    assert result.returncode == 2
    assert "--mode static" in result.stderr


def test_a_choice_that_is_none_is_told_in_our_words(visavis: Visavis) -> None:
    said = visavis("loopback", "clip.mp4", "--crop", "round").stderr
    assert "'round' is not one of" in said
    assert "Value error" not in said


@pytest.mark.parametrize(
    "command", ["loopback", "train", "data pack", "tables fit", "models build", "bench rate"]
)
def test_every_command_gives_help_for_its_short_option_too(visavis: Visavis, command: str) -> None:
    said = visavis(*command.split(), "-h")
    assert said.returncode == 0, said.stderr
    assert f"visavis {command}" in said.stdout


def test_arguments_that_may_be_left_out_stand_in_one_pair_of_brackets(visavis: Visavis) -> None:
    assert "[HOST[:PORT]] [CODE]" in visavis("call", "--help").stdout


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


def test_ctrl_c_while_the_program_is_loaded_ends_it_without_a_traceback(environment: dict[str, str]) -> None:
    script = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'typer':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from call.__main__ import main\n"
        "main()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


def test_the_engine_tells_nobody_that_it_is_used(environment: dict[str, str], profile_folder: Path) -> None:
    script = (
        "import sys\n"
        "from call.ends import load_talker\n"
        f"load_talker({str(profile_folder)!r}, 'openvino')\n"
        "assert 'openvino' in sys.modules\n"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry.')]\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is full")
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_what_cannot_be_printed_is_said_so(environment: dict[str, str], more: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [*PROGRAM, "models", "list", *more],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr.startswith("visavis: What is to be printed cannot be written (No space left")
    assert len(result.stderr.splitlines()) == 1


def test_a_bench_replaces_no_report_unasked(environment: dict[str, str], tmp_path: Path) -> None:
    report = tmp_path / "speed.json"
    report.write_text("older")
    result = subprocess.run(
        [*PROGRAM, "bench", "speed", "--output", str(report)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert f"{report} exists already: name another, or replace it with --overwrite." in result.stderr
    assert report.read_text() == "older"


def test_errors_of_the_house_are_told_in_their_own_words() -> None:
    assert explain(CallError("The line is dead.")) == "The line is dead."


def test_errors_of_the_system_name_the_file() -> None:
    assert explain(FileNotFoundError(2, "No such file or directory", "x.mp4")) == (
        "x.mp4: No such file or directory."
    )


def test_a_fault_of_the_program_says_how_to_look_closer() -> None:
    assert "--debug" in explain(RuntimeError("boom"))
