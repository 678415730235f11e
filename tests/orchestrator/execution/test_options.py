"""How a sweep runs: what each trial gets where nobody says."""

import pytest

from orchestrator.execution import options
from orchestrator.execution.options import resources_of


@pytest.mark.parametrize(
    ("asked", "address", "on_machine", "gpus"),
    [
        (None, None, 2, 1.0),
        (None, None, 0, 0.0),
        # What a cluster has is not known before it is joined.
        (None, "10.0.0.1:6379", 2, 0.0),
        (0.25, None, 2, 0.25),
        (0.0, None, 2, 0.0),
    ],
    ids=["a GPU is there", "none is there", "a cluster", "a share", "none is asked for"],
)
def test_a_trial_gets_a_gpu_where_this_machine_has_one(
    asked: float | None,
    address: str | None,
    on_machine: int,
    gpus: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(options, "this_machine", lambda: [{"CPU": 4, "GPU": on_machine}])
    found = resources_of(2, asked, 3, ray_address=address)
    assert (found.cpus, found.gpus, found.concurrency) == (2, gpus, 3)
