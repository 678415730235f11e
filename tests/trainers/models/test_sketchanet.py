"""Sketch-a-Net, of convolutions alone."""

import pytest
import torch

from trainers.binarize.attach import weight_layers
from trainers.errors import SpecError
from trainers.models.sketchanet import SketchANet


def test_eight_layers_give_a_logit_for_each_class() -> None:
    with torch.device("meta"):
        model = SketchANet(num_classes=7).eval()
        logits = model(torch.zeros(2, 1, 225, 225))
    assert logits.shape == (2, 7)
    assert weight_layers(model) == tuple(f"conv{number}" for number in range(1, 9))


@pytest.mark.parametrize("option", ["num_classes", "in_channels"])
def test_a_number_below_one_is_refused(option: str) -> None:
    with pytest.raises(SpecError, match=f"{option}: must be 1 or more, got 0"):
        SketchANet(**{option: 0})  # type: ignore[arg-type]
