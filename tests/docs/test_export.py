"""The table of sizes, against the shapes of the networks."""

import math
import re
from pathlib import Path

import pytest
import torch

from trainers import build_model, weight_layers
from trainers.binarize.weights.biprop import num_kept

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text("utf-8")
METHOD = r"sign|mcdonnell|biprop, keep [\d.]+"
ROW = rf"^\| (\S.*?) \| ({METHOD}) \|" + r" ([\d,]+) \|" * 4 + r" ([\d.]+) \|$"
ROWS = re.findall(ROW, PAGE, flags=re.MULTILINE)


def test_the_table_has_every_kind_of_network() -> None:
    names = " ".join(name for name, *_ in ROWS)
    for family in ("mlp", "vgg", "resnet20", "resnet110", "resnet21", "wrn-20-10"):
        assert family in names
    for ticket in ("conv8", "vgg_small", "resnet_cifar 18", "resnet_imagenet 50"):
        assert f"{ticket} {ticket}" in names


@pytest.mark.parametrize("row", ROWS, ids=[" ".join(row[:2]) for row in ROWS])
def test_sizes_follow_from_the_shapes(row: tuple[str, ...]) -> None:
    name, binarizer, *numbers, ratio = row
    in_float, weights, tensors, file = (int(number.replace(",", "")) for number in numbers)
    with torch.device("meta"):
        if name.startswith("mlp "):
            model = build_model("mlp", widths=[int(part) for part in name[4:].split("-")])
        elif matched := re.fullmatch(r"wrn-20-(\d+), (\d+) classes", name):
            width, classes = map(int, matched.groups())
            model = build_model("wrn", depth=20, width=width, num_classes=classes)
        elif matched := re.fullmatch(r"(conv|resnet_cifar |resnet_imagenet )(\d+)", name):
            model = build_model(matched[1].strip(), depth=int(matched[2]))
        else:
            model = build_model(name)
    layers = weight_layers(model)[slice(1, -1) if binarizer == "mcdonnell" else slice(None)]
    packed = {f"{layer}.weight" for layer in layers}
    state = model.state_dict()
    assert in_float == sum(tensor.nbytes for tensor in state.values())
    keep = float(binarizer.removeprefix("biprop, keep ")) if "biprop" in binarizer else 1
    assert weights == sum(_packed_bytes(state[weight].numel(), keep) for weight in packed)
    rest = sum(tensor.nbytes for key, tensor in state.items() if key not in packed)
    assert tensors == weights + rest < file < tensors + 60_000
    assert float(ratio) == round(in_float / file, 1)


def _packed_bytes(num: int, keep: float) -> int:
    """A bit for each weight; of a ticket one more for each that is kept."""
    return math.ceil(num / 8) + (math.ceil(num_kept(num, keep) / 8) if keep < 1 else 0)
