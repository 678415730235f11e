"""What every entry of LOSSES promises, and what it takes to add one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from trainers.data import AUGMENTATIONS
from trainers.errors import SpecError
from trainers.losses import LOSSES, Loss
from trainers.spec.train_spec import TrainSpec

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 1])


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_is_a_scalar_with_a_gradient(name: str) -> None:
    logits = LOGITS.clone().requires_grad_()
    made = LOSSES[name]()
    assert (made.num_views, made.views_option) == (1, "")
    loss = made(logits, LABELS)
    assert loss.shape == ()
    assert torch.autograd.grad(loss, logits)[0].abs().sum() > 0


def _consistency(*, pairs: bool = True) -> Loss:
    """How far the outputs for an image and for a varied one are apart."""

    def mean(logits: Tensor, labels: Tensor) -> Tensor:
        first, *others = logits.split(len(labels))
        apart = [functional.mse_loss(first, other) for other in others]
        return sum(apart, start=functional.cross_entropy(first, labels))

    return Loss(mean=mean, num_views=2 if pairs else 1, views_option="pairs")


def test_a_new_loss_takes_a_function_and_a_line_in_the_table(
    monkeypatch: pytest.MonkeyPatch, make_mapping: Callable[..., dict[str, Any]]
) -> None:
    monkeypatch.setitem(LOSSES, "consistency", _consistency)
    mapping = make_mapping(loss={"name": "consistency"})
    wanted = "loss.pairs: compares views of an image that would all be the same; set "
    wanted += " or ".join(f"data.augment.{name}" for name in sorted(AUGMENTATIONS)) + " too"
    with pytest.raises(SpecError, match=f"^{wanted}$"):
        TrainSpec.from_mapping(mapping)
    pictures = {"name": "image_folder", "folder": "p", "size": 8, "channels": 1}
    pictures |= {"mean": [0.5], "std": [0.5]}
    mapping["data"] = {**pictures, "augment": {"gaussian": {}}}
    assert TrainSpec.from_mapping(mapping).loss.name == "consistency"
    del mapping["data"]["augment"]
    mapping["loss"]["pairs"] = False
    assert TrainSpec.from_mapping(mapping).loss.options == {"pairs": False}
