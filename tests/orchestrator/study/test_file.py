"""What a study shares with others, put in from a file of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.study.catalog import StudyError, load_study
from orchestrator.study.expansion import expand
from orchestrator.study.file import merged, read_study_file, shared_files
from orchestrator.study.yaml import read_yaml
from trainers.errors import SpecError

MakeMapping = Callable[..., dict[str, Any]]
Files = Callable[[dict[str, Any], dict[str, Any]], Path]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Writes a study and, in a folder beside it, the file that it extends."""

    def write(own: dict[str, Any], shared: dict[str, Any]) -> Path:
        (tmp_path / "parts").mkdir()
        (tmp_path / "parts" / "net.yaml").write_text(yaml.safe_dump(shared))
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({**own, "extends": "parts/net.yaml"}))
        return path

    return write


@pytest.fixture
def split(make_mapping: MakeMapping) -> tuple[dict[str, Any], dict[str, Any]]:
    """A whole study in two: its own part, and a shared one."""
    own = make_mapping()
    base = own["base"]
    own["base"] = {"epochs": 2, "layers": base.pop("layers"), "optimizer": {"lr": 0.01}}
    base["optimizer"]["lr"] = 0.5
    return own, {"base": {**base, "epochs": 9}, "retries": 3}


def test_a_study_without_shared_parts_is_its_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("study: mine  # mine\n")
    file = read_study_file(path)
    assert (file.mapping, file.text) == ({"study": "mine"}, "study: mine  # mine\n")


def test_shared_parts_train_what_the_whole_study_trains(
    split: tuple[dict[str, Any], dict[str, Any]], files: Files, make_mapping: MakeMapping
) -> None:
    study = load_study(files(*split))
    whole = make_mapping()
    assert study.base_mapping == whole["base"]
    assert study.retries == 3
    assert [axis.name for axis in study.axes] == ["order", "seed"]


def test_what_is_recorded_is_the_whole_study(
    split: tuple[dict[str, Any], dict[str, Any]], files: Files, tmp_path: Path
) -> None:
    study = load_study(files(*split))
    assert study.text.startswith("# mine.yaml, with the parts it shares in parts/net.yaml put in")
    mapping = read_yaml(study.text)
    # It begins as the study itself does, and what only the shared file has comes last.
    assert list(mapping) == [*sorted(split[0]), "retries"]
    alone = tmp_path / "alone.yaml"
    alone.write_text(study.text)
    again = load_study(alone)
    assert again.variant_id == study.variant_id
    assert [cell.id for cell in expand(again)] == [cell.id for cell in expand(study)]


def test_mappings_merge_key_by_key_and_anything_else_is_replaced() -> None:
    below = {"a": {"b": {"c": 1, "d": [1, 2]}}, "e": "text", "f": {"g": 1}, "axes": [{"name": 1}]}
    above = {"a": {"b": {"d": [3]}, "h": None}, "e": {"i": 1}, "f": "bare", "axes": [{"name": 2}]}
    assert merged(below, above) == {
        "a": {"b": {"c": 1, "d": [3]}, "h": None},
        "e": {"i": 1},
        "f": "bare",
        "axes": [{"name": 2}],
    }
    assert below["a"] == {"b": {"c": 1, "d": [1, 2]}}


def test_a_shipped_network_goes_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("study: mine\nextends: mnist300\n")
    file = read_study_file(path)
    assert file.mapping["base"]["model"] == {"name": "mlp", "widths": [784, 300, 100, 10]}
    assert {"mnist300", "mnist784", "vgg5", "vgg9", "resnet20", "resnet21"} <= set(shared_files())


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("mnist30", r"extends: unknown network 'mnist30', did you mean 'mnist300'\?.*YAML file"),
        ("none.yaml", r"extends: there is no such file: .*none\.yaml; paths are relative"),
        ("./mnist300", r"extends: there is no such file"),
        ("3", r"extends: expected a name or a path, got 3"),
        ("[vgg5, vgg9]", r"extends: expected a name or a path, got the list"),
    ],
)
def test_a_file_that_is_none_is_refused(named: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"study: mine\nextends: {named}\n")
    with pytest.raises(SpecError, match=message):
        read_study_file(path)


def test_a_file_that_is_extended_extends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("study: mine\nextends: mine.yaml\n")
    with pytest.raises(SpecError, match=r"extends another file, mine\.yaml; name one file"):
        read_study_file(path)


def test_a_shared_file_holds_a_mapping(tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text("- 1\n")
    path = tmp_path / "mine.yaml"
    path.write_text("study: mine\nextends: list.yaml\n")
    with pytest.raises(SpecError, match=r"expected a mapping in .*list\.yaml, got the list \[1\]"):
        read_study_file(path)


def test_a_key_that_comes_twice_in_a_shared_file_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "net.yaml").write_text("retries: 1\nretries: 2\n")
    path = tmp_path / "mine.yaml"
    path.write_text("study: mine\nextends: net.yaml\n")
    with pytest.raises(SpecError, match=r"lines 1 and 2 \(from .*net\.yaml\)"):
        read_study_file(path)


def test_faults_say_which_file_they_come_from(
    split: tuple[dict[str, Any], dict[str, Any]], files: Files
) -> None:
    own, shared = split
    shared["base"]["model"] = {"name": "mlpp", "widths": [64, 8, 10]}
    own["base"]["epochs"] = "many"
    with pytest.raises(StudyError, match="many") as raised:
        load_study(files(own, shared))
    faults = {fault.path: fault.what for fault in raised.value.faults}
    assert faults["base.model.name"].endswith("'mlp'? (from parts/net.yaml)")
    assert "(from" not in faults["base.epochs"]


def test_what_a_study_extends_cannot_be_changed_from_outside(
    split: tuple[dict[str, Any], dict[str, Any]], files: Files
) -> None:
    with pytest.raises(StudyError, match="extends: is allowed only in a study's file"):
        load_study(files(*split), ["extends=vgg5"])
