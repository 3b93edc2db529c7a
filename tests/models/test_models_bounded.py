"""Training by the clock: it stops in time, leaves small parts, and goes on from them."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.large import talking_head  # noqa: E402
from models.training import estimates, results, timed  # noqa: E402
from models.training.footage import DataError  # noqa: E402
from models.training.loop import TrainingError  # noqa: E402
from models.training.pack import write_pack  # noqa: E402
from models.training.parts import StageWeights, read_parts, write_parts  # noqa: E402
from models.training.results import FILES, Results  # noqa: E402
from models.training.runfile import RUNS, average_of  # noqa: E402
from models.training.stage import Stage, choose_device  # noqa: E402
from models.training.timed import (  # noqa: E402
    Order,
    parse_stages,
    run_stage,
    run_stages,
    timed_rate,
)
from tests.models.models_fakes import ABOUT, SIDE, backbone, clips, level_face, portraits, tiny_profile  # noqa: E402

ROOT = Path(__file__).parent.parent.parent
PICTURE: dict[str, Any] = {
    "name": "first", "kind": "picture", "heads": "teacher", "size": SIDE, "batch": 2, "rate": 1e-3, "decay": 0.9,
    "scales": 1, "peak": 5.0, "pixels": 4.0, "perceptual": 1.0, "close": 0.7, "warp": 2.0, "seed": 1,
}  # fmt: skip
STAGES = [PICTURE, PICTURE | {"name": "second", "start": "first", "seed": 2}]


class Clock:
    """A clock that goes on by a little whenever it is read, so that a slow machine is no failure."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        self.now += 0.1
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    ticking = Clock()
    for module in (estimates, results, timed):
        monkeypatch.setattr(module, "time", ticking)
    return ticking


def order(folder: Path, ends: float, **changes: Any) -> Order:
    fields: dict[str, Any] = {
        "data": folder / "pack",
        "shares": {"first": 1.0},
        "ends": ends,
        "output": folder / "out",
        "start": None,
        "perceptual": folder / "backbone.pth",
        "batch": None,
        "device": torch.device("cpu"),
        "workers": 1,
    }
    return Order(**fields | changes)


def test_stages_share_the_time_leave_parts_and_go_on_from_them(tmp_path: Path, clock: Clock) -> None:
    write_pack(tmp_path / "pack", clips=clips(), portraits=portraits(), level=level_face(), about=ABOUT)
    backbone(tmp_path / "backbone.pth")
    output, said = tmp_path / "out", list[str]()
    asked = order(tmp_path, clock.now + 5, shares={"first": 1.0, "second": 1.0})
    run_stages(tiny_profile(), STAGES, asked, report=said.append)
    assert asked.ends - 1.5 < clock.now <= asked.ends
    assert [line.partition(":")[0] for line in said] == ["first", "second"]
    left = sorted(path.name for path in output.iterdir())
    assert left == ["first.png", "losses.json", "part-01.safetensors", "second.png"]
    records = json.loads((output / "losses.json").read_text())["stages"]
    assert [record["name"] for record in records] == ["first", "second"]
    assert all(record["curve"][-1]["step"] == record["steps"] > 0 for record in records)

    held = read_parts(output)
    again = order(tmp_path, clock.now + 3, start=output, output=tmp_path / "more")
    run_stages(tiny_profile(), STAGES, again, report=said.append)
    records = json.loads((tmp_path / "more" / "losses.json").read_text())["stages"]
    assert records[-1]["first_step"] == held["first"].steps == records[0]["steps"]
    after = read_parts(tmp_path / "more")
    assert after["first"].steps > held["first"].steps
    assert after["second"].network is None  # carried along: its average alone
    assert after["second"].average.keys() == held["second"].average.keys()


def test_a_discriminator_is_left_and_taken_up_again(tmp_path: Path, clock: Clock) -> None:
    write_pack(tmp_path / "pack", clips=clips(), portraits=portraits(), level=level_face(), about=ABOUT)
    backbone(tmp_path / "backbone.pth")
    game = PICTURE | {"gan": 0.1, "matching": 1.0, "dropout": 0.5, "portraits": 0.5}
    run_stages(tiny_profile(), [game], order(tmp_path, clock.now + 3), report=print)
    left = read_parts(tmp_path / "out")["first"]
    curve = json.loads((tmp_path / "out" / "losses.json").read_text())["stages"][0]["curve"]
    assert {"gan", "matching", "discriminator"} < curve[-1].keys()
    again = order(tmp_path, clock.now + 2.5, start=tmp_path / "out", output=tmp_path / "more")
    run_stages(tiny_profile(), [game | {"rate": 0.0}], again, report=print)
    after = read_parts(tmp_path / "more")["first"]
    assert after.steps > left.steps
    assert left.rival is not None
    assert after.rival is not None
    for name, value in left.rival.items():
        if name.endswith("original"):  # at a rate of nothing they stay
            torch.testing.assert_close(after.rival[name], value)


def test_twice_the_size_goes_on_from_a_stage_of_the_smaller_profile(tmp_path: Path, clock: Clock) -> None:
    write_pack(tmp_path / "pack", clips=clips(), portraits=portraits(), level=level_face(), about=ABOUT)
    backbone(tmp_path / "backbone.pth")
    smaller = talking_head(tiny_profile()).state_dict()
    write_parts(tmp_path / "parts", {"small": StageWeights(smaller, None, 7)}, most=1)
    large = PICTURE | {
        "name": "large",
        "start": "small",
        "size": 2 * SIDE,
        "crop": 300,
        "gan": 0.1,
        "rate": 0.0,
    }
    stages = [{"name": "small", "kind": "picture", "from": "laptop-256"}, large]
    profile = replace(tiny_profile(), picture_size=2 * SIDE)
    asked = order(tmp_path, clock.now + 3, shares={"large": 1.0}, start=tmp_path / "parts")
    run_stages(profile, stages, asked, report=print)
    held = read_parts(tmp_path / "out")["large"]
    assert held.average["generator.finest.0.weight"].shape[0] == 2
    weight = "generator.body.0.first.0.weight"
    torch.testing.assert_close(held.average[weight], smaller[weight], atol=1e-3, rtol=0)
    with pytest.raises(TrainingError, match="no stage 'small'"):
        parse_stages(["small"], stages)
    with pytest.raises(DataError, match="--crop 301"):
        run_stages(profile, [stages[0], large | {"crop": 301}], asked, report=print)


def stage_of(network: Any, *, poison: int | None = None) -> Stage:
    def losses(batch: dict[str, Any], step: int) -> dict[str, Any]:
        loss = (network(batch["numbers"]) - 3).square().mean()
        return {"loss": loss * float("nan") if poison is not None and step >= poison else loss}

    return Stage(network, losses, lambda rng: {"numbers": torch.from_numpy(rng.random((4, 3), np.float32))})


def test_losses_that_are_no_numbers_stop_a_run_and_leave_the_weights_before_them(tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 1)
    settings = {"name": "first", "batch": 4, "rate": 1e-2, "decay": 0.9, "seed": 0}
    asked, left = order(tmp_path, 105), Results(tmp_path, None, sheets=0)
    with pytest.raises(TrainingError, match="not numbers"):
        run_stage(
            stage_of(network, poison=0), settings, left, asked,
            began=100.0, ends=asked.ends, report=print,
        )  # fmt: skip
    assert all(torch.isfinite(value).all() for value in read_parts(tmp_path)["first"].average.values())


def test_weights_that_are_no_numbers_are_not_kept_where_the_losses_were(tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 1, bias=False)

    def losses(batch: dict[str, Any], step: int) -> dict[str, Any]:
        return {"loss": (network(batch["numbers"]).sum() * 0).sqrt()}  # nothing, and steep without end

    stage = Stage(network, losses, lambda rng: {"numbers": torch.from_numpy(rng.random((4, 3), np.float32))})
    settings = {"name": "first", "batch": 4, "rate": 1e-2, "decay": 0.9, "seed": 0}
    with pytest.raises(TrainingError, match="not numbers"):
        run_stage(
            stage, settings, Results(tmp_path, None, sheets=0), order(tmp_path, 105),
            began=100.0, ends=105.0, report=print,
        )  # fmt: skip
    assert all(torch.isfinite(value).all() for value in read_parts(tmp_path)["first"].network.values())


def test_a_run_whose_time_is_over_before_it_trains_says_so(tmp_path: Path) -> None:
    asked, settings = (
        order(tmp_path, 100),
        {"name": "first", "batch": 4, "rate": 1e-2, "decay": 0.9, "seed": 0},
    )
    with pytest.raises(TrainingError, match="leaves none to train"):
        run_stage(
            stage_of(torch.nn.Linear(3, 1)), settings, Results(tmp_path, None, sheets=0), asked,
            began=100.0, ends=asked.ends, report=print,
        )  # fmt: skip


def test_the_rate_rises_and_falls_with_the_share_of_the_time() -> None:
    assert timed_rate(0.0, 0, peak=1.0) == pytest.approx(1 / 200)
    assert timed_rate(0.001, 500, peak=1.0) == pytest.approx(
        1, abs=1e-3
    )  # a fast machine: 200 steps are enough
    assert timed_rate(0.03, 5, peak=1.0) == pytest.approx(
        1, abs=5e-3
    )  # a slow one: it does not rise for ever
    assert timed_rate(0.5, 10**6, peak=1.0) == pytest.approx(0.51)
    assert timed_rate(1.2, 10**6, peak=1.0) == pytest.approx(0.02)


def weights(size: int) -> StageWeights:
    average = {"weight": torch.randn(size), "steps": torch.tensor(7), "variance": torch.tensor([1e9, 1.0])}
    return StageWeights(average, {"weight": torch.randn(size)}, 12)


def test_parts_are_small_and_give_the_weights_back(tmp_path: Path) -> None:
    held = {"a": weights(5_000_000), "b": weights(5_000_000)}
    assert write_parts(tmp_path, held, most=FILES) == 4
    for path in tmp_path.iterdir():
        assert path.stat().st_size <= 16_000_000
        assert re.fullmatch(r"[A-Za-z0-9._-]+", path.name)
    found = read_parts(tmp_path)
    assert found["a"].steps == 12
    for name, value in held["b"].average.items():
        assert torch.allclose(found["b"].average[name], value, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(average_of(tmp_path / "b"), found["b"].average)
    write_parts(tmp_path, {"a": weights(10)}, most=1)
    assert [path.name for path in tmp_path.iterdir()] == ["part-01.safetensors"]


def test_too_many_parts_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="2 parts"):
        write_parts(tmp_path / "out", {"a": weights(7_000_000), "b": weights(7_000)}, most=1)
    assert not (tmp_path / "out").exists()


def test_a_missing_or_damaged_part_is_named(tmp_path: Path) -> None:
    write_parts(tmp_path, {"a": weights(7_000_000), "b": weights(7_000_000)}, most=9)
    (tmp_path / "part-02.safetensors").write_bytes(b"damaged")
    with pytest.raises(TrainingError, match="part-02"):
        read_parts(tmp_path)
    (tmp_path / "part-02.safetensors").unlink()
    with pytest.raises(TrainingError, match="lacks part-02"):
        read_parts(tmp_path)


def test_what_a_stage_goes_on_from_is_asked_for_at_once(tmp_path: Path) -> None:
    backbone(tmp_path / "backbone.pth")
    with pytest.raises(TrainingError, match="goes on from first"):
        run_stages(tiny_profile(), STAGES, order(tmp_path, 105, shares={"second": 1.0}), report=print)


@pytest.mark.parametrize("text", ["third", "first=much", "first=0", "first=-1"])
def test_a_wrong_stage_or_share_is_refused(text: str) -> None:
    with pytest.raises(TrainingError):
        parse_stages([text], STAGES)
    assert parse_stages(["second=2", "first"], STAGES) == {"second": 2.0, "first": 1.0}


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(TrainingError):
        choose_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="--device cpu"):
            choose_device("cuda")


def test_without_a_backbone_the_command_says_what_to_name_and_loads_no_video_library(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from models.training.bounded import app\n"
        "try:\n    app(sys.argv[1:])\n"
        "finally:\n    assert 'torch' in sys.modules and 'av' not in sys.modules\n"
    )
    run = str(RUNS / "laptop-256.toml")
    options = ["--data", "pack", "--run", run, "--stage", "picture-128", "--minutes", "1", "--output", "out"]
    done = subprocess.run(
        [sys.executable, "-c", script, *options],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "--perceptual" in done.stderr
    assert "Traceback" not in done.stderr
