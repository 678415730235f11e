"""The families of residual networks in which tickets are looked for."""

from typing import Any

import pytest
import torch
from torch import nn

from trainers.binarize.attach import activated_modules, binarize_activations, weight_layers
from trainers.build import build_model
from trainers.errors import SpecError
from trainers.models.residual import BasicBlock, Bottleneck


def test_a_shortcut_comes_after_the_convolutions_it_passes() -> None:
    with torch.device("meta"):
        layers = weight_layers(build_model("resnet_cifar", depth=18))
    at = layers.index("layer2.0.conv1")
    assert layers[at : at + 3] == ("layer2.0.conv1", "layer2.0.conv2", "layer2.0.downsample.0")
    assert len(layers) == 21


def test_signs_hang_on_blocks_inner_convolutions_and_the_last_pooling() -> None:
    with torch.device("meta"):
        places = activated_modules(build_model("resnet_cifar", depth=20))
    assert places[:3] == ("layer1.0", "layer1.0.conv2", "layer1.1")
    assert places[-1] == "pool"
    assert len(places) == 2 * 9 + 1


def test_the_shortcut_of_a_block_takes_the_binary_input_too() -> None:
    block = BasicBlock(4, 4).eval()
    nn.init.zeros_(block.bn2.weight)
    model = nn.Sequential(block)
    model.activated = lambda: ("0",)  # type: ignore[assignment]
    binarize_activations(model, ["0"], "sign")
    assert set(model(torch.randn(2, 4, 5, 5)).unique().tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("ordering", ["v1", "v2", "v2_twice"])
def test_the_ordering_says_where_the_second_normalisation_stands(ordering: Any) -> None:
    block = BasicBlock(4, 4, ordering=ordering, affine=False).double().train()
    x = torch.randn(6, 4, 5, 5, dtype=torch.float64)
    positive = x.clamp_min(0)
    inside = block.conv2(block.bn1(block.conv1(positive)).clamp_min(0))

    def norm(value: torch.Tensor) -> torch.Tensor:
        return nn.functional.batch_norm(value, None, None, training=True)

    expected = {
        "v1": positive + norm(inside),
        "v2": norm(positive + inside),
        "v2_twice": norm(positive + norm(inside)),
    }[ordering]
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize(("ordering", "has_fourth"), [("v1", False), ("v2", True)])
def test_a_bottleneck_has_a_fourth_normalisation_in_v2(ordering: Any, has_fourth: bool) -> None:
    block = Bottleneck(8, 16, inside=4, stride=2, ordering=ordering)
    assert (block.bn4 is not None) == has_fourth
    assert block(torch.randn(2, 8, 6, 6)).shape == (2, 16, 3, 3)


def test_the_published_pooling_leaves_forty_outputs() -> None:
    images = torch.randn(2, 3, 32, 32)
    torch.manual_seed(0)
    whole = build_model("resnet_cifar", depth=20).eval()
    published = build_model("resnet_cifar", depth=20, published_pool=True).eval()
    published.load_state_dict(whole.state_dict())
    logits, forty = whole(images), published(images)
    assert (logits.shape, forty.shape) == ((2, 10), (2, 40))
    # Class by class, four places each; their mean is the pooling of the whole map.
    torch.testing.assert_close(forty.reshape(2, 10, 4).mean(2), logits)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet_cifar", {"depth": 21}, "depth: must be one of 18, 20, 32"),
        ("resnet_cifar", {"depth": 18, "width": 0.0}, "width: must be positive"),
        ("resnet_imagenet", {"depth": 20}, "depth: must be one of 18, 34, 50, 101"),
        (
            "resnet_imagenet",
            {"depth": 18, "bottleneck_width": 128},
            "bottleneck_width: is for bottlenecks",
        ),
    ],
)
def test_networks_that_cannot_be_are_refused(
    name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecError, match=message):
        build_model(name, **options)
