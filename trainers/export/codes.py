"""Encodes binary weights as bytes and decodes them to the same bits.

A binarizer makes only two values per layer or per filter; pruning adds zeros. The encoder reads
these values from the weight itself, so it packs every method in the same way:

bits          one bit per weight, 1 for the larger of the two values
mask, signs   with zeros: one bit per weight, 1 if it is kept; then one bit per kept weight
trits         with zeros: five weights per byte, 0: zero, 1: the smaller value, 2: the larger;
              the first weight counts 1, the next 3, 9, 27, 81

With zeros, the encoder takes the smaller code: mask and signs if less than three fifths of the
weights are kept. Weights are in memory order; the first of eight bits is the most significant.
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
"""The parts of each code, by the name of its first part."""

_PLACES = torch.tensor([128, 64, 32, 16, 8, 4, 2, 1], dtype=torch.uint8)
_POWERS = torch.tensor([1, 3, 9, 27, 81], dtype=torch.uint8)


def encoded(weight: Tensor) -> tuple[dict[str, Tensor], Tensor] | None:
    """Encodes a binary weight; None if it is not binary.

    Args:
        weight: (out, ...), on the CPU.

    Returns:
        The parts by name, one-dimensional uint8; and the smaller and the larger value, (2,) for
        the layer or (out, 2) for each filter. A pruned zero is not one of the two values.
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
    """Decodes a weight; its dtype is that of `levels`.

    Args:
        parts: The parts from `encoded`.
        levels: The values from `encoded`.
        shape: Shape of the weight, (out, ...).

    Raises:
        ValueError: If a part is missing, or its length does not fit the shape.
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
    """Packs eight bits per byte, the first as the most significant; pads the last with zeros.

    Args:
        bits: Bool, one-dimensional.
    """
    filled = torch.nn.functional.pad(bits.to(torch.uint8), (0, -len(bits) % 8))
    return (filled.reshape(-1, 8) * _PLACES).sum(1, dtype=torch.uint8)


def unpacked_bits(packed: Tensor, num: int) -> Tensor:
    """Unpacks the first `num` bits as bool.

    Raises:
        ValueError: If `packed` does not have exactly as many bytes as `num` bits need.
    """
    _check_length(packed, -(-num // 8))
    return ((packed[:, None] & _PLACES) != 0).flatten()[:num]


def _levels(rows: Tensor, kept: Tensor) -> Tensor:
    """Returns the smallest and largest kept value of each row, (rows, 2); 0 if none is kept."""
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
