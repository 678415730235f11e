"""Every network that was published with distribution-aware weights, in every form."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from trainers import SpecError, build_model
from trainers.binarize.attach import activated_modules, weight_layers
from trainers.models.forms import Form, changed, images_of
from trainers.models.init import initialise


@dataclass(frozen=True)
class Published:
    """A line of the published table: name there, network here, convolutions, parameters."""

    model_def: str
    name: str
    num_convs: int
    parameters: int
    form: str | None = None
    binary: Sequence[int] | None = None
    """Numbers of the convolutions with binary inputs, from 1; None: none of them."""
    num_classes: int = 250

    def made(self) -> nn.Module:
        """The network on the meta device."""
        form = {} if self.form is None else {"form": self.form}
        with torch.device("meta"):
            return build_model(self.name, **form, num_classes=self.num_classes)


EXPANDING = [number for fire in range(2, 8) for number in (3 * fire, 3 * fire + 1)]
TABLE = (
    Published("alexnet", "alexnet", 8, 59_324_730, "float"),
    Published("alexnetwbin", "alexnet", 8, 59_315_258, "wbin"),
    Published("alexnetfbin", "alexnet", 8, 59_307_258, "fbin", range(2, 8)),
    Published("alexnethybrid", "alexnet", 8, 59_314_938, "hybrid", range(2, 6)),
    Published("alexnethybridv2", "alexnet", 8, 59_307_258, "v2", range(2, 7)),
    Published("sketchanet", "sketchanet", 8, 8_512_634, "float"),
    Published("sketchanetwbin", "sketchanet", 8, 8_510_714, "wbin"),
    Published("sketchanetfbin", "sketchanet", 8, 8_509_818, "fbin", range(2, 8)),
    Published("sketchanethybrid", "sketchanet", 8, 8_510_330, "hybrid", range(2, 6)),
    Published("sketchanethybridv2", "sketchanet", 8, 8_509_818, "v2", range(2, 7)),
    Published("resnetwbin18", "resnet18_sketch", 21, 11_298_240, "float"),
    Published("resnetfbin18", "resnet18_sketch", 21, 11_296_448, "fbin", range(2, 21)),
    Published("resnethybrid18", "resnet18_sketch", 21, 11_296_448, "hybrid", range(2, 19)),
    Published("resnethybridv218", "resnet18_sketch", 21, 11_297_472, "v2", range(2, 14)),
    Published(
        "resnethybridv318", "resnet18_sketch", 21, 11_297_472, "v3", (2, *range(4, 9), 11, 12, 13)
    ),
    Published("squeezenet", "squeezenet", 26, 860_218, "float"),
    Published("squeezenetwbin", "squeezenet", 26, 857_338, "wbin"),
    Published("squeezenetfbin", "squeezenet", 26, 857_146, "fbin", range(2, 26)),
    Published("squeezenethybrid", "squeezenet", 26, 857_322, "hybrid", range(5, 26)),
    Published("squeezenethybridv2", "squeezenet", 26, 857_194, "v2", range(5, 23)),
    Published("squeezenethybridv3", "squeezenet", 26, 854_602, "v3", EXPANDING),
    Published("googlenet", "googlenet", 57, 6_297_230, "float"),
    Published("googlenetwbin", "googlenet", 57, 6_290_002, "wbin"),
    Published("googlenetfbin", "googlenet", 57, 6_316_506, "fbin", range(2, 58)),
    Published("mobilenet", "mobilenet", 27, 3_462_650),
    Published("nin", "nin", 9, 969_418, binary=range(2, 9), num_classes=10),
    Published("bincifar", "bincifar", 8, 13_228_154, "float"),
    Published("bincifarfbin", "bincifar", 8, 13_226_106, "fbin", range(2, 8)),
    Published("densenet", "densenet", 27, 102_730, num_classes=10),
    Published("vgg16_bncifar", "vgg16_bn", 13, 14_728_266, num_classes=10),
)
every_line = pytest.mark.parametrize("line", TABLE, ids=lambda line: line.model_def)
every_network = pytest.mark.parametrize("name", sorted({line.name for line in TABLE}))


def _convs(model: nn.Module) -> list[str]:
    """Names of the convolutions in the published order, that of registration."""
    return [name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)]


@every_line
def test_it_has_the_published_number_of_parameters_and_convolutions(line: Published) -> None:
    model = line.made()
    assert sum(parameter.numel() for parameter in model.parameters()) == line.parameters
    assert len(_convs(model)) == line.num_convs


@pytest.mark.parametrize(
    "line", [line for line in TABLE if line.binary], ids=lambda line: line.model_def
)
def test_the_published_convolutions_are_made_for_binary_inputs(line: Published) -> None:
    model = line.made()
    assert line.binary is not None
    convs = _convs(model)
    assert activated_modules(model) == tuple(convs[number - 1] for number in line.binary)


@every_network
def test_layers_stand_in_forward_order(name: str) -> None:
    model = build_model(name, num_classes=3, in_channels=1).eval()
    seen: list[str] = []
    for layer in weight_layers(model):
        model.get_submodule(layer).register_forward_pre_hook(
            lambda module, given, layer=layer: seen.append(layer)
        )
    sides = [32 if side is None else side for side in model.takes[1:]]  # type: ignore
    with torch.no_grad():
        assert model(torch.zeros(1, 1, *sides)).shape == (1, 3)
    assert tuple(seen) == weight_layers(model)


@every_network
def test_images_of_another_shape_are_refused(name: str) -> None:
    with torch.device("meta"):
        model = build_model(name, in_channels=1)
        size = model.takes[1]  # type: ignore[index,union-attr]
        for shape in [(2, 3, size or 64, size or 64), *([(2, 1, 99, 99)] if size else [])]:
            with pytest.raises(
                SpecError,
                match=r"takes images of 1 channel and .*, got [13]x",
            ):
                model(torch.zeros(shape))


@every_network
def test_channels_are_an_option_of_the_first_layer(name: str) -> None:
    for channels in (1, 3):
        with torch.device("meta"):
            model = build_model(name, in_channels=channels)
        first = model.get_submodule(weight_layers(model)[0])
        assert isinstance(first, nn.Conv2d)
        assert first.in_channels == channels
    with pytest.raises(SpecError, match="in_channels: must be 1 or more, got 0"):
        build_model(name, in_channels=0)


@pytest.mark.parametrize("name", ["densenet", "mobilenet", "squeezenet"])
def test_first_weights_have_the_variance_of_two_over_the_fan_out(name: str) -> None:
    model = build_model(name)
    initialise(model, torch.Generator().manual_seed(3))
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.weight.numel() > 2000:
            fan_out = layer.weight.shape[0] * layer.weight[0, 0].numel()
            assert layer.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.08)
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            assert (layer.bias == 0).all()


LAYERS = ("a", "b", "c")
BASE = Form(norm_before=("a",), unbiased=("b",), dropout=0.5)


def test_what_nobody_changes_stays_as_published() -> None:
    assert changed(BASE, LAYERS) == BASE


def test_layers_are_taken_in_their_own_order() -> None:
    form = changed(BASE, LAYERS, norm_before=["c", "b"], unbiased=[], dropout=0)
    assert form == Form(norm_before=("b", "c"), unbiased=(), dropout=0)


def test_unknown_layers_and_shares_are_told_at_once() -> None:
    with pytest.raises(SpecError, match="unknown layer") as raised:
        changed(BASE, LAYERS, norm_before=["a", "d"], unbiased=["e"], dropout=1.0)
    assert [fault.path for fault in raised.value.faults] == [
        "norm_before.1",
        "unbiased.0",
        "dropout",
    ]


def test_a_hybrid_of_ones_own_is_a_list_of_layers() -> None:
    with torch.device("meta"):
        own = build_model("alexnet", form="fbin", norm_before=["conv2", "conv3"])
        norms = [own.get_submodule(f"bn{number}") for number in range(1, 8)]
    assert activated_modules(own) == ("conv2", "conv3")
    assert [norm.num_features for norm in norms] == [96, 96, 256, 384, 256, 4096, 4096]


@pytest.mark.parametrize(
    ("takes", "text"),
    [
        ((1, None, None), "images of 1 channel and any size"),
        ((3, 32, 32), "images of 3 channels and 32x32 pixels"),
    ],
)
def test_what_a_network_takes_is_said_in_words(takes: tuple[int | None, ...], text: str) -> None:
    assert images_of(takes) == text
