"""Operations counted from shapes: as many as torch counts."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from orchestrator.planning.flops import forward_flops, layer_flops
from trainers.binding import Component
from trainers.data import SOURCES
from trainers.spec.probe import model_layers, model_on_meta, shared_model

NETWORKS: list[tuple[str, Mapping[str, Any], str]] = [
    ("mlp", {"widths": (784, 300, 10)}, "mnist"),
    ("conv", {"depth": 4}, "cifar10"),
    ("vgg5", {}, "cifar10"),
    ("vgg_small", {}, "cifar10"),
    ("resnet20", {}, "cifar10"),
    ("resnet_cifar", {"depth": 18}, "cifar10"),
    ("wrn", {"depth": 20, "width": 1}, "cifar10"),
    ("bireal_resnet", {"attention": "se", "width_factor": 0.25, "groups": 4}, "cifar10"),
    ("bireal_resnet", {"depth": 50, "head": "imagenet", "width_factor": 0.25}, "cifar10"),
]


@pytest.mark.parametrize(("name", "options", "data"), NETWORKS, ids=lambda part: str(part))
def test_as_many_are_counted_as_torch_counts(
    name: str, options: Mapping[str, Any], data: str
) -> None:
    model, source = Component(name, options), Component(data)
    shape = SOURCES[data].facts({}).shape
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model_on_meta(model)(torch.zeros(2, *shape, device="meta"))
    assert forward_flops(model, source) == counter.get_total_flops() / 2 > 0
    assert set(layer_flops(model, source)) == set(model_layers(model))


def test_counting_loads_torchs_compiler_for_no_shipped_study(tmp_path: Path) -> None:
    code = """
        import sys
        from orchestrator.cli.main import main

        assert main(["studies"]) == 0
        sys.exit("torch._dynamo" in sys.modules)
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        # Nothing was counted before.
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_counting_leaves_no_trace_on_the_network() -> None:
    model = Component("mlp", {"widths": (64, 20, 10)})
    assert forward_flops(model, Component("digits")) == 2 * (64 * 20 + 20 * 10)
    assert layer_flops(model, Component("digits")) == {"fc1": 2 * 64 * 20, "fc2": 2 * 20 * 10}
    assert not any(module._forward_hooks for module in shared_model(model).modules())
