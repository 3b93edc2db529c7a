"""Work given to workers: results and failures as they come, and a scheduler that is not there."""

import socket

import pytest

import models.cluster
from models.cluster import ClusterError, gather


def divide(number: int, by: int) -> float:
    """Fail for nothing to divide by."""
    return number / by


def test_each_task_comes_back_with_its_result_or_with_what_it_raised() -> None:
    found = {
        task: (result, error)
        for task, result, error in gather(divide, [4, 6], 2, scheduler=None, workers=2, apart=False)
    }
    assert found == {4: (2.0, None), 6: (3.0, None)}
    ((task, result, error),) = gather(divide, [1], 0, scheduler=None, workers=1, apart=False)
    assert (task, result) == (1, None)
    assert isinstance(error, ZeroDivisionError)
    assert list(gather(divide, [], 0, scheduler=None, workers=1)) == []


def test_two_runs_beside_each_other_claim_no_port_of_one_another(recwarn: pytest.WarningsRecorder) -> None:
    first = gather(divide, [4], 2, scheduler=None, workers=1, apart=False)
    assert next(first)[1] == 2
    ((_, result, _),) = gather(divide, [6], 2, scheduler=None, workers=1, apart=False)
    assert result == 3
    assert list(first) == []
    assert not [warning for warning in recwarn if "already in use" in str(warning.message)]


def test_a_scheduler_that_does_not_answer_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.cluster, "CONNECT_S", 0.3)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterError, match="No dask scheduler answers at tcp"):
            list(gather(divide, [1], 1, scheduler=address, workers=1))
