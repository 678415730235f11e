"""Where we differ from the reference on purpose: a weight of exactly zero."""

from typing import Any

import torch
from torch import nn

from trainers.binarize.attach import binarize_weights, latent_weights, set_binary


def test_zeros_become_plus_one_where_the_reference_leaves_them(cases: dict[str, Any]) -> None:
    setup, theirs = cases["sign_at_zero"]["setup"], cases["sign_at_zero"]["f64"]
    weights = torch.tensor(setup["weights"], dtype=torch.float64)
    # One zero of either sign in each row.
    weights[0, 3] = weights[1, 3] = -0.0
    x = torch.tensor([setup["x"]], dtype=torch.float64)
    layer = nn.Sequential(nn.Linear(5, 2, bias=False).double())
    with torch.no_grad():
        layer[0].weight.copy_(weights)
    binarize_weights(layer, ["0"], "sign")
    set_binary(layer, ["0"])
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
