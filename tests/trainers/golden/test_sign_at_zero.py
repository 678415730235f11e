"""A weight of exactly zero: as the reference has it, and where we differ on purpose."""

from typing import Any

import pytest
import torch
from torch import nn

from trainers.binarize.attach import binarize_weights, latent_weights, set_binary


def _layer(setup: dict[str, Any], dtype: torch.dtype, **options: object) -> nn.Sequential:
    """The reference's layer; one zero of either sign in each row."""
    weights = torch.tensor(setup["weights"], dtype=dtype)
    weights[0, 3] = weights[1, 3] = -0.0
    layer = nn.Sequential(nn.Linear(5, 2, bias=False).to(dtype))
    with torch.no_grad():
        layer[0].weight.copy_(weights)
    binarize_weights(layer, ["0"], "sign", **options)
    set_binary(layer, ["0"])
    return layer


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_zeros_stay_zero_as_published(dtype: torch.dtype, cases: dict[str, Any]) -> None:
    setup, theirs = cases["sign_at_zero"]["setup"], cases["sign_at_zero"]["f64"]
    layer = _layer(setup, dtype, zero=0)
    out = layer(torch.tensor([setup["x"]], dtype=dtype))
    out.sum().backward()
    assert layer[0].weight.tolist() == theirs["binarized"]
    assert (layer[0].weight == 0).sum() == theirs["num_zeros"]
    assert out.tolist() == theirs["out"]
    assert latent_weights(layer)["0"].grad.tolist() == theirs["weight_grad"]  # type: ignore[union-attr]


def test_zeros_become_plus_one_where_the_reference_leaves_them(cases: dict[str, Any]) -> None:
    setup, theirs = cases["sign_at_zero"]["setup"], cases["sign_at_zero"]["f64"]
    layer = _layer(setup, torch.float64)
    weights = latent_weights(layer)["0"].detach()
    x = torch.tensor([setup["x"]], dtype=torch.float64)
    out = layer(x)
    out.sum().backward()

    reference = torch.tensor(theirs["binarized"], dtype=torch.float64)
    zeros = weights == 0
    assert zeros.sum() == theirs["num_zeros"]
    # The reference: sign(0) = 0. Ours: +1, because a stored bit has no third value.
    assert (reference[zeros] == 0).all()
    assert layer[0].weight[zeros].tolist() == [1.0] * 4
    assert torch.equal(layer[0].weight[~zeros], reference[~zeros])
    missing = (zeros * x).sum(1)
    assert torch.equal(out, torch.tensor(theirs["out"], dtype=torch.float64) + missing)
    assert out.tolist() == [[11.0, -1.0]]
    # The gradient is the same as theirs, at zeros too.
    assert latent_weights(layer)["0"].grad.tolist() == theirs["weight_grad"]  # type: ignore[union-attr]
