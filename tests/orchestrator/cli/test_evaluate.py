"""`evaluate`: an exported network, measured from its file alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trainers import build_model, export_packed, read_packed
from trainers.export.measure import measured

Refused = Callable[..., str]


def test_evaluate_measures_and_compares_with_what_was_recorded(packed: str, cli: Any) -> None:
    answer = cli("evaluate", packed)
    assert answer.code == 0
    validation, test = answer.out.splitlines()
    measured, recorded = validation.split("error ")[1].split("; ")
    assert recorded == f"{measured} when it was trained"
    assert test.startswith("test")
    assert "when it was trained" not in test


def test_evaluate_prints_loss_and_error_of_each_part(
    packed: str, cli: Any, tmp_path: Path
) -> None:
    scores = measured(read_packed(Path(packed)), data_dir=tmp_path)
    lines = cli("evaluate", packed).out.splitlines()
    assert [line.partition(";")[0] for line in lines] == [
        f"{part:<10}  loss {scores[part].loss:.4f}, error {scores[part].error:.4%}"
        for part in ("validation", "test")
    ]


def test_a_trial_that_never_read_its_test_part_is_evaluated_without_it(
    packed: str, cli: Any, tmp_path: Path
) -> None:
    file = read_packed(Path(packed))
    spec = {**file.metadata["spec"], "measure_test": False}
    export_packed(file.network(), tmp_path / "net.bnn", {"spec": spec})
    [line] = cli("evaluate", str(tmp_path / "net.bnn")).out.splitlines()
    assert line.startswith("validation  loss ")
    assert "when it was trained" not in line


def test_a_file_that_does_not_say_its_trial_cannot_be_evaluated(
    tmp_path: Path, refused: Refused
) -> None:
    export_packed(build_model("mlp", widths=[4, 3, 2]), tmp_path / "net.bnn")
    err = refused("evaluate", "net.bnn")
    assert "metadata.spec" in err
    assert "without the trial there is no data set" in err


def test_a_file_that_is_no_network_is_refused(tmp_path: Path, refused: Refused) -> None:
    assert "there is no such file" in refused("evaluate", "nothing.bnn")
    (tmp_path / "text.bnn").write_text("hello")
    assert "is not a safetensors file" in refused("evaluate", "text.bnn")
