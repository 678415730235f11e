"""BIPROP: whole networks on one batch, their sizes, and the magnitudes of their first weights.

The numbers come from the code published with arXiv:2103.09377, run in double precision; they have
nine digits.
"""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainers.binarize.attach import (
    activated_modules,
    binarize_activations,
    binarize_weights,
    binarizers,
    latent_weights,
    set_binary,
    weight_layers,
)
from trainers.build import build_model
from trainers.losses import cross_entropy
from trainers.models.weight_inits import WEIGHT_INITS

STORED: dict[str, Any] = json.loads(Path(__file__).with_name("biprop.json").read_text())
CASES: dict[str, Any] = STORED["cases"]

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "FC": ("mlp", {"widths": [784, 300, 100, 10], "norm": False, "bias": False}),
    "Conv2": ("conv", {"depth": 2}),
    "Conv2_BinAct": ("conv", {"depth": 2, "norm": True}),
    "Conv4": ("conv", {"depth": 4}),
    "Conv4_BinAct": ("conv", {"depth": 4, "norm": True}),
    "Conv6": ("conv", {"depth": 6}),
    "Conv8": ("conv", {"depth": 8}),
    "Conv4Wide": ("conv", {"depth": 4}),
    "Conv8Wide": ("conv", {"depth": 8}),
    "Conv4Wide@0.5": ("conv", {"depth": 4, "width": 0.5}),
    "Conv8Wide@2.0": ("conv", {"depth": 8, "width": 2.0}),
    "VGG_Small": ("vgg_small", {}),
    "VGG_Small_BinAct": ("vgg_small", {}),
    "VGG_Small_bn_BinAct": ("vgg_small", {"norm": "all"}),
    "Wide_VGG_Small": ("vgg_small", {"width": 0.125, "norm": "all"}),
    "Wide_VGG_Small@10": ("vgg_small", {"width": 1.25, "norm": "all"}),
    **{
        f"cResNet{depth}": ("resnet_cifar", {"depth": depth})
        for depth in (18, 20, 32, 44, 56, 110, 50, 101)
    },
    "cResNet34_BinAct": ("resnet_cifar", {"depth": 34}),
    "cWideResNet18_2": ("resnet_cifar", {"depth": 18, "width": 1.5}),
    **{f"ResNet{depth}": ("resnet_imagenet", {"depth": depth}) for depth in (18, 34, 50, 101)},
    "WideResNet18_2_BinAct": ("resnet_imagenet", {"depth": 18, "width": 1.5}),
    "WideResNet34_2": ("resnet_imagenet", {"depth": 34, "width": 1.5}),
    "WideResNet50_2": ("resnet_imagenet", {"depth": 50, "bottleneck_width": 128}),
    "WideResNet50_2_BinAct_v2": (
        "resnet_imagenet",
        {"depth": 50, "width": 1.5, "bottleneck_width": 128, "ordering": "v2"},
    ),
}


def _sizes(name: str) -> tuple[int, int]:
    network, options = NETWORKS[name]
    with torch.device("meta"):
        weights = latent_weights(build_model(network, **options))
    return len(weights), sum(weight.numel() for weight in weights.values())


@pytest.mark.parametrize("case", ["param_counts", "param_counts_width"])
def test_networks_have_the_published_numbers_of_layers_and_weights(case: str) -> None:
    for name, expected in CASES[case]["expected"].items():
        assert _sizes(name) == (expected["conv_layers"], expected["weights"]), name


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({"depth": 18, "width": 2.0}, 44_035_776),
        ({"depth": 34, "width": 2.0, "imagenet": True}, 85_238_976),
        ({"depth": 101, "bottleneck_width": 128, "imagenet": True}, 126_747_840),
    ],
)
def test_the_widest_networks_have_the_published_number_of_weights(
    options: dict[str, Any], weights: int
) -> None:
    family = "resnet_imagenet" if options.pop("imagenet", False) else "resnet_cifar"
    with torch.device("meta"):
        model = build_model(family, **options)
    assert sum(weight.numel() for weight in latent_weights(model).values()) == weights


def _published(name: str, formulas: Any) -> nn.Module:
    """The network in double, with weights and scores from the formulas and every layer pruned."""
    setup = CASES[name]["setup"]
    network, options = NETWORKS[setup["arch"]]
    model = build_model(network, **options).double()
    of_scores = type(formulas)(
        STORED["constants"] | {key: STORED["constants"][f"s{key}"] for key in "abc"}
    )
    is_global = setup["conv_type"] == "GlobalSubnetConv"
    method = {"name": "biprop_global"} if is_global else {"name": "biprop"}
    with torch.no_grad():
        for number, weight in enumerate(latent_weights(model).values()):
            bound = math.sqrt(6 / weight[0].numel())
            weight.copy_(formulas.parameter(tuple(weight.shape), 2 * number, bound))
    binarize_weights(
        model,
        weight_layers(model),
        **method,
        keep=setup["prune_rate"],
        published_alpha=not is_global,
    )
    with torch.no_grad():
        for number, (_, binarizer) in enumerate(binarizers(model)):
            bound = 1 / math.sqrt(binarizer.scores[0].numel())
            shape = tuple(binarizer.scores.shape)
            binarizer.scores.copy_(of_scores.parameter(shape, 2 * number + 1, bound))
    set_binary(model, weight_layers(model))
    if setup["mode"] != "train":
        _fill_statistics(model, formulas)
    if "BinAct" in setup["arch"]:
        binarize_activations(model, activated_modules(model), "approx_sign", zero=0)
    return model


def _fill_statistics(model: nn.Module, formulas: Any) -> None:
    model.eval()
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    a, b, c = (STORED["constants"][name] for name in "abc")
    for number, norm in enumerate(norms):
        place = torch.arange(1, norm.num_features + 1).double()
        phase = a + b * place + c * (number + 1)
        norm.running_mean.copy_((0.3 * phase.sin()).float())
        norm.running_var.copy_((1 + 0.1 * (phase + 1).sin()).float())


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "arch" in case["setup"]])
def test_a_batch_gives_the_published_loss_outputs_and_gradients(name: str, formulas: Any) -> None:
    setup, expected = CASES[name]["setup"], CASES[name]["f64"]
    model = _published(name, formulas)
    batch = formulas.batch(0, setup["batch"], shape=tuple(setup["image"]))
    logits = model(batch.images)
    if "threshold" in expected:
        layers = [binarizer for _, binarizer in binarizers(model)]
        assert [layer.num_above for layer in layers] == expected["kept"]
        assert layers[0].threshold.item() == pytest.approx(expected["threshold"], rel=1e-6)
    loss = cross_entropy()(logits, batch.labels)
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-6)
    assert logits[0].tolist() == pytest.approx(expected["out_row0"], rel=1e-6, abs=1e-6)
    loss.backward()
    norms = [binarizer.scores.grad.norm().item() for _, binarizer in binarizers(model)]
    # Ties within a pooling of ±1 go to one pixel or another.
    tolerance = 5e-2 if "BinAct" in setup["arch"] else 1e-6
    assert norms == pytest.approx(expected["score_grad_l2"], rel=tolerance)


@pytest.mark.parametrize("row", CASES["init_magnitudes"]["expected"]["rows"])
def test_constant_first_weights_have_the_published_magnitude(row: dict[str, Any]) -> None:
    options: dict[str, Any] = {}
    if row["init"] != "xavier_constant":
        options = {"mode": row["mode"], "scale_fan": row["scale_fan"]}
    draw = WEIGHT_INITS[row["init"]](row["prune_rate"], **options)
    assert draw is not None
    weight = torch.empty(row["shape"])
    draw(weight, torch.Generator().manual_seed(0))
    magnitude = weight.abs()
    assert torch.equal(magnitude, magnitude.flatten()[0].expand_as(magnitude))
    assert magnitude.max().item() == pytest.approx(row["abs_weight"], rel=1e-6)
