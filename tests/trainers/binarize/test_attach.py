"""Binarizers on the layers of a model: attached, switched, baked."""

import io
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from trainers.binarize.attach import (
    baked,
    binarize_weights,
    binarizers,
    latent_weights,
    set_binary,
    weight_layers,
)
from trainers.errors import SpecError, UnknownNameError
from trainers.models.mlp import Mlp


class Convolutional(nn.Module):
    """A layer of each kind that can be binary, one of them nested, and some that cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(2)
        self.stage = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
        self.top = nn.Linear(3, 4)

    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.stage(self.norm(self.conv(images)))
        logits: Tensor = self.top(x.mean((2, 3)))
        return logits


@pytest.fixture
def mlp() -> Mlp:
    return Mlp(widths=[6, 5, 4, 3])


def test_weight_layers_are_linear_and_conv_layers_in_forward_order(mlp: Mlp) -> None:
    assert weight_layers(mlp) == ("fc1", "fc2", "fc3")
    assert weight_layers(Convolutional()) == ("conv", "stage.0", "top")


def test_attached_binarizers_are_off_so_the_model_computes_as_before(mlp: Mlp) -> None:
    images = torch.randn(4, 6)
    before = mlp.eval()(images)
    binarize_weights(mlp, ["fc1", "fc3"], "sign")
    assert [(name, step.enabled) for name, step in binarizers(mlp)] == [
        ("fc1", False),
        ("fc3", False),
    ]
    assert torch.equal(mlp(images), before)


def test_the_optimizer_keeps_seeing_the_same_parameter(mlp: Mlp) -> None:
    before = {name: id(weight) for name, weight in latent_weights(mlp).items()}
    optimizer = torch.optim.SGD(mlp.parameters(), lr=1.0)
    binarize_weights(mlp, ["fc1", "fc2"], "sign")
    set_binary(mlp, ["fc2"])
    assert {name: id(weight) for name, weight in latent_weights(mlp).items()} == before
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    assert held == {id(parameter) for parameter in mlp.parameters()}


def test_set_binary_switches_exactly_these_layers(mlp: Mlp) -> None:
    binarize_weights(mlp, ["fc1", "fc2", "fc3"], "sign")
    for wanted in (["fc1", "fc3"], ["fc2"], [], ["fc3", "fc2", "fc1"]):
        set_binary(mlp, wanted)
        for name in weight_layers(mlp):
            weight, latent = mlp.get_submodule(name).weight, latent_weights(mlp)[name]
            expected = torch.where(latent >= 0, 1.0, -1.0) if name in wanted else latent
            assert torch.equal(weight, expected)


def test_set_binary_takes_an_iterator(mlp: Mlp) -> None:
    binarize_weights(mlp, ["fc1", "fc2"], "sign")
    set_binary(mlp, iter(["fc2"]))
    assert [step.enabled for _, step in binarizers(mlp)] == [False, True]


def test_set_binary_switches_nothing_when_a_layer_has_no_binarizer(mlp: Mlp) -> None:
    binarize_weights(mlp, ["fc1", "fc2"], "sign")
    set_binary(mlp, ["fc1"])
    with pytest.raises(UnknownNameError, match="layer with a weight binarizer 'fc3'"):
        set_binary(mlp, ["fc2", "fc3"])
    assert [step.enabled for _, step in binarizers(mlp)] == [True, False]


def test_the_gradient_at_the_binary_weight_reaches_the_latent_weight(mlp: Mlp) -> None:
    binarize_weights(mlp, ["fc1"], "sign")
    set_binary(mlp, ["fc1"])
    images = torch.randn(4, 6)
    mlp(images).square().sum().backward()
    twin = Mlp(widths=[6, 5, 4, 3])
    state = {key.replace("parametrizations.weight.original", "weight"): value for key, value in
             mlp.state_dict().items()}  # fmt: skip
    twin.load_state_dict(state)
    with torch.no_grad():
        twin.fc1.weight.copy_(torch.where(twin.fc1.weight >= 0, 1.0, -1.0))  # type: ignore[operator,union-attr]
    twin(images).square().sum().backward()
    gradient = latent_weights(mlp)["fc1"].grad
    assert gradient is not None
    assert torch.equal(gradient, twin.fc1.weight.grad)  # type: ignore[arg-type,union-attr]


def test_an_unknown_layer_is_refused_before_anything_is_attached(mlp: Mlp) -> None:
    with pytest.raises(UnknownNameError, match="unknown layer 'fc4', did you mean"):
        binarize_weights(mlp, ["fc1", "fc4"], "sign")
    assert list(binarizers(mlp)) == []


def test_an_unknown_binarizer_is_refused_before_anything_is_attached(mlp: Mlp) -> None:
    with pytest.raises(UnknownNameError, match="unknown weight binarizer 'sing'"):
        binarize_weights(mlp, ["fc1"], "sing")
    assert list(binarizers(mlp)) == []


def test_a_normalisation_is_no_weight_layer(mlp: Mlp) -> None:
    with pytest.raises(UnknownNameError, match="unknown layer 'bn1'"):
        binarize_weights(mlp, ["bn1"], "sign")


def test_a_second_binarizer_on_a_layer_is_refused(mlp: Mlp) -> None:
    binarize_weights(mlp, ["fc1", "fc2"], "sign")
    with pytest.raises(SpecError, match="fc1, fc2 already have a weight binarizer"):
        binarize_weights(mlp, ["fc3", "fc2", "fc1"], "sign")
    assert [name for name, _ in binarizers(mlp)] == ["fc1", "fc2"]


def test_state_dict_keys_do_not_change_with_what_is_binary(mlp: Mlp) -> None:
    binarize_weights(mlp, ["fc1"], "sign")
    keys = list(mlp.state_dict())
    set_binary(mlp, ["fc1"])
    assert list(mlp.state_dict()) == keys
    assert "fc1.parametrizations.weight.original" in keys
    assert "fc2.weight" in keys


def test_state_dict_holds_latent_weights_and_loads_into_another_model(mlp: Mlp) -> None:
    binarize_weights(mlp, ["fc1"], "sign")
    set_binary(mlp, ["fc1"])
    latent = latent_weights(mlp)["fc1"].detach().clone()
    file = io.BytesIO()
    torch.save(mlp.state_dict(), file)
    file.seek(0)
    other = Mlp(widths=[6, 5, 4, 3])
    binarize_weights(other, ["fc1"], "sign")
    other.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(latent_weights(other)["fc1"], latent)
    # Which layers are binary is not part of the state: the schedule says so.
    assert [step.enabled for _, step in binarizers(other)] == [False]


def test_baked_has_plain_weights_and_the_same_logits(
    mlp: Mlp, same_bits: Callable[[Tensor, Tensor], bool]
) -> None:
    binarize_weights(mlp, ["fc1", "fc2", "fc3"], "sign")
    set_binary(mlp, ["fc3", "fc1"])
    images = torch.randn(4, 6)
    expected = mlp.eval()(images)
    plain = baked(mlp)
    assert set(plain.state_dict()) == set(Mlp(widths=[6, 5, 4, 3]).state_dict())
    assert type(plain.get_submodule("fc1")) is type(Mlp(widths=[6, 5]).get_submodule("fc1"))
    assert same_bits(plain(images), expected)
    weights = {name: plain.get_submodule(name).weight for name in weight_layers(plain)}
    assert set(weights["fc1"].unique().tolist()) == {-1.0, 1.0}
    assert set(weights["fc3"].unique().tolist()) == {-1.0, 1.0}
    assert len(weights["fc2"].unique()) == weights["fc2"].numel()


def test_baking_leaves_the_model_as_it_was(mlp: Mlp) -> None:
    binarize_weights(mlp, ["fc1", "fc2"], "sign")
    set_binary(mlp, ["fc1"])
    images = torch.randn(4, 6)
    before = mlp.eval()(images)
    latent = {name: weight.detach().clone() for name, weight in latent_weights(mlp).items()}
    baked(mlp)
    assert torch.equal(mlp(images), before)
    assert [step.enabled for _, step in binarizers(mlp)] == [True, False]
    assert all(torch.equal(latent_weights(mlp)[name], latent[name]) for name in latent)


def test_a_model_can_be_baked_twice(mlp: Mlp) -> None:
    binarize_weights(mlp, ["fc1"], "sign")
    set_binary(mlp, ["fc1"])
    first, second = baked(mlp), baked(mlp)
    assert all(
        torch.equal(left, right)
        for left, right in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_baked_shares_no_memory_with_the_model(mlp: Mlp) -> None:
    binarize_weights(mlp, ["fc1"], "sign")
    plain = baked(mlp)
    owned = {parameter.data_ptr() for parameter in mlp.parameters()}
    assert owned.isdisjoint(parameter.data_ptr() for parameter in plain.parameters())


def test_convolutions_turn_binary_like_linear_layers() -> None:
    model = Convolutional().eval()
    binarize_weights(model, ["stage.0", "conv"], "sign")
    set_binary(model, ["conv", "stage.0"])
    assert [name for name, _ in binarizers(model)] == ["conv", "stage.0"]
    images = torch.randn(2, 1, 5, 5)
    plain = baked(model)
    assert math.prod(plain.get_submodule("stage.0").weight.shape) == 54
    assert torch.equal(plain.get_submodule("stage.0").weight.abs(), torch.ones(3, 2, 3, 3))
    assert torch.isfinite(plain(images)).all()


def test_latent_weights_of_a_plain_model_are_its_weights(mlp: Mlp) -> None:
    assert list(latent_weights(mlp)) == ["fc1", "fc2", "fc3"]
    assert latent_weights(mlp)["fc2"] is mlp.get_submodule("fc2").weight
