"""A binary weight as bytes, and back, to the same bits.

What a binarizer makes has few values: two in a layer, or two in each filter; pruning adds zeros.
Which of these a weight is, is seen from the weight alone, so that every method is packed alike:

bits          one bit a weight, 1 for the larger of the two values
mask, signs   with zeros: one bit a weight, 1 where it is kept; and one a kept weight
trits         with zeros: five weights a byte, 0: zero, 1: the smaller value, 2: the larger;
              the first weight counts 1, the next 3, 9, 27, 81

Of the last two the smaller one is taken: mask and signs below three fifths of kept weights.
Weights are in the order of memory; the first of eight bits is the most significant one.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

CODES: Mapping[str, tuple[str, ...]] = {
    "bits": ("bits",),
    "mask": ("mask", "signs"),
    "trits": ("trits",),
}
"""What is stored of a weight, by the first of its parts."""

_PLACES = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8)
_POWERS = torch.tensor([1, 3, 9, 27, 81], dtype=torch.uint8)


def encoded(weight: Tensor) -> tuple[dict[str, Tensor], Tensor] | None:
    """The parts of a binary weight by name, and its two values; None if it is not binary.

    Args:
        weight: (out, ...), on the CPU.

    Returns:
        Parts, uint8 of one dimension; and the smaller and the larger value, (2,) of the layer or
        (out, 2) of each filter. Zeros are not among them where they have a code of their own.
    """
    for rows in (weight.reshape(1, -1), weight.flatten(1)):
        for kept in (torch.ones_like(rows, dtype=torch.bool), rows != 0):
            levels = _levels(rows, kept)
            is_high = rows == levels[:, 1:]
            if bool((is_high | (rows == levels[:, :1]) | ~kept).all()):
                parts = _parts(is_high.flatten(), kept.flatten())
                return parts, levels[0] if rows.shape[0] == 1 else levels
    return None


def decoded(parts: Mapping[str, Tensor], levels: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The weight of that shape, in the dtype of the levels.

    Args:
        parts: What `encoded` gave.
        levels: What it gave beside them.
        shape: Of the weight, (out, ...).

    Raises:
        ValueError: If a part is missing, or has another length than the shape asks for.
    """
    num = math.prod(shape)
    names = next((names for first, names in CODES.items() if first in parts), ())
    if not names or set(parts) != set(names):
        raise ValueError(f"has the parts {', '.join(sorted(parts)) or 'none'}")
    kept = torch.ones(num, dtype=torch.bool)
    if "trits" in parts:
        trits = _unpacked_trits(parts["trits"], num)
        is_high, kept = trits == 2, trits != 0
    elif "mask" in parts:
        kept = unpacked_bits(parts["mask"], num)
        is_high = torch.zeros(num, dtype=torch.bool)
        is_high[kept] = unpacked_bits(parts["signs"], int(kept.sum()))
    else:
        is_high = unpacked_bits(parts["bits"], num)
    rows = 1 if levels.dim() == 1 else shape[0]
    low, high = levels.reshape(rows, 2, 1).unbind(1)
    weight = torch.where(is_high.reshape(rows, -1), high, low)
    return torch.where(kept.reshape(rows, -1), weight, weight.new_zeros(())).reshape(shape)


def packed_bits(bits: Tensor) -> Tensor:
    """Eight of them a byte, the first one the most significant; the last byte ends in zeros.

    Args:
        bits: Bool, of one dimension.
    """
    filled = torch.nn.functional.pad(bits.to(torch.uint8), (0, -len(bits) % 8))
    return (filled.reshape(-1, 8) * _PLACES).sum(1, dtype=torch.uint8)


def unpacked_bits(packed: Tensor, num: int) -> Tensor:
    """The first `num` bits, bool.

    Raises:
        ValueError: If there are not as many bytes as they take.
    """
    _check_length(packed, -(-num // 8))
    return ((packed[:, None] & _PLACES) != 0).flatten()[:num]


def _levels(rows: Tensor, kept: Tensor) -> Tensor:
    """The smallest and the largest kept value of each row, (rows, 2); zeros where none is."""
    low = rows.masked_fill(~kept, math.inf).amin(1)
    high = rows.masked_fill(~kept, -math.inf).amax(1)
    return torch.stack([low, high], 1).masked_fill(~kept.any(1, keepdim=True), 0)


def _parts(is_high: Tensor, kept: Tensor) -> dict[str, Tensor]:
    if bool(kept.all()):
        return {"bits": packed_bits(is_high)}
    signs = packed_bits(is_high[kept])
    trits = kept.to(torch.uint8) + (is_high & kept)
    filled = torch.nn.functional.pad(trits, (0, -len(trits) % 5))
    packed = (filled.reshape(-1, 5) * _POWERS).sum(1, dtype=torch.uint8)
    mask = packed_bits(kept)
    if len(mask) + len(signs) <= len(packed):
        return {"mask": mask, "signs": signs}
    return {"trits": packed}


def _unpacked_trits(packed: Tensor, num: int) -> Tensor:
    _check_length(packed, -(-num // 5))
    if bool((packed >= 3**5).any()):
        raise ValueError("has a byte that is no five trits")
    return (packed[:, None] // _POWERS % 3).flatten()[:num]


def _check_length(packed: Tensor, wanted: int) -> None:
    if packed.dtype != torch.uint8 or packed.shape != (wanted,):
        what = f"{tuple(packed.shape)} of {packed.dtype}"
        raise ValueError(f"should be {wanted} bytes, is {what}")
