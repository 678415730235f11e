"""Stored numbers of the reference implementation, and the formulas its inputs are made by."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers.binarize.attach import binarize_weights, weight_layers
from trainers.build import build_model
from trainers.data.splits import Split

WIDTHS = {"mlp300": (784, 300, 100, 10), "mlp784": (784, 784, 784, 10)}
SMALLEST = 1e-6


class Formulas:
    """Closed formulas for parameters and inputs, so that no tensors need to be stored.

    Every value is computed in float64, sums from left to right, and rounded to float32. The
    quadratic term keeps rows from being nearly orthogonal to the input, which would make
    normalisation blow up rounding.
    """

    def __init__(self, constants: dict[str, float]) -> None:
        self.constants = constants

    def phase(self, shape: tuple[int, ...], number: int) -> Tensor:
        """Phase of element i (row-major, from 0) of the network's parameter of that number."""
        a, b, c, d = (self.constants[name] for name in "abcd")
        place = torch.arange(1, math.prod(shape) + 1)
        phase = a + b * place.double() + c * (number + 1) + d * self._residue(place)
        return phase.reshape(shape)

    def parameter(self, shape: tuple[int, ...], number: int, bound: float) -> Tensor:
        """The bound times sin(phase), moved off zero to ±2e-6 so that each sign is unambiguous."""
        value = bound * self.phase(shape, number).sin()
        floor = torch.where(value >= 0, 2 * SMALLEST, -2 * SMALLEST).double()
        return self.rounded(torch.where(value.abs() < SMALLEST, floor, value))

    def batch(
        self, number: int, size: int, *, shape: tuple[int, ...] = (784,), classes: int = 10
    ) -> Split:
        """Batch of that number (from 0): images of that shape, and labels."""
        xa, xb, xd = (self.constants[name] for name in ("xa", "xb", "xd"))
        values = size * math.prod(shape)
        place = torch.arange(1, values + 1) + number * values
        inputs = 1.5 * (xa + xb * place.double() + xd * self._residue(place)).sin()
        labels = (7 * (torch.arange(size) + number * size) + 3) % classes
        return Split(images=self.rounded(inputs).reshape(size, *shape), labels=labels)

    def inputs(self, shape: tuple[int, ...], *, scale: float = 1.5, offset: int = 0) -> Tensor:
        """Inputs of any shape, up to ±scale; the formula counts its values from the offset on."""
        xa, xb, xd = (self.constants[name] for name in ("xa", "xb", "xd"))
        place = torch.arange(1, math.prod(shape) + 1) + offset
        phase = xa + xb * place.double() + xd * self._residue(place)
        return self.rounded(scale * phase.sin()).reshape(shape)

    def upstream(self, shape: tuple[int, ...]) -> Tensor:
        """Gradients of a result, of any shape."""
        ga, gb = (self.constants[name] for name in ("ga", "gb"))
        place = torch.arange(1, math.prod(shape) + 1).double()
        return self.rounded((ga + gb * place).cos()).reshape(shape)

    @torch.no_grad()
    def fill(self, model: nn.Module) -> None:
        """Sets weight, bias, normalisation weight and bias of each layer, numbered through."""
        number = 0
        for module in model.modules():
            is_norm = isinstance(module, nn.modules.batchnorm._BatchNorm)
            for kind, tensor in module.named_parameters(recurse=False):
                shape = tuple(tensor.shape)
                if is_norm:
                    centre = 1.0 if kind == "weight" else 0.0
                    value = self.rounded(centre + 0.1 * self.phase(shape, number).sin())
                else:
                    bound = 1 / math.sqrt(module.weight[0].numel())
                    value = self.parameter(shape, number, bound)
                tensor.copy_(value)
                number += 1

    @staticmethod
    def rounded(value: Tensor) -> Tensor:
        """The float32 value, in float64."""
        return value.float().double()

    @staticmethod
    def _residue(place: Tensor) -> Tensor:
        return ((place * place) % 8191).double()


@pytest.fixture(scope="session")
def stored() -> dict[str, Any]:
    """Cases by name: what was set up, and what the reference gave in double precision."""
    content: dict[str, Any] = json.loads(Path(__file__).with_name("mlp.json").read_text())
    return content


@pytest.fixture(scope="session")
def cases(stored: dict[str, Any]) -> dict[str, Any]:
    of_file: dict[str, Any] = stored["cases"]
    return of_file


@pytest.fixture(scope="session")
def formulas(stored: dict[str, Any]) -> Formulas:
    return Formulas(stored["constants"])


@pytest.fixture(scope="session")
def of_tricks() -> Formulas:
    """The formulas with the constants of the training tricks, also those of gradients."""
    content = json.loads(Path(__file__).with_name("tricks.json").read_text())
    return Formulas(content["constants"])


@pytest.fixture
def published(formulas: Formulas) -> Any:
    """Makes a published network with parameters from the formulas and sign on every layer."""

    def make(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
        model = build_model("mlp", widths=WIDTHS[name]).to(dtype)
        formulas.fill(model)
        binarize_weights(model, weight_layers(model), "sign")
        return model

    return make
