"""Learning rates of the training tricks by epoch: one factor a milestone, and one stage."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainers import lr_schedule

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("tricks.json").read_text())["cases"]
STEPPED = [name for name, case in CASES.items() if case["kind"] == "lr_schedule"]


def _rates(expected: dict[str, Any]) -> list[float]:
    return [rate for num, rate in expected["runs"] for _ in range(num)]


@pytest.mark.parametrize("name", STEPPED)
def test_the_rate_of_each_epoch_is_the_published_one(name: str) -> None:
    setup, wanted = CASES[name]["setup"], _rates(CASES[name]["expected"])
    rate = lr_schedule(
        "multistep",
        lr=setup["lr"],
        epochs=setup["epochs"],
        milestones=setup["schedule"],
        gammas=setup["gammas"],
    )
    assert [rate(epoch) for epoch in range(setup["epochs"])] == pytest.approx(wanted, rel=1e-9)


def test_one_stage_begins_with_epochs_of_a_low_rate() -> None:
    case = CASES["lr_one_stage_imagenet"]
    setup, wanted = case["setup"], _rates(case["expected"])
    rate = lr_schedule(
        "constant",
        lr=setup["lr"],
        epochs=len(wanted),
        warmup=setup["warmup_epochs"],
        warmup_lr=setup["warmup_lr"],
    )
    assert [rate(epoch) for epoch in range(len(wanted))] == pytest.approx(wanted, rel=1e-9)
