"""`visavis models`: what is built runs, what is only described says so, and each tells its work."""

import json

import pytest

from call import doctor, profiles
from call.errors import CallError


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
    with monkeypatch.context() as patched:
        patched.setattr(profiles, "_run_once", lambda wanted: ran.append(wanted.profile))
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
    monkeypatch.setattr(doctor, "frame_times", lambda name, engine: times[name])
    (finding,) = doctor.profile_to_use()
    assert finding.found.startswith(chosen)
    assert f"--profile {chosen} " in finding.advice
