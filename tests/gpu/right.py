"""Is it right on this device? The stored numbers, what every table promises, and whole runs."""

from functools import partial
from pathlib import Path
from typing import Any

import contracts
import recorded
import runs
import torch
import without_pytest
from on_device import OnDevice
from setting import Case, Check, Setting

GOLDEN = Path(__file__).resolve().parents[1] / "trainers" / "golden"


def golden(setting: Setting) -> list[Case]:
    """The tests of stored numbers, with tensors on the device."""
    found: list[Case] = []
    with OnDevice(setting.device):
        for path in sorted(GOLDEN.glob("test_*.py")):
            by_test: dict[Any, list[without_pytest.Case]] = {}
            for case in without_pytest.cases(path):
                by_test.setdefault(case.test, []).append(case)
            for cases in by_test.values():
                chosen = cases[:1] if setting.quick else cases
                found += [(case.name, partial(_golden, case, setting.device)) for case in chosen]
    return found


def _golden(case: without_pytest.Case, device: torch.device) -> None:
    with OnDevice(device):
        case.run()


CHECKS = (
    Check("golden values in float64", golden, 75),
    Check("weight binarizers", contracts.binarizers, 10),
    Check("binary inputs", contracts.inputs, 5),
    Check("networks", contracts.networks, 25),
    Check("augmentations", contracts.augmentations, 10),
    Check("losses", contracts.losses, 5),
    Check("two runs, the same bits", runs.repeated, 20),
    Check("interrupted and resumed, the same bits", runs.resumed, 10),
    Check("a shared beginning, the same bits", runs.beginnings, 10),
    Check("recorded steps, the same bits", recorded.cases, 25),
    Check("three steps as on the CPU", runs.agreement, 25),
    Check("trained here, the same predictions on the CPU", runs.export, 10),
    Check("evaluation in growing batches", runs.evaluation, 5),
    Check("out of memory names the batch size", runs.memory, 10),
)
