"""The bench of repairs, with a talker without networks and repairers whose work is known."""

from pathlib import Path

import numpy as np
import pytest
from bench_fakes import SIZE, scene, setup, write_film

from bench.clips import list_clips
from bench.errors import BenchError
from bench.judge import PictureJudge
from bench.residual import AREA, Repair, load_repairer, run_residual
from bench.sheet import Row
from bench.tables import residual_tables
from codec.transfer import PIECE_FRAMING_BYTES
from models.residual import Residual
from models.training.loop import save_checkpoint


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """A folder with one film."""
    write_film(tmp_path / "slow.mkv", scene(8))
    return tmp_path


def sends_everything(picture: np.ndarray, redrawn: np.ndarray, where: np.ndarray) -> Repair:
    return Repair(picture, 576, 576, 2376.0)


def sends_the_fault(picture: np.ndarray, redrawn: np.ndarray, where: np.ndarray) -> Repair:
    """Know where the mirror sees the object, and put the picture there."""
    cells = where.repeat(len(picture) // 16, axis=0).repeat(len(picture) // 16, axis=1)
    return Repair(np.where(cells[..., None], picture, redrawn), int(where.sum()), 256, 1.0)


def sends_nothing(picture: np.ndarray, redrawn: np.ndarray, where: np.ndarray) -> Repair:
    return Repair(redrawn, 0, 576, 72.0)


def test_a_picture_anew_pays_for_its_pieces_as_a_repair_does(
    films: Path, backbones: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.residual.encode_picture", lambda picture: bytes(2_000))
    monkeypatch.setattr("bench.residual.decode_picture", lambda code: np.zeros((SIZE, SIZE, 3), np.uint8))
    options = {"every": 4, "on_clip": lambda name: None}
    found = run_residual(setup(), list_clips(films), sends_nothing, PictureJudge(backbones), **options)
    assert found["summary"]["anew_bytes"] == 2_000 + 3 * PIECE_FRAMING_BYTES


def test_what_is_repaired_and_what_it_costs_are_measured(films: Path, backbones: Path) -> None:
    judge, shown = PictureJudge(backbones), list[Row]()
    options = {"every": 4, "on_clip": lambda name: None}
    whole = run_residual(setup(), list_clips(films), sends_everything, judge, shown=shown, **options)
    summary = whole["summary"]
    assert summary["region_lpips"] == pytest.approx(0, abs=1e-6)
    assert summary["region_lpips_redrawn"] > summary["lpips_redrawn"] > 0
    assert summary["code_bytes"] == 2376
    assert 2376 + 3 * 41 + 2 < summary["message_bytes"] <= summary["message_bytes_most"] < 2376 + 3 * 41 + 150
    assert 0 < summary["region_lpips_anew"] < summary["region_lpips_redrawn"]
    assert summary["cheaper_share"] == (summary["message_bytes"] < summary["anew_bytes"])
    assert summary["halved_share"] == 1
    covered = shown[0].pictures[0].astype(int)
    changed = (covered != scene(8)[2]).any(2).mean()
    assert changed == pytest.approx(AREA, rel=0.5)
    local = run_residual(setup(), list_clips(films), sends_the_fault, judge, **options)["summary"]
    assert local["sent_share"] < 0.5
    assert local["region_lpips_ratio"] < 0.7
    idle = run_residual(setup(), list_clips(films), sends_nothing, judge, **options)["summary"]
    assert idle["region_lpips_ratio"] == pytest.approx(1)
    assert residual_tables(whole)[0].row_count == 13


def test_a_network_is_loaded_from_its_stage_and_its_cells_are_counted(tmp_path: Path) -> None:
    network = Residual().eval()
    network.encoder.significance.bias.data.fill_(-9)  # sends nothing
    save_checkpoint(tmp_path / "checkpoint.pt", {"average": network.state_dict()})
    picture, redrawn = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    repair = load_repairer(tmp_path)(picture, redrawn, np.ones((16, 16), bool))
    assert (repair.cells_sent, repair.cells, repair.code_bytes) == (0, 64, 8)
    np.testing.assert_array_equal(repair.picture, redrawn)


def test_a_folder_without_a_residual_network_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no checkpoint yet"):
        load_repairer(tmp_path / "residual")
    save_checkpoint(tmp_path / "checkpoint.pt", {"average": {}})
    with pytest.raises(BenchError, match="another network"):
        load_repairer(tmp_path)
