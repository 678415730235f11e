"""What goes into a file comes out of it, from the file alone."""

import copy
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

import trainers
from trainers import (
    MODELS,
    WEIGHT_BINARIZERS,
    SpecError,
    WeightBinarizer,
    activated_modules,
    binarize_activations,
    binarize_weights,
    build_model,
    export_packed,
    load_packed,
    read_packed,
    set_binary,
    weight_layers,
)
from trainers.models import Mlp

Trained = Callable[..., nn.Module]
Images = Callable[..., Tensor]
Logits = Callable[[nn.Module, Tensor], Tensor]


LARGE = {"alexnet"}
"""Networks whose files have hundreds of megabytes."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name in sorted(MODELS)
    ],
)
def test_every_network_computes_the_same_bits_from_its_file(
    name: str, tmp_path: Path, trained: Trained, images: Images, logits: Logits
) -> None:
    model = trained(name)
    export_packed(model, tmp_path / "net.bnn", {})
    again = load_packed(tmp_path / "net.bnn")
    assert not again.training
    expected = logits(model, images(name, 3))
    assert expected.isfinite().all()
    assert torch.equal(logits(again, images(name, 3)), expected)
    plain = {key.replace(".parametrizations.weight.original", ".weight")
             for key in model.state_dict()}  # fmt: skip
    assert set(again.state_dict()) == plain


REAL = {"biprop_fixed", "biprop_sampled"}
"""Binarizers that leave weights as real as they were."""


@pytest.mark.parametrize("binarizer", sorted(set(WEIGHT_BINARIZERS) - REAL))
def test_every_binarizer_is_packed_into_a_bit_or_less_than_two(
    binarizer: str, tmp_path: Path, trained: Trained, images: Images, logits: Logits
) -> None:
    model = trained("mlp", binarizer)
    export_packed(model, tmp_path / "net.bnn")
    file = read_packed(tmp_path / "net.bnn")
    assert torch.equal(logits(file.network(), images("mlp")), logits(model, images("mlp")))
    assert all(layer.bits_a_weight < 2 for layer in file.layers)
    assert file.payload < file.float_bytes / 5


@pytest.mark.parametrize("binarizer", ["dab", "xnor"])
def test_each_filter_has_its_own_two_levels_and_one_bit_a_weight(
    binarizer: str, tmp_path: Path, trained: Trained, images: Images, logits: Logits
) -> None:
    model = trained("conv", binarizer)
    export_packed(model, tmp_path / "net.bnn")
    file = read_packed(tmp_path / "net.bnn")
    for layer in file.layers:
        assert layer.num_bytes == -(-layer.num_weights // 8) + layer.level_bytes
        assert layer.level_bytes == layer.shape[0] * 2 * 4
    assert torch.equal(logits(file.network(), images("conv")), logits(model, images("conv")))


def test_a_given_subnet_of_real_weights_is_stored_in_full(
    tmp_path: Path, trained: Trained, images: Images, logits: Logits
) -> None:
    model = trained("mlp", "biprop_fixed")
    export_packed(model, tmp_path / "net.bnn")
    file = read_packed(tmp_path / "net.bnn")
    assert {layer.code for layer in file.layers} == {"float32"}
    assert torch.equal(logits(file.network(), images("mlp")), logits(model, images("mlp")))


def test_a_given_subnet_of_weights_of_one_size_is_packed(
    tmp_path: Path, trained: Trained, images: Images, logits: Logits
) -> None:
    model = trained("mlp", "biprop_fixed")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("original"):
                weight.copy_(weight.sign() * 0.1)
    export_packed(model, tmp_path / "net.bnn")
    file = read_packed(tmp_path / "net.bnn")
    assert {layer.code for layer in file.layers} == {"mask"}
    assert torch.equal(logits(file.network(), images("mlp")), logits(model, images("mlp")))


@pytest.mark.parametrize(("keep", "code"), [(0.5, "mask"), (0.1, "mask"), (0.7, "trits")])
@pytest.mark.parametrize("binarizer", ["biprop", "biprop_global"])
def test_a_ticket_takes_the_smaller_of_its_codes(
    binarizer: str, keep: float, code: str, tmp_path: Path, logits: Logits, images: Images
) -> None:
    # One threshold for all layers keeps 0.59 of the first one's weights, give or take the draw;
    # from 0.6 on trits are smaller.
    torch.manual_seed(0)
    model = build_model("mlp", widths=[35, 130, 13, 10]).eval()
    layers = weight_layers(model)
    binarize_weights(model, layers, binarizer, keep=keep)
    set_binary(model, layers)
    export_packed(model, tmp_path / "net.bnn")
    file = read_packed(tmp_path / "net.bnn")
    assert file.layers[0].code == code
    # Five trits a byte; or a bit for each weight, and one more for each that is kept.
    bits = 8 / 5 if code == "trits" else 1 + keep
    each = 8 * sum(layer.num_bytes for layer in file.layers)
    num = sum(layer.num_weights for layer in file.layers)
    assert each / num == pytest.approx(bits, rel=0.03)
    assert torch.equal(logits(file.network(), images("mlp")), logits(model, images("mlp")))


SIGNS: list[tuple[str, dict[str, Any]]] = [
    ("approx_sign", {}),
    ("approx_sign", {"zero": 0}),
    ("sign", {"clip": None}),
]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("conv", {"depth": 2, "norm": True}),
        ("resnet_cifar", {"depth": 20, "ordering": "v2"}),
        ("vgg_small", {"width": 0.25}),
        ("mlp", {}),
    ],
    ids=["conv", "resnet_cifar", "vgg_small", "mlp"],
)
def test_binary_inputs_are_binary_again(
    name: str,
    options: dict[str, Any],
    tmp_path: Path,
    trained: Trained,
    images: Images,
    logits: Logits,
) -> None:
    model = trained(name, "biprop", **options)
    without = logits(model, images(name))
    binarize_activations(model, activated_modules(model), "approx_sign")
    export_packed(model, tmp_path / "net.bnn")
    file = read_packed(tmp_path / "net.bnn")
    assert (file.version, len(file.activations)) == (2, 1)
    assert file.activations[0].layers == activated_modules(model)
    expected = logits(model, images(name))
    assert not torch.equal(expected, without)
    assert torch.equal(logits(file.network(), images(name)), expected)


@pytest.mark.parametrize(("name", "options"), SIGNS)
def test_a_binarizer_of_inputs_keeps_its_options(
    name: str,
    options: dict[str, Any],
    tmp_path: Path,
    trained: Trained,
    images: Images,
    logits: Logits,
) -> None:
    model = trained("mlp")
    binarize_activations(model, ["fc3"], name, **options)
    binarize_activations(model, ["fc2"], "sign", clip=2)
    first, second = tmp_path / "first.bnn", tmp_path / "second.bnn"
    export_packed(model, first)
    file = read_packed(first)
    assert [spec.to_mapping() for spec in file.activations] == [
        {"name": "sign", "clip": 2.0, "layers": ["fc2"]},
        {"name": name, **options, "layers": ["fc3"]},
    ]
    # Zeros are what the options decide on.
    zeros = torch.zeros_like(images("mlp"))
    for batch in (zeros, images("mlp")):
        assert torch.equal(logits(file.network(), batch), logits(model, batch))
    export_packed(file.network(), second)
    assert [spec.to_mapping() for spec in read_packed(second).activations] == [
        spec.to_mapping() for spec in file.activations
    ]


def test_binary_inputs_have_no_place_in_the_published_layout(
    tmp_path: Path, trained: Trained
) -> None:
    model = trained("wrn", "mcdonnell", apart=["conv0", "conv_last"], depth=8)
    binarize_activations(model, ["group0.block0.conv1"], "sign")
    with pytest.raises(SpecError, match="packbits holds no binary inputs; packed does"):
        export_packed(model, tmp_path / "net.bnn", format="packbits")


class PerFilter(WeightBinarizer):
    """The two group means of each filter: what later methods will make."""

    def binarize(self, latent: Tensor) -> Tensor:
        rows = latent.flatten(1)
        high = rows >= 0.1 * rows.amax(1, keepdim=True)
        means = [(rows * part).sum(1) / part.sum(1).clamp(min=1) for part in (high, ~high)]
        return torch.where(high, means[0][:, None], means[1][:, None]).reshape(latent.shape)


class Pruned(WeightBinarizer):
    """The larger magnitudes' signs times their mean, and zeros."""

    def binarize(self, latent: Tensor) -> Tensor:
        kept = latent.abs() > latent.abs().median() * 1.2
        return latent.sign() * kept * latent.abs()[kept].mean()


@pytest.mark.parametrize(("make", "code"), [(PerFilter, "bits"), (Pruned, "mask")])
def test_values_of_each_filter_and_pruned_weights_are_kept(
    make: type[WeightBinarizer],
    code: str,
    tmp_path: Path,
    images: Images,
    logits: Logits,
) -> None:
    model = build_model("wrn", depth=8, width=0.5).eval()
    for layer in weight_layers(model)[1:-1]:
        parametrize.register_parametrization(model.get_submodule(layer), "weight", make())
    export_packed(model, tmp_path / "net.bnn", {})
    file = read_packed(tmp_path / "net.bnn")
    assert torch.equal(logits(file.network(), images("wrn")), logits(model, images("wrn")))
    codes = [layer.code for layer in file.layers]
    assert codes == ["float32", *[code] * 6, "float32"]


def test_layers_that_are_not_binary_stay_as_they_are(
    tmp_path: Path, trained: Trained, images: Images, logits: Logits
) -> None:
    model = trained("mlp")
    set_binary(model, ["fc2"])
    export_packed(model, tmp_path / "net.bnn", {})
    file = read_packed(tmp_path / "net.bnn")
    assert [layer.code for layer in file.layers] == ["float32", "bits", "float32"]
    assert torch.equal(logits(file.network(), images("mlp")), logits(model, images("mlp")))


def test_a_network_without_binarizers_is_stored_in_full(tmp_path: Path) -> None:
    export_packed(build_model("mlp", widths=[4, 3, 2]), tmp_path / "net.bnn", {})
    file = read_packed(tmp_path / "net.bnn")
    assert file.payload == file.float_bytes


def test_a_network_in_double_precision_stays_in_it(
    tmp_path: Path, trained: Trained, images: Images, logits: Logits
) -> None:
    model = trained("mlp", "mcdonnell").double()
    export_packed(model, tmp_path / "net.bnn", {})
    again = load_packed(tmp_path / "net.bnn")
    batch = images("mlp").double()
    assert torch.equal(logits(again, batch), logits(model, batch))


def test_the_file_alone_is_enough_in_a_process_of_its_own(
    tmp_path: Path, trained: Trained, images: Images, logits: Logits
) -> None:
    model = trained("wrn", "mcdonnell", apart=["conv0", "conv_last"], depth=8, width=1)
    export_packed(model, tmp_path / "net.bnn", {"note": "mine"})
    torch.save(images("wrn"), tmp_path / "images.pt")
    code = (
        "import torch, trainers\n"
        "images = torch.load('images.pt')\n"
        "with torch.no_grad(): torch.save(trainers.load_packed('net.bnn')(images), 'out.pt')\n"
    )
    path = str(Path(trainers.__file__).resolve().parents[1])
    environment = {"PYTHONPATH": path, "PATH": "", "OMP_NUM_THREADS": str(torch.get_num_threads())}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
    assert torch.equal(torch.load(tmp_path / "out.pt"), logits(model, images("wrn")))


@pytest.mark.parametrize("classes", [10, 100])
def test_the_wide_network_takes_the_published_bytes(classes: int, tmp_path: Path) -> None:
    model = build_model("wrn", depth=20, width=10, num_classes=classes)
    layers = weight_layers(model)[1:-1]
    binarize_weights(model, layers, "mcdonnell")
    set_binary(model, layers)
    # As much as the command line puts in.
    spec = {"layers": {"order": list(layers)}, "text": "x" * 1200}
    export_packed(model, tmp_path / "net.bnn", {"spec": spec, "study": "wrn20-cifar100"})
    file = read_packed(tmp_path / "net.bnn")
    assert file.payload == {10: 3_439_040, 100: 3_670_880}[classes]
    assert file.float_bytes == {10: 107_003_840, 100: 107_235_680}[classes]
    if classes == 100:
        assert (tmp_path / "net.bnn").stat().st_size == file.num_bytes <= 3.51 * 2**20


def test_metadata_and_recipe_come_back(tmp_path: Path, trained: Trained) -> None:
    metadata: dict[str, Any] = {
        "study": "mine · ±",
        "metrics": {"error": 0.125},
        "list": [1, None],
    }
    export_packed(trained("mlp"), tmp_path / "net.bnn", metadata)
    file = read_packed(tmp_path / "net.bnn")
    assert file.metadata == metadata
    assert file.recipe.to_mapping() == {"name": "mlp", "widths": [35, 130, 13, 10]}
    assert (file.format, file.version) == ("bnn-packed", 1)


def test_what_was_loaded_can_be_exported_again(tmp_path: Path, trained: Trained) -> None:
    first, second = tmp_path / "first.bnn", tmp_path / "second.bnn"
    export_packed(trained("mlp"), first, {})
    export_packed(load_packed(first), second, {})
    again = read_packed(second).state
    for name, tensor in read_packed(first).state.items():
        assert torch.equal(again[name], tensor), name


@pytest.mark.parametrize("binarizer", sorted(set(WEIGHT_BINARIZERS) - REAL))
def test_what_was_packed_stays_packed_in_the_next_file(
    binarizer: str, tmp_path: Path, trained: Trained
) -> None:
    files = [tmp_path / f"{number}.bnn" for number in range(3)]
    model = trained("mlp", binarizer, apart=["fc3"])
    for file in files:
        export_packed(model, file, {})
        model = copy.deepcopy(load_packed(file))
    read = [read_packed(file) for file in files]
    assert read[0].layers == read[1].layers == read[2].layers
    assert [layer.is_packed for layer in read[0].layers] == [True, True, False]
    assert read[0].payload == read[2].payload


def test_the_published_layout_is_written_again_from_what_was_read(
    tmp_path: Path, trained: Trained
) -> None:
    model = trained("wrn", "mcdonnell", apart=["conv0", "conv_last"], depth=8)
    export_packed(model, tmp_path / "first.bnn", format="packbits")
    again = load_packed(tmp_path / "first.bnn")
    export_packed(again, tmp_path / "second.bnn", format="packbits")
    first, second = (read_packed(tmp_path / name) for name in ("first.bnn", "second.bnn"))
    assert first.layers == second.layers
    assert first.payload == second.payload


def test_what_was_packed_and_is_trained_on_is_refused_unless_it_is_binary(
    tmp_path: Path, trained: Trained
) -> None:
    export_packed(trained("mlp"), tmp_path / "first.bnn", {})
    model = load_packed(tmp_path / "first.bnn")
    with torch.no_grad():
        model.get_parameter("fc2.weight")[0, 0] = 0.3
    with pytest.raises(SpecError, match=r"fc2\.weight: is not binary: .*; to store it in full"):
        export_packed(model, tmp_path / "second.bnn", {})
    binarize_weights(model, ["fc2"], "sign")
    set_binary(model, ["fc2"])
    export_packed(model, tmp_path / "second.bnn", {})
    assert all(layer.is_packed for layer in read_packed(tmp_path / "second.bnn").layers)


def test_the_header_is_what_the_layout_says(tmp_path: Path, trained: Trained) -> None:
    export_packed(trained("mlp", "mcdonnell"), tmp_path / "net.bnn", {"a": 1})
    content = (tmp_path / "net.bnn").read_bytes()
    [length] = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    notes = header.pop("__metadata__")
    assert sorted(notes) == [
        "dtype", "format", "levels", "metadata", "model", "sha256", "version"
    ]  # fmt: skip
    assert len(json.loads(notes["levels"])) == 3
    assert header["fc1.weight.bits"]["shape"] == [-(-35 * 130 // 8)]
    assert header["num_batches_tracked"] == {
        "dtype": "I64",
        "shape": [3],
        "data_offsets": header["num_batches_tracked"]["data_offsets"],
    }


def test_a_network_made_elsewhere_must_be_named(tmp_path: Path) -> None:
    model = Mlp(widths=[4, 3, 2])
    with pytest.raises(SpecError, match=r"its name and options are unknown; .*build_model"):
        export_packed(model, tmp_path / "net.bnn", {})
    export_packed(model, tmp_path / "net.bnn", {"model": {"name": "mlp", "widths": [4, 3, 2]}})
    assert isinstance(load_packed(tmp_path / "net.bnn"), Mlp)
    with pytest.raises(SpecError, match=r"is not the network 'mlp' with these options: fc1"):
        export_packed(model, tmp_path / "no.bnn", {"model": {"name": "mlp", "widths": [9, 2]}})
    assert not (tmp_path / "no.bnn").exists()


def test_binarizers_that_are_all_off_are_refused(tmp_path: Path, trained: Trained) -> None:
    model = trained("mlp")
    set_binary(model, [])
    with pytest.raises(SpecError, match=r"has binarizers, but all are switched off.*set_binary"):
        export_packed(model, tmp_path / "net.bnn", {})


def test_a_zero_that_stayed_zero_is_refused_and_without_one_all_is_well(tmp_path: Path) -> None:
    model = build_model("mlp", widths=[4, 3, 2])
    binarize_weights(model, ["fc1", "fc2"], "sign", zero=0)
    set_binary(model, ["fc1", "fc2"])
    export_packed(model, tmp_path / "net.bnn", {})
    with torch.no_grad():
        dict(model.named_parameters())["fc2.parametrizations.weight.original"][0, :2] = 0
    with pytest.raises(SpecError, match=r"fc2\.weight: 2 weights are exactly 0, but one bit"):
        export_packed(model, tmp_path / "net.bnn", {})


def test_a_hook_would_be_lost_and_is_refused(tmp_path: Path, trained: Trained) -> None:
    model = trained("mlp")
    model.get_submodule("fc2").register_forward_pre_hook(lambda module, inputs: None)
    with pytest.raises(SpecError, match="fc2: has a hook"):
        export_packed(model, tmp_path / "net.bnn", {})


def test_a_weight_of_many_values_is_no_binary_one(tmp_path: Path) -> None:
    class Halved(WeightBinarizer):
        def binarize(self, latent: Tensor) -> Tensor:
            return latent / 2

    model = build_model("mlp", widths=[4, 3, 2])
    parametrize.register_parametrization(model.get_submodule("fc1"), "weight", Halved())
    with pytest.raises(SpecError, match=r"fc1\.weight: is not binary: a filter has more"):
        export_packed(model, tmp_path / "net.bnn", {})


def test_metadata_that_is_no_json_and_an_unknown_format_are_refused(
    tmp_path: Path, trained: Trained
) -> None:
    with pytest.raises(SpecError, match="metadata: cannot be written as JSON"):
        export_packed(trained("mlp"), tmp_path / "net.bnn", {"a": object()})
    with pytest.raises(SpecError, match="format: unknown value 'zip'; known: packbits, packed"):
        export_packed(trained("mlp"), tmp_path / "net.bnn", {}, format="zip")  # type: ignore[arg-type]
