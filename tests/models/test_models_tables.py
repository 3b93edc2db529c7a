"""The entropy coder's tables: what `visavis tables fit` writes."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

from codec.format import MotionFormat
from models import tables
from tests.full_disk import contents, full_disk


def test_a_full_disk_leaves_the_tables_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile_folder: Path
) -> None:
    fitted = MotionFormat.load(profile_folder / "tables.npz")
    (tmp_path / "tables.npz").write_bytes(b"the tables of before")
    profile = SimpleNamespace(name="laptop-256", format_path=tmp_path / "tables.npz")
    monkeypatch.setattr(tables, "load_profile", lambda *_, **__: profile)
    monkeypatch.setattr(tables, "streams_of", lambda *_, **__: [])
    monkeypatch.setattr(tables, "fit_tables", lambda *_, **__: fitted)
    monkeypatch.setattr(tables, "fit_prediction", lambda *_: fitted.prediction)
    before = contents(tmp_path)
    with full_disk(1_000):
        done = CliRunner().invoke(tables.app, ["fit", "--data", str(tmp_path)])
    assert (done.exit_code, contents(tmp_path)) == (1, before)
    assert f"visavis tables fit: {tmp_path} could not be written: File too large" in done.stderr
