"""Statistics of latent weights, their bounds, and the digest of a model."""

import copy

import pytest
import torch
from torch import nn

from trainers.binarize.attach import binarize_weights, latent_weights, set_binary
from trainers.engine.latent import (
    latent_statistics,
    non_negative,
    reset_latent,
    used_weights,
    weights_sha256,
)
from trainers.models.mlp import Mlp


def _one_layer(*weights: float) -> nn.Sequential:
    model = nn.Sequential(nn.Linear(len(weights), 1, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([weights]))
    return model


def test_a_weight_at_either_zero_counts_as_not_negative() -> None:
    assert non_negative(_one_layer(0.0, -0.0, 1e-30, -1e-30))["0"].tolist() == [
        [True, True, True, False]
    ]


def test_signs_flipped_is_the_share_of_weights_on_the_other_side() -> None:
    before = non_negative(_one_layer(0.5, -0.5, 0.5, 0.0))
    after = latent_statistics(_one_layer(0.1, 0.5, -0.5, -0.0), before)
    assert after["0"].signs_flipped == 0.5


def test_near_zero_is_the_share_below_a_twentieth_of_the_mean_magnitude() -> None:
    # Mean magnitude 1: the bound is 0.05, and the weight on it does not count.
    model = _one_layer(1.95, -1.96, 0.04, -0.049, 1.001)
    assert latent_statistics(model, non_negative(model))["0"].near_zero == pytest.approx(0.4)
    assert latent_statistics(model, non_negative(model))["0"].signs_flipped == 0


def test_statistics_are_of_the_latent_weight_of_every_layer() -> None:
    model = Mlp(widths=[4, 3, 2])
    binarize_weights(model, ["fc2"], "sign")
    set_binary(model, ["fc2"])
    before = non_negative(model)
    with torch.no_grad():
        latent_weights(model)["fc2"].neg_()
    statistics = latent_statistics(model, before)
    assert list(statistics) == ["fc1", "fc2"]
    assert statistics["fc1"].signs_flipped == 0
    assert statistics["fc2"].signs_flipped == 1


def test_equal_models_have_equal_digests_and_a_bit_makes_another() -> None:
    model = Mlp(widths=[4, 3, 2])
    digest = weights_sha256(model)
    assert weights_sha256(copy.deepcopy(model)) == digest
    seen = {digest}
    for name in ("fc1.weight", "bn2.bias", "bn1.running_var", "bn1.num_batches_tracked"):
        other = copy.deepcopy(model)
        tensor = other.state_dict()[name].view(-1)
        if tensor.is_floating_point():
            tensor[0] = torch.nextafter(tensor[0], torch.tensor(9.0))
        else:
            tensor[0] += 1
        seen.add(weights_sha256(other))
    assert len(seen) == 5


def test_the_digest_tells_names_and_signs_of_zero_apart() -> None:
    left = nn.ModuleDict({"a": nn.Linear(2, 1, bias=False)})
    right = nn.ModuleDict({"b": copy.deepcopy(left["a"])})
    assert weights_sha256(left) != weights_sha256(right)
    assert weights_sha256(_one_layer(0.0)) != weights_sha256(_one_layer(-0.0))


def test_the_digest_does_not_depend_on_what_is_binary() -> None:
    model = Mlp(widths=[4, 3, 2])
    binarize_weights(model, ["fc1"], "sign")
    digest = weights_sha256(model)
    set_binary(model, ["fc1"])
    assert weights_sha256(model) == digest


def test_a_reset_undoes_the_last_step_of_layers_that_never_turn_binary() -> None:
    model = Mlp(widths=[4, 3, 2])
    binarize_weights(model, ["fc1"], "sign")
    set_binary(model, ["fc1"])
    used = used_weights(model)
    before = {name: weight.detach().clone() for name, weight in latent_weights(model).items()}
    with torch.no_grad():
        for weight in latent_weights(model).values():
            weight.add_(1.0)
    reset_latent(model, used)
    assert torch.equal(latent_weights(model)["fc1"], torch.where(before["fc1"] >= 0, 1.0, -1.0))
    assert torch.equal(latent_weights(model)["fc2"], before["fc2"])


def test_a_network_without_binarizers_has_nothing_to_reset() -> None:
    assert used_weights(Mlp(widths=[4, 3, 2])) == {}
