"""Several processes train one network: the same weights everywhere, as if one had seen all samples."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from models.training.stage import Stage, train_stage  # noqa: E402

ROOT = Path(__file__).parent.parent.parent
SETTINGS: dict[str, Any] = {"steps": 6, "batch": 4, "rate": 1e-2, "decay": 0.9, "seed": 3, "every": 3}


def linear_stage(*, together: int = 1) -> Stage:
    """A layer that learns a sum; `together` joins so many batches of a run of several processes."""
    torch.manual_seed(1)
    network = torch.nn.Linear(3, 1)

    def batch(rng: np.random.Generator) -> dict[str, Any]:
        return {"numbers": torch.from_numpy(rng.random((4, 3), np.float32))}

    def losses(batch: dict[str, Any], step: int) -> dict[str, Any]:
        numbers = batch["numbers"]
        if together > 1:
            numbers = torch.cat(
                [
                    torch.from_numpy(
                        np.random.default_rng((3, step * together + rank)).random((4, 3), np.float32)
                    )
                    for rank in range(together)
                ]
            )
        return {"loss": (network(numbers) - numbers.sum(1, keepdim=True)).square().mean()}

    return Stage(network, losses, batch)


def weights(stage: Stage) -> list[float]:
    return torch.cat([value.detach().reshape(-1) for value in stage.network.parameters()]).tolist()


def main(folder: Path) -> None:
    """Train as one of several processes, twice: the second call goes on from the first one's checkpoint."""
    from models.training.devices import launch

    fabric = launch("cpu")
    for steps in (4, 6):
        stage = linear_stage()
        train_stage(
            stage, folder=folder / "run", settings=SETTINGS | {"steps": steps}, minutes=None, fabric=fabric
        )
        fabric.barrier()
    told = {"world": fabric.world_size, "weights": weights(stage)}
    (folder / f"rank-{fabric.global_rank}.json").write_text(json.dumps(told))


def test_two_processes_learn_what_one_learns_from_both_their_batches(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, __file__, str(tmp_path)],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    ours, theirs = (json.loads((tmp_path / f"rank-{rank}.json").read_text()) for rank in (0, 1))
    assert ours["world"] == 2
    assert ours["weights"] == theirs["weights"]
    alone = linear_stage(together=2)
    for steps in (4, 6):
        train_stage(alone, folder=tmp_path / "alone", settings=SETTINGS | {"steps": steps}, minutes=None)
    assert ours["weights"] == pytest.approx(weights(alone), abs=1e-6)
    assert sorted(path.name for path in (tmp_path / "run").glob("*.pt")) == ["checkpoint.pt"]
    assert list((tmp_path / "run").glob("events.*"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
