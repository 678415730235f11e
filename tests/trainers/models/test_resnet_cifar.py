"""Residual networks for 32 × 32 images."""

import pytest
import torch
from torch import Tensor, nn

from trainers.binarize.attach import latent_weights, weight_layers
from trainers.build import build_model
from trainers.errors import SpecError
from trainers.models import MODELS
from trainers.models.residual import BasicBlock as Block
from trainers.models.resnet_cifar import ResNetCifar, resnet20, resnet110

BLOCKS = {"resnet20": 3, "resnet32": 5, "resnet44": 7, "resnet56": 9, "resnet110": 18}


def _layers(num_blocks: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes as the paper counts the layers, written out by hand."""
    layers: dict[str, tuple[int, ...]] = {"conv1": (16, 3, 3, 3)}
    for stage, before, width in ((1, 16, 16), (2, 16, 32), (3, 32, 64)):
        for block in range(num_blocks):
            num_in = before if block == 0 else width
            layers[f"stage{stage}.{block}.conv1"] = (width, num_in, 3, 3)
            layers[f"stage{stage}.{block}.conv2"] = (width, width, 3, 3)
    return layers | {"fc": (10, 64)}


def _shortcut(x: Tensor, num_out: int) -> Tensor:
    """Option A, element by element."""
    batch, num_in, height, width = x.shape
    result = torch.zeros(batch, num_out, (height + 1) // 2, (width + 1) // 2, dtype=x.dtype)
    for channel in range(num_in):
        for row in range(result.shape[2]):
            for column in range(result.shape[3]):
                place = (num_out - num_in) // 2 + channel
                result[:, place, row, column] = x[:, channel, 2 * row, 2 * column]
    return result


def _alone(block: Block) -> Block:
    """The block with a second normalisation that gives zeros, so that the shortcut shows."""
    nn.init.zeros_(block.bn2.weight)
    return block


@pytest.mark.parametrize("name", BLOCKS)
def test_layer_k_of_the_paper_is_element_k_minus_one(name: str) -> None:
    with torch.device("meta"):
        model = build_model(name)
    expected = _layers(BLOCKS[name])
    weights = {layer: tuple(weight.shape) for layer, weight in latent_weights(model).items()}
    assert list(weights.items()) == list(expected.items())
    assert len(weight_layers(model)) == int(name.removeprefix("resnet"))


def test_the_stages_of_resnet20_begin_where_the_paper_has_them() -> None:
    with torch.device("meta"):
        model = resnet20()
    layers = weight_layers(model)
    assert layers[1 - 1] == "conv1"
    assert layers[2 - 1] == "stage1.0.conv1"
    assert layers[8 - 1] == "stage2.0.conv1"
    assert layers[14 - 1] == "stage3.0.conv1"
    assert layers[19 - 1] == "stage3.2.conv2"
    assert layers[20 - 1] == "fc"
    strides = {name: model.get_submodule(name).stride for name in layers[:-1]}  # type: ignore[union-attr]
    assert [name for name, stride in strides.items() if stride == (2, 2)] == [
        "stage2.0.conv1",
        "stage3.0.conv1",
    ]


@pytest.mark.parametrize(
    ("name", "weights", "parameters"),
    [
        ("resnet20", 268_336, 269_722),
        # The original states 0.46, 0.66, 0.85 and 1.7 million (arXiv:1512.03385, table 6).
        ("resnet32", 461_872, 464_154),
        ("resnet44", 655_408, 658_586),
        ("resnet56", 848_944, 853_018),
        ("resnet110", 1_719_856, 1_727_962),
    ],
)
def test_published_networks_have_the_published_number_of_parameters(
    name: str, weights: int, parameters: int
) -> None:
    with torch.device("meta"):
        model = build_model(name)
    assert sum(weight.numel() for weight in latent_weights(model).values()) == weights
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    n = BLOCKS[name]
    squares = 2 * n * 16**2 + (2 * n - 1) * (32**2 + 64**2) + 16 * 32 + 32 * 64
    assert weights == 9 * (3 * 16 + squares) + 640
    # Besides: two numbers a channel of each normalisation, and the biases of the last layer.
    assert parameters == weights + 2 * (16 + 2 * n * (16 + 32 + 64)) + 10


@pytest.mark.parametrize(("height", "width"), [(8, 8), (6, 10), (7, 5)])
@pytest.mark.parametrize(("num_in", "num_out"), [(16, 32), (2, 4), (3, 9)])
def test_growing_shortcuts_take_every_second_pixel_between_channels_of_zeros(
    num_in: int, num_out: int, height: int, width: int
) -> None:
    x = torch.randn(2, num_in, height, width, dtype=torch.float64)
    block = _alone(Block(num_in, num_out).double())
    assert torch.equal(block(x), _shortcut(x.clamp_min(0), num_out))


def test_other_shortcuts_are_the_input_itself() -> None:
    x = torch.randn(2, 6, 5, 5)
    assert torch.equal(_alone(Block(6, 6))(x), x.clamp_min(0))


def test_the_gradient_of_a_growing_shortcut_returns_to_the_pixels_taken() -> None:
    x = torch.rand(2, 4, 6, 6, dtype=torch.float64) + 1
    x.requires_grad_()
    block = _alone(Block(4, 8).double())
    upstream = torch.randn(2, 8, 3, 3, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(block(x), x, upstream)
    expected = torch.zeros(2, 4, 6, 6, dtype=torch.float64)
    expected[:, :, ::2, ::2] = upstream[:, 2:6]
    assert torch.equal(gradient, expected)


def test_shortcuts_have_no_parameters() -> None:
    names = {name for name, _ in Block(16, 32).named_parameters()}
    assert names == {"conv1.weight", "bn1.weight", "bn1.bias"} | {
        "conv2.weight",
        "bn2.weight",
        "bn2.bias",
    }


def test_a_block_begins_with_relu_and_ends_with_the_sum() -> None:
    block = Block(4, 4).double()
    x = torch.randn(3, 4, 5, 5, dtype=torch.float64)
    positive = x.clamp_min(0)
    inside = block.bn1(block.conv1(positive)).clamp_min(0)
    expected = positive + block.bn2(block.conv2(inside))
    torch.testing.assert_close(block(x), expected)


def test_logits_are_a_linear_layer_on_the_mean_of_the_last_8_by_8_map() -> None:
    model = resnet20().double().eval()
    maps: list[Tensor] = []
    model.get_submodule("stage3").register_forward_hook(lambda _, __, out: maps.append(out))
    logits = model(torch.randn(2, 3, 32, 32, dtype=torch.float64))
    assert maps[0].shape == (2, 64, 8, 8)
    pooled = nn.functional.avg_pool2d(maps[0].clamp_min(0), 8).flatten(1)
    torch.testing.assert_close(logits, pooled @ model.fc.weight.T + model.fc.bias)


@pytest.mark.parametrize("depth", [-4, 0, 2, 7, 18, 21, 22])
def test_depths_without_a_network_are_refused(depth: int) -> None:
    with pytest.raises(SpecError, match=rf"depth.* must be 8, 14, 20, .* got {depth}"):
        ResNetCifar(depth=depth, num_classes=10)


def test_the_table_has_the_networks() -> None:
    assert set(BLOCKS) <= set(MODELS)
    assert (MODELS["resnet20"], MODELS["resnet110"]) == (resnet20, resnet110)
