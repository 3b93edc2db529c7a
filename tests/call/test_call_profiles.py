"""`visavis models`: what is built runs, what is only described says so, and each tells its work."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import runtime.profile
from call import doctor, profiles
from call.errors import CallError
from runtime.engine import EngineError


def test_every_profile_is_listed_with_its_work_built_or_not(capsys: pytest.CaptureFixture[str]) -> None:
    profiles.list_all(as_json=True)
    rows = {row["profile"]: row for row in json.loads(capsys.readouterr().out)}
    assert {"laptop-256", "laptop-512", "paper-256", "paper-512"} <= set(rows)
    for row in rows.values():
        assert row["parameters"] > 1e6
        assert 0 < row["motion_gmac"] < row["frame_gmac"]
    assert len(rows["laptop-256"]["graphs_hash"]) == 12
    assert rows["paper-256"]["why"].startswith("not built: no weights yet")
    assert "visavis models build paper-256" in rows["paper-256"]["why"]


def test_the_list_is_for_people_too(capsys: pytest.CaptureFixture[str]) -> None:
    profiles.list_all(as_json=False)
    shown = capsys.readouterr().out
    assert "168.5" in shown
    assert "not built" in shown


def test_only_profiles_that_are_built_are_verified_unless_one_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def find_nothing_wrong(name: str, engine: str) -> list[str]:
        ran.append(name)
        return []

    with monkeypatch.context() as patched:
        patched.setattr(profiles, "_why_not", find_nothing_wrong)
        profiles.verify(None, "openvino", as_json=True)
    assert "laptop-256" in ran
    assert "paper-256" not in ran
    with pytest.raises(CallError, match="not built: it has sizes"):
        profiles.verify("paper-256", "openvino", as_json=True)


def test_the_doctor_says_that_a_profile_is_not_built() -> None:
    (finding,) = doctor.engines("paper-256")
    assert finding.state == "missing"
    assert "not built" in finding.found


def test_the_list_says_how_good_a_profile_was_measured_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    profiles.list_all(as_json=True)
    rows = {row["profile"]: row for row in json.loads(capsys.readouterr().out)}
    assert 0 < rows["laptop-256"]["quality"]["face_lpips_ratio"] < 1
    assert rows["paper-256"]["quality"] is None


@pytest.mark.parametrize(("faster", "chosen"), [(1.0, "laptop-256"), (3.0, "laptop-512")])
def test_the_doctor_advises_the_largest_picture_that_leaves_time_to_spare(
    monkeypatch: pytest.MonkeyPatch, faster: float, chosen: str
) -> None:
    times = {"laptop-256": (4.0 / faster, 12.0 / faster), "laptop-512": (6.0 / faster, 40.0 / faster)}
    monkeypatch.setattr(doctor, "frame_times", processor_alone(times))
    (finding,) = doctor.profile_to_use()
    assert finding.found.startswith(chosen)
    assert f"--profile {chosen} " in finding.advice
    assert "--engine" not in finding.advice


def test_the_doctor_advises_the_engine_that_is_fastest_here(monkeypatch: pytest.MonkeyPatch) -> None:
    times = {"laptop-256": (4.0, 12.0), "laptop-512": (6.0, 40.0)}
    on_processor = processor_alone(times)

    def with_card(name: str, engine: str) -> tuple[float, float]:
        return (0.3, 1.5) if engine == "torch-cuda" else on_processor(name, engine)

    monkeypatch.setattr(doctor, "frame_times", with_card)
    (finding,) = doctor.profile_to_use()
    assert finding.found.startswith("laptop-512")
    assert "--profile laptop-512 on both sides (512 pixels), and --engine torch-cuda here" in finding.advice


def processor_alone(times: dict[str, tuple[float, float]]) -> Callable[[str, str], tuple[float, float]]:
    def frame_times(name: str, engine: str) -> tuple[float, float]:
        if not engine.startswith("openvino") or engine.endswith("gpu"):
            raise EngineError("There is no card here.")
        return times[name]

    return frame_times


@pytest.fixture
def installed(profile_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with copies of both profiles in place of the one that is installed."""
    folder = tmp_path / "profiles"
    for name in ("laptop-256", "laptop-512"):
        shutil.copytree(profile_folder.parent / name, folder / name)
    monkeypatch.setattr(runtime.profile, "profiles_folder", lambda: folder)
    return folder


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def test_every_file_that_a_profile_names_is_verified(installed: Path) -> None:
    toml = (installed / "laptop-256" / "profile.toml").read_text()
    files = [file for file in (installed / "laptop-256").iterdir() if file.suffix not in (".toml", ".md")]
    assert len(files) == 14
    for file in files:
        assert f"\n{file.name.partition('.')[0]}" in toml.replace('"', "")
        cut_short(file)
    faults = [str(fault) for fault in runtime.profile.find_faults("laptop-256")]
    for file in files:
        assert any(str(file.with_suffix("")) in fault for fault in faults), file
    for file in files:
        file.unlink()
    assert all("is missing" in str(fault) for fault in runtime.profile.find_faults("laptop-256"))


def test_weights_that_are_damaged_keep_a_profile_from_being_verified_and_not_from_a_call(
    installed: Path,
) -> None:
    cut_short(installed / "laptop-512" / "weights.safetensors")
    with pytest.raises(CallError, match=r"laptop-512/weights\.safetensors is damaged"):
        profiles.verify("laptop-512", "openvino", as_json=True)
    assert runtime.profile.load_profile("laptop-512").picture_size == 512


def test_a_profile_that_shares_is_mended_where_what_it_shares_lies(installed: Path) -> None:
    cut_short(installed / "laptop-256" / "source.onnx")
    (finding,) = doctor.engines("laptop-512")
    assert finding.state == "damaged"
    assert str(installed / "laptop-256" / "source.onnx") in finding.found
    assert str(installed / "laptop-256") in finding.advice
    assert "laptop-512" not in finding.found + finding.advice


def test_a_copy_of_a_profile_is_mended_in_its_own_folder(profile_folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine"
    shutil.copytree(profile_folder, own)
    cut_short(own / "frame.int8.bin")
    (finding,) = doctor.engines(str(own))
    assert finding.state == "damaged"
    assert finding.advice == f"Take frame.int8.xml again from where you have {own} from."
    (own / "frame.int8.bin").unlink()
    (finding,) = doctor.engines(str(own))
    assert finding.state == "missing"
    (own / "profile.toml").write_text("name = [")
    (finding,) = doctor.engines(str(own))
    assert finding.state == "damaged"
    assert str(profile_folder) not in finding.found + finding.advice
