"""Student and generator taught together: both learn and the rest is held, and what follows in the film comes along."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.large import motion_student, talking_head  # noqa: E402
from models.training.feed import prefetch  # noqa: E402
from models.training.footage import Footage  # noqa: E402
from models.training.kinds import Material, needs, student_of  # noqa: E402
from models.training.kinds import set_up as set_up_kind  # noqa: E402
from models.training.loop import train  # noqa: E402
from models.training.pack import write_pack  # noqa: E402
from models.training.pairs import Heads, PairBatches  # noqa: E402
from models.training.runfile import weights_of_network  # noqa: E402
from models.training.stage import Stage  # noqa: E402
from models.training.together import Pair, changes, strayed, together_stage  # noqa: E402
from tests.models.models_fakes import (  # noqa: E402
    ABOUT,
    SIDE,
    backbone,
    clips,
    filmed,
    level_face,
    linear_heads,
    portraits,
    tiny_profile,
)

SETTINGS: dict[str, Any] = {
    "name": "together", "kind": "together", "sees": "student", "draws": "picture", "batch": 3, "neighbours": 1,
    "scales": 1, "peak": 5.0, "pixels": 2.0, "perceptual": 0.5, "lpips": 1.0, "face_lpips": 1.5, "close": 0.7,
    "learns": ["student", "talker.generator"],
    "warp": 1.0, "steady": 4.0, "follow": 60.0, "hold": 20.0, "dropout": 1.0, "portraits": 0.5, "colours": 2.5,
}  # fmt: skip


def set_up(folder: Path) -> Stage:
    linear_heads(folder)
    torch.manual_seed(0)
    student = motion_student(tiny_profile())
    student.level_keypoints.normal_(0, 0.5)
    student.level_rigid.copy_(torch.from_numpy(level_face().points[: len(student.level_rigid)]))
    return together_stage(
        tiny_profile(), clips=filmed(clips()), portraits=filmed(portraits()), level=level_face(),
        first=student.state_dict(), drawing=talking_head(tiny_profile()).state_dict(), settings=SETTINGS,
        perceptual=backbone(folder / "backbone.pth"), device=torch.device("cpu"),
    )  # fmt: skip


def test_student_and_generator_learn_and_all_else_stays(tmp_path: Path) -> None:
    stage = set_up(tmp_path)
    before = {name: value.clone() for name, value in stage.network.state_dict().items()}
    train(
        stage.network, stage.losses, lambda first: prefetch(stage.batches, seed=1, start=first),
        folder=tmp_path / "run", steps=2, batch=3, peak=1e-3, warm_up=1, every=2,
    )  # fmt: skip
    after = stage.network.state_dict()
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert {"student.stem.0.weight", "student.heatmaps.weight", "talker.generator.leave.weight"} <= moved
    assert all(name.startswith(("student.", "talker.generator.")) for name in moved)
    assert not any("running" in name or "level" in name for name in moved)
    assert stage.sheet is not None
    assert stage.sheet(after).shape[2] == 3
    # What is left serves as two networks' weights, and a network's own as they are.
    motion_student(tiny_profile()).load_state_dict(weights_of_network(after, "student"))
    own = weights_of_network(after, "talker")
    talking_head(tiny_profile()).load_state_dict(own)
    assert weights_of_network(own, "talker") == own


def test_the_last_pairs_are_the_first_ones_a_frame_later() -> None:
    footage = clips()
    for index, picture in enumerate(footage.pictures):
        picture[:] = index + 1
    batches = PairBatches(
        filmed(footage), size=SIDE, batch=5, mirror=np.arange(20), dropout=1.0, neighbours=2, colours=0.0
    )
    for seed in range(8):
        batch = batches(np.random.default_rng(seed))
        assert len(batch["driving"]) == 5
        first, later = batch["driving"][:2].float(), batch["driving"][-2:].float()
        assert (later.mean((1, 2, 3)) - first.mean((1, 2, 3))).round().tolist() == [1, 1]
        for name in ("source", "source_keypoints", "kept"):
            assert torch.equal(batch[name][:2], batch[name][-2:])


def test_a_film_of_one_frame_stands_still() -> None:
    batches = PairBatches(
        filmed(clips(frames=1)), size=SIDE, batch=2, mirror=np.arange(20), neighbours=1, colours=0.0
    )
    for seed in range(4):
        first, later = batches(np.random.default_rng(seed))["driving"]
        assert torch.equal(first, later), "not another film's frame"


def test_changes_are_compared_with_the_films() -> None:
    truth = torch.rand(3, 3, 8, 8)
    assert changes(truth + 0.3, truth, 1).item() == pytest.approx(0, abs=1e-6)  # steadily wrong is steady
    drawn = truth.clone()
    drawn[-1] += 0.25
    assert changes(drawn, truth, 1).item() == pytest.approx(0.25, rel=1e-3)


def test_what_is_drawn_elsewhere_than_it_was_filmed_has_strayed() -> None:
    student = motion_student(tiny_profile()).eval()
    pictures = torch.rand(2, 3, SIDE, SIDE, requires_grad=True)
    with torch.no_grad():
        truth = student(pictures)
    assert strayed(truth, truth, None).item() == 0
    aside = truth._replace(points=truth.points + 0.25)
    assert strayed(aside, truth, None).item() == pytest.approx(0.25)
    one = truth._replace(points=truth.points + torch.tensor([0.5, 0.25])[:, None, None])
    kept = torch.tensor([3, truth.placed.shape[1]])
    assert strayed(one, truth, kept).item() == pytest.approx(0.25), "what was not sent is not guessed"
    assert strayed(one, truth, kept * 0).item() == 0
    strayed(student(pictures), aside, None).backward()
    assert pictures.grad is not None
    assert pictures.grad.abs().max() > 0, "what draws learns from it"


def test_a_stage_goes_on_from_one_that_taught_both(tmp_path: Path) -> None:
    write_pack(tmp_path / "pack", clips=clips(), portraits=portraits(), level=level_face(), about=ABOUT)
    linear_heads(tmp_path)
    perceptual = backbone(tmp_path / "backbone.pth")
    begins = Pair(motion_student(tiny_profile()), talking_head(tiny_profile())).state_dict()

    def estimate(name: str, footage: Footage) -> Heads:
        return filmed(footage).heads

    material = Material(
        tmp_path / "pack", tmp_path, perceptual, torch.device("cpu"), lambda name: begins, estimate
    )
    settings = SETTINGS | {"sees": "both", "draws": "both", "seed": 1, "size": SIDE}
    held = set_up_kind(tiny_profile(), settings, material).network.state_dict()
    assert all(torch.equal(held[name], value) for name, value in begins.items())


def test_a_stage_needs_both_that_it_begins_with_and_later_heads_are_its_own() -> None:
    later = {"name": "later", "kind": "picture", "heads": "student", "start": "picture"}
    stages = [{"name": "student", "kind": "student"}, {"name": "picture", "kind": "picture"}, SETTINGS, later]
    assert needs(SETTINGS, stages) == ["student", "picture"]
    assert student_of(stages, later) == "together"
