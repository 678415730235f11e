"""The base class of augmentations that change pixels."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from trainers.binding import convert
from trainers.data import AUGMENTATIONS
from trainers.data.variation import Variation


@dataclass(frozen=True, kw_only=True, slots=True)
class _Darker(Variation):
    """An augmentation of our own, with one option."""

    kind: ClassVar[str] = "darker"

    by: float = 2.0

    def varied(self, pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return pixels / self.by


def test_a_subclass_needs_its_options_and_one_method_alone() -> None:
    pixels = torch.full((2, 1, 3, 3), 200, dtype=torch.uint8)
    darker = convert({"by": 4.0}, _Darker)
    assert darker.varied(pixels, torch.Generator()).unique().tolist() == [50.0]


def test_the_base_class_varies_nothing_by_itself() -> None:
    with pytest.raises(NotImplementedError):
        Variation().varied(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.Generator())


def test_every_augmentation_of_the_table_is_one() -> None:
    assert AUGMENTATIONS
    for kind in AUGMENTATIONS.values():
        assert issubclass(kind, Variation)
