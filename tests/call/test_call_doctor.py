"""What the doctor says of a machine, beside its profiles and engines."""

import os
import socket
import sys
import webbrowser

import pytest

from call import doctor


def test_the_doctor_names_the_browser_and_says_whose_the_microphone_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.BackgroundBrowser("firefox"))
    browser, microphone = doctor.browser()
    assert (browser.what, browser.state, browser.found) == ("browser", "good", "firefox")
    assert microphone.what == "microphone"
    assert microphone.found.startswith("the browser's own")


def test_where_no_browser_can_show_a_call_the_doctor_says_how_to_go_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("BROWSER", raising=False)
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("w3m"))  # one in letters
    browser, _ = doctor.browser()
    assert browser.state == "missing"
    assert "--headless" in browser.advice


def test_the_port_is_said_to_be_a_calls_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as holder:
        holder.bind(("0.0.0.0", 0))
        free = holder.getsockname()[1]
        holder.listen()
        monkeypatch.setattr(doctor, "DEFAULT_PORT", free)
        _, taken = doctor.ports()
    assert taken.state == "broken"
    assert "call --listen" in taken.advice
    _, port = doctor.ports()
    assert port.found == "free for call --listen and receive"


@pytest.mark.parametrize(("cores", "state"), [(1, "slow"), (2, "good")])
def test_one_core_is_short_for_a_side_of_a_call(
    monkeypatch: pytest.MonkeyPatch, cores: int, state: str
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)), raising=False)
    (finding,) = doctor.python()
    assert finding.state == state
    assert ("side of a call" in finding.advice) is (cores == 1)


@pytest.mark.parametrize(
    ("engine", "advice"), [("openvino", "Close other programs"), ("torch", "a call takes")]
)
def test_a_slow_engine_is_advised_on_by_what_it_is_for(
    monkeypatch: pytest.MonkeyPatch, engine: str, advice: str
) -> None:
    monkeypatch.setattr(doctor, "frame_times", lambda profile, name: (100.0, 100.0))
    monkeypatch.setattr("runtime.engine.ENGINES", {engine: None})
    monkeypatch.setattr("runtime.engine.TORCH_ENGINES", ())
    findings = {finding.what: finding for finding in doctor.engines("laptop-256")}
    assert advice in findings[f"engine {engine}"].advice


@pytest.mark.usefixtures("profile_folder")
def test_an_openvino_that_does_not_load_is_a_finding_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setattr("runtime.engine.TORCH_ENGINES", ())
    findings = {finding.what: finding for finding in doctor.engines("laptop-256")}
    assert findings["engine openvino"].state == "missing"
    assert findings["engine openvino"].found.startswith("OpenVINO does not load (")
    assert findings["engine auto"].state == "good"  # another engine may be there
