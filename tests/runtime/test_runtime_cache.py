"""The user's cache of compiled graphs, which all processes share."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from runtime import engine
from runtime.profile import load_profile

fcntl = pytest.importorskip(
    "fcntl", reason="where files are not locked as on Unix, none is written while it is mapped"
)


@pytest.mark.usefixtures("profile_folder")
def test_who_compiles_into_the_cache_is_alone_there_until_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    monkeypatch.setitem(sys.modules, "openvino_telemetry", None)
    import openvino

    def is_free() -> bool:
        with (tmp_path / "visavis" / "openvino" / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    free: list[bool] = []

    def compile_model(core: openvino.Core, *given: object) -> SimpleNamespace:
        free.append(is_free())
        return SimpleNamespace(inputs=[], outputs=[], create_infer_request=lambda: None)

    monkeypatch.setattr(openvino.Core, "compile_model", compile_model)
    engine.compile_openvino(load_profile("laptop-256"), "locate")
    assert free == [False]
    assert is_free()


@pytest.mark.usefixtures("profile_folder")
def test_without_a_cache_graphs_are_compiled_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "visavis").write_text("no folder")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / name))
    assert callable(engine.compile_openvino(load_profile("laptop-256"), "locate"))
