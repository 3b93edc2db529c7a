"""The motion student taught by drawn pictures: what it reads becomes heads, it alone learns, and it is held."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from models.large import motion_student, talking_head  # noqa: E402
from models.training.feed import prefetch  # noqa: E402
from models.training.kinds import needs, student_of  # noqa: E402
from models.training.loop import TrainingError, train  # noqa: E402
from models.training.stage import Stage  # noqa: E402
from models.training.synthesis import FREE, heads_seen, held_terms, synthesis_stage  # noqa: E402
from tests.models.models_fakes import (  # noqa: E402
    SIDE,
    backbone,
    clips,
    filmed,
    level_face,
    portraits,
    tiny_profile,
)

SETTINGS: dict[str, Any] = {
    "name": "synthesis", "kind": "synthesis", "start": "student", "draws": "picture", "batch": 2, "scales": 1,
    "peak": 5.0, "pixels": 4.0, "perceptual": 1.0, "close": 0.7, "warp": 1.0, "hold": 20.0, "dropout": 1.0,
    "portraits": 0.5,
}  # fmt: skip
STAGES: list[dict[str, Any]] = [
    {"name": "student", "kind": "student"},
    {"name": "picture", "kind": "picture", "heads": "student", "start": "coarse"},
    SETTINGS,
    {"name": "later", "kind": "picture", "heads": "student"},
]


def student() -> Any:
    torch.manual_seed(0)
    made = motion_student(tiny_profile()).eval()
    level = level_face()
    made.level_keypoints.normal_(0, 0.5)
    made.level_rigid.copy_(torch.from_numpy(level.points[: len(made.level_rigid)]))
    return made


def set_up(folder: Path) -> Stage:
    return synthesis_stage(
        tiny_profile(), clips=filmed(clips()), portraits=filmed(portraits()), level=level_face(),
        first=student().state_dict(), drawing=talking_head(tiny_profile()).state_dict(), settings=SETTINGS,
        perceptual=backbone(folder / "backbone.pth"), device=torch.device("cpu"),
    )  # fmt: skip


def test_heads_are_where_the_student_saw_them_and_dropped_keypoints_are_neutral() -> None:
    pictures = torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        seen = student()(pictures)
        source, sent, whole = heads_seen(seen, torch.tensor([5, 20]))
    number = sent.keypoints.shape[1]
    torch.testing.assert_close(source.keypoints[..., :2], seen.points[:2, :number], atol=1e-4, rtol=0)
    torch.testing.assert_close(whole.keypoints[..., :2], seen.points[2:, :number], atol=1e-4, rtol=0)
    torch.testing.assert_close(sent.keypoints[1], whole.keypoints[1])
    torch.testing.assert_close(sent.keypoints[0, :5], whole.keypoints[0, :5])
    # What is dropped is where the source's neutral face has it, turned and placed as the driving head is.
    neutral = seen.canonical[0] @ whole.linear[0].T + whole.shift[0]
    torch.testing.assert_close(sent.keypoints[0, 5:], neutral[5:], atol=1e-4, rtol=0)


def test_the_pose_reaches_the_rigid_points_only_where_it_is_to_learn() -> None:
    made, picture = student(), torch.rand(1, 3, SIDE, SIDE)
    made(picture, pose_learns=True).rotation.sum().backward()
    rigid = slice(len(made.level_keypoints), None)
    assert made.heatmaps.weight.grad[rigid].abs().sum() > 0
    assert not made(picture).rotation.requires_grad


def test_places_move_a_little_for_nothing_and_cost_beyond() -> None:
    with torch.no_grad():
        before = student()(torch.rand(2, 3, SIDE, SIDE))
    near = before._replace(points=before.points + 0.9 * FREE)
    far = before._replace(points=before.points - 3 * FREE)
    assert held_terms(near, before, hold=20)["places"].item() == pytest.approx(0, abs=1e-5)
    assert held_terms(far, before, hold=20)["places"].item() == pytest.approx(40 * FREE, rel=1e-3)
    other = before._replace(canonical=before.canonical + 0.5)
    assert held_terms(other, before, hold=20)["neutral"].item() == pytest.approx(0.5, rel=1e-3)


def test_the_student_alone_learns_from_its_first_layer_on_and_its_norms_stay(tmp_path: Path) -> None:
    stage = set_up(tmp_path)
    before = {name: value.clone() for name, value in stage.network.state_dict().items()}
    assert before.keys() == student().state_dict().keys()
    train(
        stage.network, stage.losses, lambda first: prefetch(stage.batches, seed=1, start=first),
        folder=tmp_path / "run", steps=2, batch=2, peak=1e-3, warm_up=1, every=2,
    )  # fmt: skip
    after = stage.network.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert {"stem.0.weight", "heatmaps.weight", "depth.weight"} <= moved
    assert not any("running" in name or "level" in name for name in moved)
    assert stage.sheet is not None
    assert stage.sheet(after).shape[2] == 3


def test_a_stage_takes_the_student_of_the_last_stage_before_it_that_taught_one() -> None:
    assert student_of(STAGES, STAGES[1]) == "student"
    assert student_of(STAGES, STAGES[3]) == "synthesis"
    assert needs(STAGES[2], STAGES) == ["student", "picture"]
    with pytest.raises(TrainingError, match="no stage before it"):
        student_of(STAGES[1:], STAGES[1])
