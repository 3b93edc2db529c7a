"""The fuzz bench: what it throws, and that it notices what must not be."""

import itertools
import json
import time

import pytest
from typer.testing import CliRunner

import bench.fuzz_kinds
from bench.__main__ import app
from bench.fuzz import SLOWEST_S, run_fuzz, run_kind
from bench.fuzz_kinds import Kind, make_kinds
from bench.fuzz_seeds import many_units
from bench.messages import MESSAGES
from codec.control import decode_control, encode_control
from codec.errors import BitstreamError
from codec.format import MotionFormat


@pytest.fixture(scope="module")
def kinds(profile_folder):
    return make_kinds(MotionFormat.load(profile_folder / "tables.npz"))


class Panic(BaseException):
    """What a library's Rust raises where it gives up."""


def kind_of(decode, name="fake"):
    return Kind(name, 1.0, [b"a packet", b"another one"], 100, decode)


def refuse(data):
    raise BitstreamError("no")


def burn(data):
    end = time.process_time() + SLOWEST_S * 1.2
    while time.process_time() < end:
        pass


def test_every_seed_is_a_whole_packet_of_its_kind(kinds):
    for kind in kinds:
        for seed in kind.seeds:
            if kind.name != "picture" or seed != many_units():
                kind.decode(seed)


def test_every_type_of_message_is_among_the_seeds():
    known = set()
    for number in range(256):
        try:
            decode_control(bytes([number]))
        except BitstreamError as error:
            if "not known" in str(error):
                continue
        known.add(number)
    assert {encode_control(message)[0] for message in MESSAGES.values()} == known


def test_the_shares_make_a_whole(kinds):
    assert sum(kind.share for kind in kinds) == pytest.approx(1)


def test_no_decoder_of_ours_fails(kinds):
    result = run_fuzz(kinds, count=2000, seed=5, on_kind=lambda name: None)
    assert result["failures"] == []
    for name, figures in result["kinds"].items():
        assert figures["values"] + figures["refused"] == figures["cases"]
        assert figures["refused"], name


def test_cases_are_the_same_for_the_same_seed_only(kinds):
    one, same, other = (list(kinds[0].cases(50, seed)) for seed in (1, 1, 2))
    assert one == same != other
    assert all(len(case) <= kinds[0].longest for case in one)


@pytest.mark.parametrize("error", [ValueError("odd"), AssertionError(), MemoryError(), Panic("a panic")])
def test_any_other_exception_is_a_failure(error):
    def decode(data):
        raise error

    result = run_fuzz([kind_of(decode)], count=20, seed=0, on_kind=lambda name: None)
    assert result["kinds"]["fake"]["faults"] == 20
    assert len(result["examples"]) == 5
    assert type(error).__name__ in result["failures"][0]


def test_a_fault_can_be_found_again_by_its_number():
    def decode(data):
        if b"other" in data:
            raise KeyError(data)

    outcome = run_kind(kind_of(decode), count=100, seed=3)
    cases = list(kind_of(decode).cases(100, 3))
    assert 0 < outcome.faults < 100
    for example in outcome.examples:
        assert cases[example["case"]].hex() == example["packet"]


def test_a_decoder_that_is_slow_is_a_failure():
    outcome = run_kind(kind_of(burn), count=2, seed=0)
    assert "took" in outcome.failures()[0]


def test_a_decoder_that_was_only_interrupted_is_none():
    calls = itertools.count()

    def decode(data):
        if next(calls) == 1:
            burn(data)

    outcome = run_kind(kind_of(decode), count=5, seed=0)
    assert outcome.failures() == []


def test_memory_that_grows_is_a_failure():
    held = []

    def leak(data):
        held.append(bytes(b"x" * (1 << 20)))

    outcome = run_kind(kind_of(leak), count=30, seed=0)
    assert "memory grew" in outcome.failures()[0]


@pytest.mark.parametrize(("decode", "code"), [(refuse, 0), (lambda data: data[99], 1)])
def test_the_command_ends_with_the_verdict(profile_folder, monkeypatch, decode, code):
    monkeypatch.setattr(bench.fuzz_kinds, "make_kinds", lambda motion_format: [kind_of(decode)])
    done = CliRunner().invoke(app, ["fuzz", "--count", "10", "--profile", str(profile_folder), "--json"])
    assert done.exit_code == code
    assert json.loads(done.stdout)["count"] == 10
    assert ("IndexError" in done.stderr) == bool(code)


def test_the_kinds_that_are_named_get_all_packets_each(profile_folder, monkeypatch):
    monkeypatch.setattr(
        bench.fuzz_kinds, "make_kinds", lambda motion_format: [kind_of(refuse, name) for name in "abc"]
    )
    options = ["fuzz", "--count", "10", "--profile", str(profile_folder), "--json"]
    done = CliRunner().invoke(app, [*options, "--kind", "a", "--kind", "c"])
    assert {name: kind["cases"] for name, kind in json.loads(done.stdout)["kinds"].items()} == {
        "a": 10,
        "c": 10,
    }
    wrong = CliRunner().invoke(app, [*options, "--kind", "d"])
    assert wrong.exit_code == 2
    assert "'d' is none of a, b, c" in wrong.stderr
