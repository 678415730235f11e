"""What every entry of DISTILLATIONS promises."""

import re

import pytest
import torch

from trainers.errors import SpecError
from trainers.losses import DISTILLATIONS, feature_matching, kl_distillation, label_refinery

OURS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]], dtype=torch.float64)
THEIRS = torch.tensor([[1.0, 1.0, 0.0], [0.0, -2.0, 1.0]], dtype=torch.float64)


@pytest.mark.parametrize("name", [name for name in DISTILLATIONS if name != "none"])
def test_every_distillation_is_a_scalar_with_a_gradient(name: str) -> None:
    ours = OURS.clone().requires_grad_()
    made = DISTILLATIONS[name]()
    assert made is not None
    loss = made.mean(ours, THEIRS)
    assert loss.shape == ()
    assert torch.autograd.grad(loss, ours)[0].abs().sum() > 0


def test_options_reach_the_published_formulas() -> None:
    kl = DISTILLATIONS["kl"](temperature=3.0, scale_by_T2=False, weight=0.5, label_weight=0.1)
    assert kl is not None
    expected = kl_distillation(OURS, THEIRS, temperature=3.0, scale_by_T2=False, weight=0.5)
    assert (kl.mean(OURS, THEIRS), kl.label_weight, kl.features) == (expected, 0.1, False)
    options = {"norm": "batch", "reduction": "sum", "weight": 2.0}
    features = DISTILLATIONS["features"](layer="a", **options)
    assert features is not None
    assert features.mean(OURS, THEIRS) == feature_matching(OURS, THEIRS, **options)  # type: ignore[arg-type]
    assert (features.layer, features.teacher_layer) == ("a", "a")
    refined = DISTILLATIONS["label_refinery"]()
    assert refined is not None
    assert (refined.mean(OURS, THEIRS), refined.label_weight) == (label_refinery(OURS, THEIRS), 0)


@pytest.mark.parametrize(
    ("name", "options", "match"),
    [
        ("kl", {"temperature": 0.0}, "temperature: must be positive, got 0.0"),
        ("kl", {"weight": -1.0}, "weight: must be 0 or more, got -1.0"),
        ("kl", {"label_weight": -1.0}, "label_weight: must be 0 or more, got -1.0"),
        ("features", {"weight": -1.0}, "weight: must be 0 or more, got -1.0"),
        ("features", {"label_weight": -0.5}, "label_weight: must be 0 or more, got -0.5"),
    ],
)
def test_numbers_out_of_range_are_refused_before_training(
    name: str, options: dict[str, float], match: str
) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(match)}$"):
        DISTILLATIONS[name](**options)
