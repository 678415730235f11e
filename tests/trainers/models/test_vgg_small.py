"""VGG-Small, layer by layer."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.binarize.attach import activated_modules, binarize_activations, weight_layers
from trainers.errors import SpecError
from trainers.models.vgg_small import VggSmall

CONVOLUTIONS = [f"conv{number}" for number in range(1, 7)]


def test_layers_have_the_published_shapes_and_no_bias() -> None:
    with torch.device("meta"):
        model = VggSmall()
    assert weight_layers(model) == (*CONVOLUTIONS, "fc7")
    assert {name: tuple(item.shape) for name, item in model.named_parameters()} == {
        "conv1.weight": (128, 3, 3, 3),
        "conv2.weight": (128, 128, 3, 3),
        "conv3.weight": (256, 128, 3, 3),
        "conv4.weight": (256, 256, 3, 3),
        "conv5.weight": (512, 256, 3, 3),
        "conv6.weight": (512, 512, 3, 3),
        "fc7.weight": (10, 8192),
    }


@pytest.mark.parametrize(("width", "widths"), [(1.25, (160, 320, 640)), (0.01, (1, 2, 5))])
def test_the_width_is_a_factor_on_the_channels_rounded_down(
    width: float, widths: tuple[int, ...]
) -> None:
    with torch.device("meta"):
        model = VggSmall(width=width)
    channels = [model.get_submodule(name).out_channels for name in CONVOLUTIONS]
    assert channels == [channel for channel in widths for _ in range(2)]
    assert model.fc7.in_features == widths[-1] * 16


@pytest.mark.parametrize(("norm", "numbers"), [("pooled", [2, 4, 6]), ("all", [1, 2, 3, 4, 5, 6])])
@pytest.mark.parametrize("affine", [True, False])
def test_convolutions_are_normalised_as_asked(norm: Any, numbers: list[int], affine: bool) -> None:
    model = VggSmall(width=0.01, norm=norm, affine=affine)
    norms = {
        name: item for name, item in model.named_modules() if isinstance(item, nn.BatchNorm2d)
    }
    assert list(norms) == [f"bn{number}" for number in numbers]
    assert {item.affine for item in norms.values()} == {affine}


def _expected(model: VggSmall, x: Tensor, *, relus: set[int], norms: set[int]) -> Tensor:
    """Logits with ReLU after the convolutions of some numbers; statistics of the batch."""
    for number in range(1, 7):
        x = functional.conv2d(x, model.get_submodule(f"conv{number}").weight, padding=1)
        x = functional.max_pool2d(x, 2) if number % 2 == 0 else x
        x = functional.batch_norm(x, None, None, training=True) if number in norms else x
        x = x.clamp_min(0) if number in relus else x
    return x.flatten(1) @ model.fc7.weight.T


@pytest.mark.parametrize(
    ("options", "relus", "norms"),
    [
        ({}, {1, 6}, {2, 4, 6}),
        ({"relu": "all"}, {1, 2, 3, 4, 5, 6}, {2, 4, 6}),
        ({"norm": "all"}, {1, 6}, {1, 2, 3, 4, 5, 6}),
    ],
    ids=["published", "relu", "norm"],
)
def test_logits_are_those_of_convolutions_pooled_normalised_and_rectified(
    options: dict[str, Any], relus: set[int], norms: set[int]
) -> None:
    torch.manual_seed(0)
    model = VggSmall(width=0.03, num_classes=3, **options).double()
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(model(images), _expected(model, images, relus=relus, norms=norms))


def test_inputs_are_binary_in_all_but_the_first_and_the_last_layer() -> None:
    torch.manual_seed(0)
    model = VggSmall(width=0.03, num_classes=3)
    assert activated_modules(model) == tuple(CONVOLUTIONS[1:])
    seen: dict[str, Tensor] = {}
    binarize_activations(model, activated_modules(model), "sign")
    for name in weight_layers(model):
        model.get_submodule(name).register_forward_pre_hook(
            lambda _, inputs, name=name: seen.update({name: inputs[0]})
        )
    images = torch.randn(4, 3, 32, 32)
    model(images)
    assert torch.equal(seen["conv1"], images)
    for name in activated_modules(model):
        assert set(seen[name].unique().tolist()) == {-1.0, 1.0}, name
    # Before the last layer ReLU stays.
    assert seen["fc7"].min() == 0
    assert len(seen["fc7"].unique()) > 2


def test_images_are_of_the_size_it_says() -> None:
    model = VggSmall(width=0.01)
    assert model(torch.zeros(2, *VggSmall.takes)).shape == (2, 10)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        model(torch.zeros(2, 3, 40, 40))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0.007}, r"width: leaves no channel, got 0\.007"),
        ({"width": -1.0}, "width: leaves no channel"),
        ({"num_classes": 0}, "num_classes: must be 1 or more, got 0"),
    ],
)
def test_a_network_without_channels_or_classes_is_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        VggSmall(**options)
