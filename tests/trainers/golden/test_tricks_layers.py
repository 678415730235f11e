"""Layers and gradients of the training tricks: pooling order, statistics, centralization."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainers.models.vgg import Vgg
from trainers.optim.centralization import centralized

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("tricks.json").read_text())["cases"]


def test_a_centralized_gradient_is_as_defined(of_tricks: Any) -> None:
    case = CASES["gradient_centralization"]
    found = centralized(of_tricks.upstream(tuple(case["setup"]["shape"])))
    assert found.flatten()[:16].tolist() == pytest.approx(case["f64"]["first16"], rel=1e-6)
    assert found.norm().item() == pytest.approx(case["f64"]["l2"], rel=1e-6)


def test_the_momentum_is_the_weight_of_the_new_statistics(of_tricks: Any) -> None:
    case = CASES["bn_momentum"]
    norm = nn.BatchNorm2d(3, momentum=case["setup"]["momentum"]).double()
    for batch in case["setup"]["batches"]:
        x = of_tricks.inputs(tuple(batch["shape"]), offset=batch["offset"])
        norm(batch["factor"] * x)
    for name in ("running_mean", "running_var"):
        assert norm.get_buffer(name).tolist() == pytest.approx(case["f64"][name], rel=1e-6)


@pytest.mark.parametrize("order", ["conv_bn_relu_pool", "conv_pool_bn_relu"])
def test_the_pooling_stands_where_its_order_says(order: Any, of_tricks: Any) -> None:
    setup, expected = CASES["pool_order"]["setup"], CASES["pool_order"]["f64"][order]
    model = Vgg(channels=[[setup["out_channels"]]], num_classes=2, pool_order=order).double()
    conv = nn.Conv2d(setup["in_channels"], setup["out_channels"], 3, padding=1).double()
    model.conv1 = conv
    with torch.no_grad():
        shape = tuple(conv.weight.shape)
        conv.weight.copy_(of_tricks.parameter(shape, 0, conv.weight[0].numel() ** -0.5))
        conv.bias.zero_()  # type: ignore[union-attr]
        model.bn1.weight.copy_(of_tricks.rounded(1 + 0.1 * of_tricks.phase((8,), 1).sin()))
        model.bn1.bias.copy_(of_tricks.rounded(0.1 * of_tricks.phase((8,), 2).sin()))
    seen: list[torch.Tensor] = []

    class Ends(Exception):
        pass

    def stop(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        seen.extend(inputs)
        raise Ends("seen")

    # The images of the case are smaller than those of a VGG: the first layer is enough.
    model.fc2.register_forward_pre_hook(stop)
    with pytest.raises(Ends, match="seen"):
        model(of_tricks.inputs(tuple(setup["input"])))
    assert seen[0].flatten()[:10].tolist() == pytest.approx(expected["first10"], rel=1e-6)
    assert seen[0].sum().item() == pytest.approx(expected["sum"], rel=1e-6)
    assert seen[0].norm().item() == pytest.approx(expected["l2"], rel=1e-6)
