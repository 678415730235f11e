"""The residual network for 224 × 224 images."""

import copy
import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from trainers.binarize.attach import latent_weights, weight_layers
from trainers.build import build_model
from trainers.models import MODELS
from trainers.models.init import OwnInitialisation, initialise
from trainers.models.resnet_imagenet import ResNetImageNet, resnet21

LAYERS: list[tuple[str, tuple[int, ...]]] = [
    ("conv1", (64, 3, 7, 7)),
    ("layer1.0.conv1", (64, 64, 3, 3)),
    ("layer1.0.conv2", (64, 64, 3, 3)),
    ("layer1.1.conv1", (64, 64, 3, 3)),
    ("layer1.1.conv2", (64, 64, 3, 3)),
    ("layer2.0.conv1", (128, 64, 3, 3)),
    ("layer2.0.conv2", (128, 128, 3, 3)),
    ("layer2.0.downsample.0", (128, 64, 1, 1)),
    ("layer2.1.conv1", (128, 128, 3, 3)),
    ("layer2.1.conv2", (128, 128, 3, 3)),
    ("layer3.0.conv1", (256, 128, 3, 3)),
    ("layer3.0.conv2", (256, 256, 3, 3)),
    ("layer3.0.downsample.0", (256, 128, 1, 1)),
    ("layer3.1.conv1", (256, 256, 3, 3)),
    ("layer3.1.conv2", (256, 256, 3, 3)),
    ("layer4.0.conv1", (512, 256, 3, 3)),
    ("layer4.0.conv2", (512, 512, 3, 3)),
    ("layer4.0.downsample.0", (512, 256, 1, 1)),
    ("layer4.1.conv1", (512, 512, 3, 3)),
    ("layer4.1.conv2", (512, 512, 3, 3)),
    ("fc", (1000, 512)),
]


@pytest.fixture(scope="module")
def network() -> ResNetImageNet:
    """The network with first weights drawn from a generator; tests do not change them."""
    model = resnet21()
    initialise(model, torch.Generator().manual_seed(5))
    return model


def test_layer_k_of_the_paper_is_element_k_minus_one() -> None:
    with torch.device("meta"):
        model = build_model("resnet21")
    weights = {layer: tuple(weight.shape) for layer, weight in latent_weights(model).items()}
    assert list(weights.items()) == LAYERS
    assert len(weight_layers(model)) == 21


def test_the_network_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = build_model("resnet21")
    assert sum(weight.numel() for weight in latent_weights(model).values()) == 11_678_912
    assert sum(parameter.numel() for parameter in model.parameters()) == 11_689_512


def test_weights_load_into_the_resnet18_of_torchvision_which_gives_the_same_logits(
    network: ResNetImageNet,
) -> None:
    from torchvision.models import resnet18

    ours = copy.deepcopy(network).double().eval()
    with torch.device("meta"):
        theirs = resnet18().eval()
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict(ours.state_dict(), strict=True, assign=True)
    source = torch.Generator().manual_seed(0)
    images = torch.randn(2, 3, 64, 96, generator=source, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images))


def _check_first_weights(model: nn.Module) -> None:
    for name, shape in LAYERS[:-1]:
        weight = model.get_parameter(f"{name}.weight")
        expected = math.sqrt(2 / (shape[0] * shape[2] * shape[3]))
        assert weight.std().item() == pytest.approx(expected, rel=0.05), name
        assert abs(weight.mean().item()) < 0.05 * expected, name
        # A normal distribution: 4.55 % lie beyond two deviations; of a uniform one none would.
        beyond = (weight.abs() > 2 * expected).float().mean().item()
        assert beyond == pytest.approx(0.0455, rel=0.2), name
    bound = 1 / math.sqrt(512)
    for tensor in (model.get_parameter("fc.weight"), model.get_parameter("fc.bias")):
        assert 0.98 * bound < tensor.abs().max() <= bound


def test_first_weights_of_convolutions_are_normal_by_fan_out(network: ResNetImageNet) -> None:
    _check_first_weights(network)


def test_the_constructor_draws_as_initialise_does() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        _check_first_weights(resnet21())


def test_first_weights_are_drawn_layer_by_layer_from_the_generator(
    network: ResNetImageNet,
) -> None:
    source = torch.Generator().manual_seed(5)
    for name, shape in LAYERS[:-1]:
        deviation = math.sqrt(2 / (shape[0] * shape[2] * shape[3]))
        expected = torch.empty(shape).normal_(0, deviation, generator=source)
        torch.testing.assert_close(network.get_parameter(f"{name}.weight"), expected)


def test_the_global_generator_is_not_drawn_from() -> None:
    model = resnet21()
    before = torch.get_rng_state()
    initialise(model, torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)


def test_it_draws_its_layers_its_own_way_and_others_as_torch_does() -> None:
    with torch.device("meta"):
        assert isinstance(build_model("resnet21"), OwnInitialisation)
        for name in ("vgg5", "vgg9", "resnet20"):
            assert not isinstance(build_model(name), OwnInitialisation)


def test_making_it_on_the_meta_device_does_not_load_the_compiler_of_torch() -> None:
    script = (
        "import sys, torch\n"
        "from trainers.models.resnet_imagenet import resnet21\n"
        "with torch.device('meta'): resnet21()\n"
        "assert 'torch._dynamo' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_table_has_the_network() -> None:
    assert MODELS["resnet21"] is resnet21
