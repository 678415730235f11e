"""Blocks of the training tricks: the basic block, and three shortcuts."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainers import binarize_activations
from trainers.models.bireal_blocks import BasicBlock, BlockOptions, Downsample, shortcut

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("tricks.json").read_text())["cases"]


@torch.no_grad()
def _fill(module: nn.Module, formulas: Any) -> None:
    """Sets the convolution, number 0, and the normalisation, numbers 1 and 2."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            bound = part.weight[0].numel() ** -0.5
            part.weight.copy_(formulas.parameter(tuple(part.weight.shape), 0, bound))
        elif isinstance(part, nn.BatchNorm2d):
            shape = (part.num_features,)
            part.weight.copy_(formulas.rounded(1 + 0.1 * formulas.phase(shape, 1).sin()))
            part.bias.copy_(formulas.rounded(0.1 * formulas.phase(shape, 2).sin()))


def _close(found: torch.Tensor | None, expected: Any) -> bool:
    assert found is not None
    return bool(found.tolist() == pytest.approx(expected, rel=1e-6))


def test_the_basic_block_gives_the_published_values_and_gradients(of_tricks: Any) -> None:
    setup, expected = CASES["basic_block"]["setup"], CASES["basic_block"]["f64"]
    channels = setup["channels"]
    block = BasicBlock(channels, channels, stride=1, options=BlockOptions()).double()
    unit, slopes = block.unit1, block.activation1
    assert isinstance(slopes, nn.PReLU)
    _fill(block, of_tricks)
    binarize_activations(block, ["unit1.conv"], "sign", zero=0, closed=True)
    x = of_tricks.inputs(tuple(setup["input"])).requires_grad_()
    seen: list[torch.Tensor] = []
    slopes.register_forward_hook(lambda module, inputs, output: seen.append(output))
    block(x)
    # The case is one convolution with its skip: the first half of the block.
    [y] = seen
    y.backward(of_tricks.upstream(tuple(y.shape)))
    assert _close(y.flatten()[:10], expected["out_first10"])
    assert _close(y.sum(), expected["out_sum"])
    assert _close(y.norm(), expected["out_l2"])
    assert _close(x.grad.norm(), expected["grad_input_l2"])
    assert unit.conv.weight.grad is not None
    assert _close(unit.conv.weight.grad.norm(), expected["grad_conv_l2"])
    assert _close(slopes.weight.grad, expected["grad_prelu"])
    assert _close(unit.bn.weight.grad, expected["grad_bn_weight"])


@pytest.mark.parametrize("variant", ["v1", "v2", "v3"])
def test_each_shortcut_gives_the_published_values(variant: Downsample, of_tricks: Any) -> None:
    setup = CASES["downsample_variants"]["setup"]
    expected = CASES["downsample_variants"]["f64"][variant]
    made = shortcut(setup["in_channels"], setup["out_channels"], stride=2, variant=variant)
    assert made is not None
    made.double()
    _fill(made, of_tricks)
    y = made(of_tricks.inputs(tuple(setup["input"])))
    assert list(y.shape) == expected["shape"]
    assert _close(y.flatten()[:10], expected["first10"])
    assert _close(y.sum(), expected["sum"])
    assert _close(y.norm(), expected["l2"])
