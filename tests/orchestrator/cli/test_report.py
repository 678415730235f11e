"""`report`: what is refused."""

from collections.abc import Callable
from pathlib import Path

Refused = Callable[..., str]


def test_a_folder_has_to_be_named(refused: Refused) -> None:
    assert "-o/--out" in refused("report", "digits-orders")


def test_a_folder_with_other_files_is_left_alone(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    err = refused("report", "digits-orders", "-o", str(tmp_path))
    assert "files that are no report's" in err
    assert "name another folder" in err


def test_without_results_nothing_is_written(refused: Refused, tmp_path: Path) -> None:
    assert "there are no results" in refused("report", "digits-orders", "-o", "out")
    assert not (tmp_path / "out").exists()


def test_a_network_without_its_first_stage_is_told_the_command(
    refused: Refused, protocol_files: Callable[..., str], tmp_path: Path
) -> None:
    network = protocol_files()
    err = refused("report", network, "-o", "out", "--scale-epochs", "0.5", "--home", "results")
    assert "./net, stage sensitivity, is not recorded: there are no results in" in err
    way = "bnn-orchestrate protocol ./net --scale-epochs 0.5 --home results"
    assert f"to have it: {way}" in " ".join(err.split())
    assert not (tmp_path / "out").exists()


def test_the_report_of_a_study_is_not_overwritten_by_that_of_a_network(
    refused: Refused, protocol_files: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "report.json").write_text('{"study": "net"}')
    err = refused("report", protocol_files(), "-o", str(tmp_path))
    assert "files that are no report's" not in err
    assert "has the report of the study 'net'" in err
