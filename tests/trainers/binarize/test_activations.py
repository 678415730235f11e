"""Binary inputs: their values, their gradients, and where they hang."""

import copy

import pytest
import torch
from torch import Tensor, nn

from trainers.binarize.activations import ACTIVATION_BINARIZERS, make_activation_binarizer
from trainers.binarize.attach import (
    activated_modules,
    activation_binarizers,
    binarize_activations,
    binarize_weights,
    set_binary,
)
from trainers.build import build_model
from trainers.errors import SpecError, UnknownNameError

X = [-3.0, -1.0, -0.5, -0.0, 0.0, 0.25, 1.0, 3.0]


def _gradient(name: str, **options: object) -> list[float]:
    x = torch.tensor(X, requires_grad=True)
    make_activation_binarizer(name, **options)(x).sum().backward()
    assert x.grad is not None
    return x.grad.tolist()


BINARY = sorted(
    name for name in ACTIVATION_BINARIZERS if make_activation_binarizer(name).is_binary
)


def test_everything_but_the_clips_is_binary() -> None:
    assert set(ACTIVATION_BINARIZERS) - set(BINARY) == {"hard_clip", "leaky_clip"}


@pytest.mark.parametrize("name", BINARY)
def test_the_value_is_the_sign_and_zero_is_plus_one(name: str) -> None:
    values = make_activation_binarizer(name)(torch.tensor(X)).tolist()
    assert values == [-1, -1, -1, 1, 1, 1, 1, 1]
    published = make_activation_binarizer(name, zero=0)(torch.tensor(X)).tolist()
    assert published == [-1, -1, -1, 0, 0, 1, 1, 1]


def test_the_gradient_of_sign_passes_up_to_its_clip() -> None:
    assert _gradient("sign") == [0, 1, 1, 1, 1, 1, 1, 0]
    assert _gradient("sign", clip=0.5) == [0, 0, 1, 1, 1, 1, 0, 0]
    assert _gradient("sign", clip=None) == [1] * 8


def test_a_closed_interval_passes_no_gradient_at_its_ends() -> None:
    assert _gradient("sign", closed=True) == [0, 0, 1, 1, 1, 1, 0, 0]
    assert _gradient("sign", closed=True, clip=0.5) == [0, 0, 0, 1, 1, 1, 0, 0]
    with pytest.raises(SpecError, match="closed: without a clip the gradient passes everywhere"):
        make_activation_binarizer("sign", closed=True, clip=None)


def test_the_gradient_of_approx_sign_falls_to_zero_at_one() -> None:
    assert _gradient("approx_sign") == [0, 0, 1, 2, 2, 1.5, 0, 0]


def test_impossible_options_are_refused() -> None:
    with pytest.raises(SpecError, match="clip: must be positive, got 0"):
        make_activation_binarizer("sign", clip=0.0)
    with pytest.raises(SpecError, match="zero: must be 1 or 0, got 2"):
        make_activation_binarizer("approx_sign", zero=2)
    with pytest.raises(SpecError, match=r"slope: must be between 0 and 1, got 1\.5"):
        make_activation_binarizer("leaky_clip", slope=1.5)
    with pytest.raises(UnknownNameError, match="did you mean 'approx_sign'"):
        make_activation_binarizer("aprox_sign")


@pytest.fixture
def seen() -> dict[str, Tensor]:
    return {}


def _watched(model: nn.Module, seen: dict[str, Tensor]) -> nn.Module:
    """Fills `seen` with what goes into each layer, after its hooks."""

    def watch(name: str) -> None:
        layer = model.get_submodule(name)
        layer.register_forward_hook(lambda _, inputs, __: seen.update({name: inputs[0]}))

    for name in activated_modules(model):
        watch(name)
    return model


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("mlp", {"widths": [16, 12, 8, 5]}, (1, 4, 4)),
        ("vgg5", {}, (3, 32, 32)),
        ("resnet20", {}, (3, 32, 32)),
        ("resnet21", {"num_classes": 5}, (3, 32, 32)),
    ],
)
def test_a_sign_takes_the_place_of_relu(
    name: str, options: dict[str, object], shape: tuple[int, ...], seen: dict[str, Tensor]
) -> None:
    torch.manual_seed(0)
    model = build_model(name, **options)
    binarize_activations(model, activated_modules(model), "sign")
    _watched(model, seen)(torch.randn(8, *shape))
    for layer, x in seen.items():
        assert set(x.unique().tolist()) == {-1.0, 1.0}, layer


@pytest.mark.parametrize("name", ["hard_clip", "leaky_clip"])
def test_a_clip_takes_the_place_of_relu_too(name: str, seen: dict[str, Tensor]) -> None:
    torch.manual_seed(0)
    model = build_model("vgg5")
    binarize_activations(model, activated_modules(model), name)
    _watched(model, seen)(torch.randn(8, 3, 32, 32))
    for layer, x in seen.items():
        assert x.min() < 0, layer
        assert (x.abs().max() <= 1) == (name == "hard_clip"), layer
        assert len(x.unique()) > 2, layer


def test_a_model_computes_as_before_where_nothing_hangs() -> None:
    torch.manual_seed(0)
    model = build_model("mlp", widths=[16, 12, 8, 5]).eval()
    plain, images = copy.deepcopy(model), torch.randn(4, 1, 4, 4)
    binarize_activations(model, ["fc3"], "approx_sign")
    hidden = plain.bn2(plain.fc2(plain.bn1(plain.fc1(images.flatten(1))).relu()))
    expected = plain.bn3(plain.fc3(torch.where(hidden >= 0, 1.0, -1.0)))
    torch.testing.assert_close(model(images), expected)


def test_hooks_are_found_copied_and_leave_the_state_alone() -> None:
    model = build_model("mlp", widths=[16, 12, 8, 5])
    keys = list(model.state_dict())
    binarize_activations(model, ["fc2", "fc3"], "sign", clip=0.5)
    twin = copy.deepcopy(model)
    for one in (model, twin):
        assert [name for name, _ in activation_binarizers(one)] == ["fc2", "fc3"]
        assert list(one.state_dict()) == keys
    images = torch.randn(4, 16)
    assert torch.equal(model(images), twin(images))


def test_weights_and_inputs_of_a_layer_can_both_be_binary() -> None:
    model = build_model("mlp", widths=[16, 12, 5])
    binarize_activations(model, ["fc2"], "sign")
    binarize_weights(model, ["fc2"], "sign")
    set_binary(model, ["fc2"])
    products: list[Tensor] = []
    model.fc2.register_forward_hook(lambda *parts: products.append(parts[2]))
    model(torch.randn(6, 16))
    steps = (products[0] - model.fc2.bias).round(decimals=3)
    # A sum of twelve products of ±1 is even.
    assert set((steps % 2).unique().tolist()) <= {0.0, 2.0}


def test_unknown_places_and_second_hooks_are_refused() -> None:
    model = build_model("mlp", widths=[16, 12, 5])
    with pytest.raises(UnknownNameError, match=r"unknown layer 'fc9'.*known: fc1, fc2"):
        binarize_activations(model, ["fc9"], "sign")
    binarize_activations(model, ["fc2"], "sign")
    with pytest.raises(SpecError, match="the input of fc2 is binarized already"):
        binarize_activations(model, ["fc2"], "sign")
