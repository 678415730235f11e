"""Centre loss, and the centres that move at their own rate."""

import pytest
import torch

from trainers.errors import SpecError
from trainers.losses import center_loss, move_centers

FEATURES = torch.tensor([[1.0, 2.0], [3.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
LABELS = torch.tensor([1, 1, 0])


def test_features_in_their_centres_lose_nothing() -> None:
    assert center_loss(FEATURES, torch.arange(3), FEATURES.clone()).item() == 0


def test_a_centre_moves_by_its_rate_towards_its_class_and_others_stay() -> None:
    centers = torch.zeros(3, 2, dtype=torch.float64)
    before = center_loss(FEATURES, LABELS, centers).item()
    move_centers(centers, FEATURES, LABELS, rate=0.5)
    # The sum of two features, divided by one more than their number.
    assert centers.tolist() == [[0, 0], pytest.approx([0.5 * 4 / 3, 0.5 * 2 / 3]), [0, 0]]
    assert center_loss(FEATURES, LABELS, centers).item() < before


@pytest.mark.parametrize("rate", [0.0, 1.5, float("nan")])
def test_a_rate_out_of_range_is_refused(rate: float) -> None:
    with pytest.raises(SpecError, match="rate: must be above 0 and at most 1"):
        move_centers(torch.zeros(3, 2), FEATURES.float(), LABELS, rate=rate)
