"""The published layout of 1-bit Wide ResNets: weights packed like numpy.packbits.

A packed weight is uint8 of shape (out, in / 8, kh, kw): eight input channels per byte, the lowest
channel as the most significant bit, 1 if the weight is positive. Unpacked, it is the sign times
sqrt(2 / fan-in). Everything else is stored unchanged. Names are those of the published network's
state dict: `module.group0.block0.conv0` and so on.

The published file is a pickle, which this module never opens. Saved again as safetensors with the
same names, it can be read. Files written here also have a header with format and checksum.

Source: szagoruyko/binary-wide-resnet, evaluate_packed.py.
"""

import math
import re
from collections.abc import Mapping, Set

import torch
from torch import Tensor

from trainers.binding import Component
from trainers.errors import Fault, SpecError
from trainers.export.codes import packed_bits, unpacked_bits
from trainers.models.wrn import CHANNELS

FORMAT, VERSION = "bnn-packbits", 1
PREFIX = "module."


def published_tensors(
    plain: Mapping[str, Tensor], binary: Set[str], recipe: Component
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Returns the tensors of such a file by their published names, and its header.

    Args:
        plain: The network's state dict, with binary weights.
        binary: Its layers with binary weights.
        recipe: Name and options of the network.

    Raises:
        SpecError: If it is not a Wide ResNet, its weights are not ± sqrt(2 / fan-in), or the
            number of input channels is not a multiple of 8.
    """
    if recipe.name != "wrn":
        what = f"packbits is the published layout of the network 'wrn', not of '{recipe.name}'"
        raise SpecError(Fault("format", what, "packed holds every network"))
    tensors: dict[str, Tensor] = {}
    for name, tensor in plain.items():
        layer = name.removesuffix(".weight")
        is_packed = layer in binary
        tensors[_published(name, tensor)] = _packed(name, tensor) if is_packed else tensor
    return tensors, {"format": FORMAT, "version": str(VERSION)}


def state_of(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Returns the network's state dict in float32, unpacked.

    Raises:
        SpecError: If a name does not begin with "module.".
    """
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not name.startswith(PREFIX):
            raise SpecError(Fault(name, f"should begin with '{PREFIX}'"))
        own = name.removeprefix(PREFIX)
        if re.search(r"(^|\.)conv\w*$", own):
            own += ".weight"
        state[own] = _unpacked(tensor) if tensor.dtype == torch.uint8 else tensor
    return state


def recipe_in(tensors: Mapping[str, Tensor]) -> Component | None:
    """Infers name and options of the network from a file without our header; None if unclear."""
    stem, last = (tensors.get(f"{PREFIX}{name}") for name in ("conv0", "conv_last"))
    blocks = [name for name in tensors if re.fullmatch(r"module\.group0\.block\d+\.conv0", name)]
    if stem is None or last is None or not blocks:
        return None
    options = {
        "depth": 6 * len(blocks) + 2,
        "width": stem.shape[0] / CHANNELS[0],
        "num_classes": last.shape[0],
    }
    return Component("wrn", options)


def _published(name: str, tensor: Tensor) -> str:
    """Returns the published name: there a convolution weight has no layer and no `.weight`."""
    return PREFIX + (name.removesuffix(".weight") if tensor.dim() == 4 else name)


def _packed(name: str, weight: Tensor) -> Tensor:
    num_out, num_in, *kernel = weight.shape
    scale = weight.new_tensor(math.sqrt(2 / weight[0].numel()))
    if not torch.equal(weight.abs(), scale.expand_as(weight)):
        what = "is not ± sqrt(2 / fan-in), the only values packbits knows"
        raise SpecError(Fault(name, what, "packed holds every binary weight"))
    if num_in % 8:
        what = f"has {num_in} input channels; packbits needs a multiple of 8"
        raise SpecError(Fault(name, what, "packed holds any number"))
    # Channels become adjacent in memory, so one call packs all of them.
    bits = (weight > 0).movedim(1, -1).flatten()
    packed = packed_bits(bits).reshape(num_out, *kernel, num_in // 8)
    return packed.movedim(-1, 1).contiguous()


def _unpacked(packed: Tensor) -> Tensor:
    num_out, eighths, *kernel = packed.shape
    num_in = 8 * eighths
    rows = packed.movedim(1, -1).flatten()
    bits = unpacked_bits(rows, 8 * len(rows)).reshape(num_out, *kernel, num_in).movedim(-1, 1)
    scale = math.sqrt(2 / (num_in * math.prod(kernel)))
    return bits.float().mul_(2).sub_(1).mul_(scale).contiguous()
