"""BIPROP's learning rates by epoch, in the closed form of the published code."""

import json
from pathlib import Path
from typing import Any

import pytest

from trainers.optim.optimizers import LR_SCHEDULES, lr_schedule

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("biprop.json").read_text())["cases"]
POLICIES = [name for name, case in CASES.items() if "policy" in case["setup"]]


@pytest.mark.parametrize("name", POLICIES)
def test_the_rate_of_each_epoch_is_the_published_one(name: str) -> None:
    setup, expected = dict(CASES[name]["setup"]), CASES[name]["expected"]
    policy = setup.pop("policy").removesuffix("_lr")
    wanted = expected.get("values") or [rate for num, rate in expected["runs"] for _ in range(num)]
    options = {"cosine": ("warmup_length",), "multistep": ("lr_adjust", "lr_gamma")}
    given = {key: setup[key] for key in options.get(policy, ())}
    rate = lr_schedule(policy, lr=setup["lr"], epochs=setup["epochs"], **given)
    assert len(wanted) == setup["epochs"]
    assert [rate(epoch) for epoch in range(setup["epochs"])] == pytest.approx(wanted, rel=1e-8)


def test_every_published_policy_is_there() -> None:
    policies = {CASES[name]["setup"]["policy"].removesuffix("_lr") for name in POLICIES}
    assert policies <= set(LR_SCHEDULES)
