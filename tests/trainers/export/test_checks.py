"""Networks that no file could stand for."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from trainers import SpecError, binarize_weights, build_model, export_packed, set_binary
from trainers.export.checks import binarizer_faults, finite_faults

Trained = Callable[..., nn.Module]


def test_only_layers_that_are_switched_on_are_drawn_anew() -> None:
    model = build_model("mlp", widths=[6, 5, 4, 3])
    binarize_weights(model, ["fc1", "fc3"], "biprop_sampled")
    binarize_weights(model, ["fc2"], "biprop")
    set_binary(model, ["fc2", "fc3"])
    [fault] = binarizer_faults(model)
    assert fault.path == "fc3.weight"
    assert "train with biprop or biprop_global" in fault.hint


def test_each_tensor_with_a_value_that_is_no_finite_number_is_told() -> None:
    faults = finite_faults(
        {
            "fc1.weight": torch.tensor([[1.0, torch.nan], [-torch.inf, torch.inf]]),
            "fc2.weight": torch.tensor([0.0, -1e30]),
            "bn1.num_batches_tracked": torch.tensor(3),
            "bn1.bias": torch.full((2000,), torch.nan),
        }
    )
    assert [(fault.path, fault.what) for fault in faults] == [
        ("fc1.weight", "3 of its 4 values are not finite"),
        ("bn1.bias", "2,000 of its 2,000 values are not finite"),
    ]
    assert "train again with a lower learning rate" in faults[0].hint


def test_weights_that_are_drawn_in_every_pass_are_refused(
    tmp_path: Path, trained: Trained
) -> None:
    model = trained("mlp", "biprop_sampled")
    with pytest.raises(SpecError, match=r"fc1\.weight: is drawn anew in every forward pass"):
        export_packed(model, tmp_path / "net.bnn")
    set_binary(model, [])
    with pytest.raises(SpecError, match="has binarizers, but all are switched off"):
        export_packed(model, tmp_path / "net.bnn")


@pytest.mark.parametrize("place", ["bn1.running_mean", "fc2.parametrizations.weight.0.scores"])
def test_what_is_no_number_is_refused(place: str, tmp_path: Path, trained: Trained) -> None:
    model = build_model("mlp", widths=[35, 130, 13, 10]).eval()
    binarize_weights(model, ["fc1", "fc2"], "biprop_global", published_alpha=True)
    set_binary(model, ["fc1", "fc2"])
    with torch.no_grad():
        tensor = model.state_dict()[place]
        tensor.fill_(0 if "scores" in place else torch.nan)
    # With all scores at the threshold nothing is kept, and the published scale is 0/0.
    name, num = ("fc2.weight", "1,690") if "scores" in place else (place, "130")
    match = rf"{name}: {num} of its {num} values are not finite"
    if "scores" in place:
        match += ": no score is above the threshold, .*; train without published_alpha, or"
    with pytest.raises(SpecError, match=match):
        export_packed(model, tmp_path / "net.bnn")
    assert not (tmp_path / "net.bnn").exists()
