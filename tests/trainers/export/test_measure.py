"""What a file's network computes on its trial's data."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from trainers import SpecError, TrainSpec, build_model, export_packed, read_packed, run
from trainers.export.measure import largest_difference, measured, splits_of


def test_scores_are_those_of_the_trial(
    make_spec: Callable[..., TrainSpec], tmp_path: Path
) -> None:
    spec = make_spec(lr_schedule="constant")
    result = run(spec)
    export_packed(result.model, tmp_path / "net.bnn", {"spec": spec.to_mapping()})
    scores = measured(read_packed(tmp_path / "net.bnn"), data_dir=tmp_path)
    assert scores == {"validation": result.last.validation, "test": result.last.test}


def test_without_a_test_part_only_the_validation_part_is_measured(
    make_spec: Callable[..., TrainSpec], tmp_path: Path
) -> None:
    spec = make_spec(measure_test=False, epochs=3)
    export_packed(run(spec).model, tmp_path / "net.bnn", {"spec": spec.to_mapping()})
    assert list(measured(read_packed(tmp_path / "net.bnn"), data_dir=tmp_path)) == ["validation"]


def test_a_file_without_a_trial_cannot_be_measured(tmp_path: Path) -> None:
    export_packed(build_model("mlp", widths=[4, 2]), tmp_path / "net.bnn", {})
    with pytest.raises(SpecError, match=r"metadata\.spec: is missing"):
        measured(read_packed(tmp_path / "net.bnn"), data_dir=tmp_path)


def test_the_difference_of_two_networks_is_the_largest_of_their_logits(
    make_spec: Callable[..., TrainSpec], tmp_path: Path
) -> None:
    first, second = (build_model("mlp", widths=[64, 10]).eval() for _ in range(2))
    second.load_state_dict(first.state_dict())
    split = splits_of(make_spec(), data_dir=tmp_path).validation
    assert largest_difference(first, second, split, most=1000) == 0
    with torch.no_grad():
        second.get_parameter("bn1.bias")[3] += 0.5
    assert largest_difference(first, second, split, most=7) == pytest.approx(0.5, rel=1e-5)
