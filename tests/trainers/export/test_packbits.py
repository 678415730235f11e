"""The published layout: its bytes, its names, and what it does not hold."""

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainers import SpecError, export_packed, load_packed, read_packed
from trainers.binding import Component
from trainers.export.packbits import published_tensors, state_of

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "golden" / "wrn.json").read_text(encoding="utf-8")
)
Trained = Callable[..., nn.Module]


def _parameter(shape: tuple[int, ...], number: int) -> Tensor:
    """Signs of the published case's weight, by its closed formula."""
    a, b, c, d = (GOLDEN["constants"][name] for name in "abcd")
    m = torch.arange(1, math.prod(shape) + 1)
    phase = a + b * m.double() + c * (number + 1) + d * ((m * m) % 8191).double()
    return phase.sin().reshape(shape)


@pytest.mark.parametrize("name", ["packbits_0", "packbits_1"])
def test_bytes_are_the_published_ones(name: str) -> None:
    case = GOLDEN["cases"][name]
    shape, expected = tuple(case["setup"]["shape"]), case["expected"]
    scale = math.sqrt(2 / math.prod(shape[1:]))
    assert scale == pytest.approx(expected["scale"], rel=1e-7)
    positive = _parameter(shape, case["setup"]["weight_k"]) > 0
    weight = torch.where(positive, scale, -scale)
    state = {"group0.block0.conv0.weight": weight}
    tensors, _ = published_tensors(state, {"group0.block0.conv0"}, Component("wrn"))
    packed = tensors["module.group0.block0.conv0"]
    assert list(packed.shape) == expected["packed_shape"]
    assert packed.flatten()[:32].tolist() == expected["first32"]
    assert int(packed.long().sum()) == expected["sum"]
    assert hashlib.sha256(packed.numpy().tobytes()).hexdigest() == expected["sha256"]
    assert packed.numpy().tolist() == np.packbits(positive.numpy(), axis=1).tolist()
    assert torch.equal(state_of(tensors)["group0.block0.conv0.weight"], weight)


# The wide network of ten classes would only cost time beside that of a hundred.
@pytest.mark.parametrize(
    "row",
    [
        row
        for row in GOLDEN["cases"]["packed_size"]["expected"]["rows"]
        if (row["width"], row["num_classes"]) != (10, 10)
    ],
    ids=str,
)
def test_payloads_are_the_published_ones(
    row: dict[str, Any], tmp_path: Path, trained: Trained
) -> None:
    options = {key: row[key] for key in ("depth", "width", "num_classes")}
    model = trained("wrn", "mcdonnell", apart=["conv0", "conv_last"], **options)
    export_packed(model, tmp_path / "net.bnn", {}, format="packbits")
    tensors = load_file(tmp_path / "net.bnn")
    by_type: dict[torch.dtype, int] = {}
    for tensor in tensors.values():
        by_type[tensor.dtype] = by_type.get(tensor.dtype, 0) + tensor.nbytes
    assert by_type == {
        torch.uint8: row["packed_bytes"],
        torch.float32: row["float32_bytes"],
        torch.int64: row["int64_bytes"],
    }
    num_packed = sum(tensor.dtype == torch.uint8 for tensor in tensors.values())
    assert num_packed == row["packed_tensors"]
    assert len(tensors) - num_packed == row["other_tensors"]
    file = read_packed(tmp_path / "net.bnn")
    assert (file.payload, file.float_bytes) == (row["payload_total"], row["float32_model_payload"])


@pytest.fixture
def small(trained: Trained) -> nn.Module:
    return trained("wrn", "mcdonnell", apart=["conv0", "conv_last"], depth=14, width=0.5)


def test_a_network_computes_the_same_bits_from_this_layout(
    small: nn.Module, tmp_path: Path, images: Callable[..., Tensor], logits: Callable[..., Tensor]
) -> None:
    export_packed(small, tmp_path / "net.bnn", {"a": 1}, format="packbits")
    file = read_packed(tmp_path / "net.bnn")
    assert (file.format, file.version, file.metadata) == ("bnn-packbits", 1, {"a": 1})
    assert [layer.code for layer in file.layers] == ["float32", *["packbits"] * 12, "float32"]
    assert torch.equal(logits(file.network(), images("wrn")), logits(small, images("wrn")))


def test_the_published_file_saved_anew_needs_no_header(
    small: nn.Module, tmp_path: Path, images: Callable[..., Tensor], logits: Callable[..., Tensor]
) -> None:
    export_packed(small, tmp_path / "net.bnn", {}, format="packbits")
    save_file(load_file(tmp_path / "net.bnn"), tmp_path / "bare.safetensors")
    file = read_packed(tmp_path / "bare.safetensors")
    assert (file.version, file.recipe.options["depth"], file.recipe.options["width"]) == (
        0,
        14,
        0.5,
    )
    again = load_packed(tmp_path / "bare.safetensors")
    assert torch.equal(logits(again, images("wrn")), logits(small, images("wrn")))


def test_names_are_the_published_ones(small: nn.Module, tmp_path: Path) -> None:
    export_packed(small, tmp_path / "net.bnn", {}, format="packbits")
    names = set(load_file(tmp_path / "net.bnn"))
    assert {
        "module.conv0",
        "module.group2.block1.conv1",
        "module.group2.block1.bn1.running_mean",
        "module.bn.running_var",
        "module.conv_last",
        "module.bn_last.weight",
        "module.bn_last.num_batches_tracked",
    } < names


def test_other_networks_values_and_channels_are_refused(tmp_path: Path, trained: Trained) -> None:
    path = tmp_path / "net.bnn"
    with pytest.raises(SpecError, match="layout of the network 'wrn', not of 'mlp'; packed holds"):
        export_packed(trained("mlp"), path, {}, format="packbits")
    inner: dict[str, Any] = {"apart": ["conv0", "conv_last"], "depth": 8}
    narrow = trained("wrn", "mcdonnell", width=0.75, **inner)
    with pytest.raises(SpecError, match=r"is not ± sqrt\(2 / fan-in\).*packed holds"):
        export_packed(trained("wrn", "sign", width=1, **inner), path, {}, format="packbits")
    with pytest.raises(SpecError, match="has 12 input channels; packbits needs a multiple of 8"):
        export_packed(narrow, path, {}, format="packbits")
    assert not path.exists()
