"""What a kept point depends on besides its clip: code, weights, libraries."""

from dataclasses import replace
from pathlib import Path

import pytest
from rd_fakes import VERSIONS, films, plan_of, run, run_rd

import bench.rd
from bench.errors import BenchError
from bench.rd_versions import OURS, RIVALS, Versions, code_hash, made_with, versions_of


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A module that imports another one, in a package and within a function."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "__init__.py").touch()
    (tmp_path / "inner" / "far.py").write_text("STEP = 1\n")
    (tmp_path / "inner" / "other.py").write_text("STEP = 1\n")
    (tmp_path / "near.py").write_text(
        'def go():\n    """Go."""\n    from inner import far\n    import json\n    return far.STEP\n'
    )
    return tmp_path


def read(tree: Path) -> str:
    """Return the hash as a new process would."""
    from bench.rd_versions import _read

    _read.cache_clear()
    return code_hash("near", root=tree)


def test_code_counts_with_all_that_it_imports_and_nothing_else(tree: Path) -> None:
    before = read(tree)
    (tree / "inner" / "other.py").write_text("STEP = 2\n")
    assert read(tree) == before
    (tree / "inner" / "far.py").write_text("STEP = 2\n")
    assert read(tree) != before


def test_what_is_said_of_code_does_not_count(tree: Path) -> None:
    before = read(tree)
    text = (tree / "near.py").read_text()
    (tree / "near.py").write_text(text.replace("Go.", "Walk.") + "\n\n# And stop.\n")
    assert read(tree) == before
    (tree / "near.py").write_text(text.replace("far.STEP", "2 * far.STEP"))
    assert read(tree) != before


def test_the_codec_counts_for_our_rows_and_not_for_the_conventional_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import bench.rd_versions

    before = code_hash(OURS), code_hash(RIVALS)
    read_file = bench.rd_versions._read

    def changed(path: Path) -> tuple[str, tuple[str, ...]]:
        code, imported = read_file(path)
        return (
            (code + "STEP = 2", imported) if path.parts[-2:] == ("codec", "static.py") else (code, imported)
        )

    monkeypatch.setattr(bench.rd_versions, "_read", changed)
    assert code_hash(OURS) != before[0]
    assert code_hash(RIVALS) == before[1]


def test_another_weight_of_the_judges_is_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.rd_versions.profile_hash", lambda profile, engine: profile)
    (tmp_path / "judge.pth").write_bytes(b"1")
    before = versions_of("a", "openvino", tmp_path)
    (tmp_path / "judge.pth").write_bytes(b"2")
    versions_of.cache_clear()
    after = versions_of("a", "openvino", tmp_path)
    assert (after.judges != before.judges, after.ours == before.ours) == (True, True)
    assert versions_of("b", "openvino", tmp_path).ours != before.ours


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("changed", "again"), [("judges", 6), ("rivals", 4), ("ours", 2)])
def test_only_what_another_version_touches_is_measured_anew(
    tmp_path: Path,
    made: list[tuple[str, int | None]],
    monkeypatch: pytest.MonkeyPatch,
    changed: str,
    again: int,
) -> None:
    plan = plan_of(films(tmp_path / "clips", "one"), tmp_path / "points")
    run(plan)
    before = len(made)
    other: Versions = replace(VERSIONS, **{changed: "new"})
    for module in (bench.rd, bench.rd_scene):
        monkeypatch.setattr(module, "versions_of", lambda profile, engine, backbones: other)
    run(plan)
    assert len(made) - before == again


@pytest.mark.usefixtures("few")
def test_a_worker_of_another_version_is_refused_in_a_sentence(
    tmp_path: Path, made: list[tuple[str, int | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(films(tmp_path / "clips", "one"), tmp_path / "points")
    other = replace(VERSIONS, ours="old")
    monkeypatch.setattr(bench.rd_scene, "versions_of", lambda profile, engine, backbones: other)
    with pytest.raises(BenchError, match="start it anew"):
        run_rd(plan, on_clip=lambda name: None, on_trouble=lambda sentence: None)
    assert made == []


def test_a_result_says_what_made_it() -> None:
    made = made_with({"laptop-256": VERSIONS})
    assert made["codecs"]["h264"]["encoder"] == "libx264"
    assert made["libraries"]["numpy"][0].isdigit()
    assert made["profiles"]["laptop-256"]["judges"] == "judges"
