"""A stage that trains some modules and holds the rest, and the windows in which it sees a large picture's detail."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.training.feed import prefetch  # noqa: E402
from models.training.loop import TrainingError, train  # noqa: E402
from models.training.picture import picture_stage, window_at  # noqa: E402
from models.training.stage import Stage  # noqa: E402
from tests.models.models_fakes import (  # noqa: E402
    SIDE,
    backbone,
    clips,
    filmed,
    level_face,
    linear_heads,
    tiny_profile,
)

LEARNS = ["generator.fine", "generator.leave"]
SETTINGS: dict[str, Any] = {
    "heads": "teacher", "size": SIDE, "batch": 2, "scales": 1, "peak": 5.0, "pixels": 4.0, "perceptual": 1.0,
    "close": 0.7, "warp": 2.0,
}  # fmt: skip


JUDGED = {"finished": True, "lpips": 1.0, "face_lpips": 1.5}


def set_up(folder: Path, learns: list[str], **more: Any) -> Stage:
    torch.manual_seed(0)
    return picture_stage(
        tiny_profile(), clips=filmed(clips()), portraits=None, level=level_face(),
        settings=SETTINGS | {"learns": learns} | more, perceptual=backbone(folder / "backbone.pth"),
        device=torch.device("cpu"),
    )  # fmt: skip


def test_only_what_is_named_learns_and_the_rest_stays_to_the_bit(tmp_path: Path) -> None:
    stage = set_up(tmp_path, LEARNS)
    before = {name: value.clone() for name, value in stage.network.state_dict().items()}
    train(
        stage.network, stage.losses, lambda first: prefetch(stage.batches, seed=1, start=first),
        folder=tmp_path / "run", steps=2, batch=2, peak=1e-3, warm_up=1, every=2,
    )  # fmt: skip
    moved = {
        name for name, value in stage.network.state_dict().items() if not torch.equal(value, before[name])
    }
    assert moved == {name for name in before if any(name.startswith(f"{each}.") for each in LEARNS)}


def test_a_finished_network_keeps_its_norms_statistics_while_it_learns(tmp_path: Path) -> None:
    linear_heads(tmp_path)
    stage = set_up(tmp_path, ["generator"], **JUDGED)
    before = {name: value.clone() for name, value in stage.network.state_dict().items()}
    train(
        stage.network, stage.losses, lambda first: prefetch(stage.batches, seed=1, start=first),
        folder=tmp_path / "run", steps=2, batch=2, peak=1e-3, warm_up=1, every=2,
    )  # fmt: skip
    after = stage.network.state_dict()
    assert not torch.equal(after["generator.fine.0.weight"], before["generator.fine.0.weight"])
    counted = [name for name in before if "running_" in name or "num_batches" in name]
    assert counted
    assert all(torch.equal(after[name], before[name]) for name in counted)


def test_judging_needs_the_linear_heads_and_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="lpips_squeeze_heads"):
        set_up(tmp_path, ["generator"], **JUDGED)


def test_a_module_that_is_not_there_cannot_learn(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"generator\.hair"):
        set_up(tmp_path, ["generator.hair"])


def test_windows_cover_a_large_picture_evenly() -> None:
    seen = np.zeros((512, 512))
    for step in range(400):
        seen[window_at(step, 512)] += 1
    assert seen[0, 0] + seen[255, 255] > 0
    assert seen[192:320, 192:320].min() > 400 * 0.2
    assert seen.sum() == 400 * 256 * 256
