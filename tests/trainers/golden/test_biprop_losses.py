"""BIPROP's losses: label smoothing, and the divergence between three views of an image.

The numbers come from the code published with arXiv:2103.09377, run in double precision; they have
nine digits.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from trainers.losses import cross_entropy, divergence

CASES: dict[str, Any] = json.loads(Path(__file__).with_name("biprop.json").read_text())["cases"]


def _logits(shape: list[int], scale: float, offset: int, formulas: Any) -> Tensor:
    names = formulas.constants
    place = torch.arange(1, shape[0] * shape[1] + 1) + offset
    residue = ((place * place) % 8191).double()
    phase = names["xa"] + names["xb"] * place.double() + names["xd"] * residue
    return (scale * phase.sin()).float().double().reshape(shape)


def _labels(num: int) -> Tensor:
    return (7 * torch.arange(num) + 3) % 10


@pytest.mark.parametrize("smoothing", ["0.1", "0.2"])
def test_label_smoothing_gives_the_published_loss_and_gradient(
    smoothing: str, formulas: Any
) -> None:
    case = CASES["label_smoothing"]
    setup, expected = case["setup"], case["f64"][smoothing]
    logits = _logits(setup["logits"], setup["scale"], 0, formulas).requires_grad_()
    loss = cross_entropy(label_smoothing=float(smoothing))(logits, _labels(len(logits)))
    loss.backward()
    assert loss.item() == pytest.approx(expected["loss"], rel=1e-6)
    assert logits.grad is not None
    assert logits.grad[0].tolist() == pytest.approx(expected["grad_row0"], rel=1e-6)


def test_three_views_give_the_published_divergence(formulas: Any) -> None:
    case = CASES["jsd_loss"]
    setup, expected = case["setup"], case["f64"]
    logits = _logits(setup["logits"], setup["scale"], setup["offset"], formulas)
    labels = _labels(setup["batch"])
    assert divergence(logits).item() == pytest.approx(expected["jsd_mean"], rel=1e-6)
    loss = cross_entropy(jensen_shannon=12.0)
    assert loss(logits, labels).item() == pytest.approx(expected["total"], rel=1e-6)
    # A measurement has one view of each image, and no divergence.
    alone = loss(logits[:4], labels).item()
    assert alone == pytest.approx(expected["ce"], rel=1e-6)
