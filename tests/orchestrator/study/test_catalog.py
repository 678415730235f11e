"""From a study's name or file to the study."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.study.catalog import (
    StudyError,
    config_folder,
    find_study,
    load_study,
    study_files,
    unknown_study,
)
from orchestrator.study.expansion import expand

MakeMapping = Callable[..., dict[str, Any]]


@pytest.fixture
def file(tmp_path: Path, make_mapping: MakeMapping) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(make_mapping()))
    return path


def test_shipped_studies_go_by_their_names() -> None:
    files = study_files()
    assert {"digits-orders", "mnist300-lr-search", "mnist300-orders"} <= set(files)
    assert all(path.parent == config_folder() / "studies" for path in files.values())
    assert find_study("digits-orders") == files["digits-orders"]


def test_an_unknown_study_brings_the_nearest_and_the_known() -> None:
    with pytest.raises(StudyError, match="did you mean 'digits-orders'") as raised:
        find_study("digit-orders")
    assert raised.value.source == "digit-orders"
    assert not raised.value.hint
    hint = raised.value.faults[0].hint
    assert "mnist300-orders" in hint
    assert "path of a YAML file" in hint


@pytest.mark.parametrize("name", ["none.yaml", "none.yml", "./digits-orders", "some/where"])
def test_a_file_that_is_not_there_is_said_so(name: str) -> None:
    with pytest.raises(StudyError, match="no such file") as raised:
        find_study(name)
    assert not raised.value.hint


def test_a_folder_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="this is a folder; name a YAML file in it"):
        load_study(tmp_path)


def test_a_network_is_told_from_a_study() -> None:
    with pytest.raises(StudyError, match="'mnist300' is a network, not a study") as raised:
        load_study("mnist300")
    assert "`protocol mnist300`" in raised.value.faults[0].hint


def test_a_network_without_a_complete_protocol_names_its_studies() -> None:
    for error in (unknown_study("resnet21"), unknown_study("resnet21", networks=["vgg5"])):
        (fault,) = error.faults
        assert fault.what == "'resnet21' is a network without a complete protocol, not a study"
        assert fault.hint == "its studies: resnet21-sensitivity, resnet21-full"


def test_a_file_in_this_folder_is_named_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.yaml").touch()
    for error in (unknown_study("first"), unknown_study("first", networks=["net"])):
        assert error.faults[0].hint == "a study in a file goes by its path: ./first.yaml"


def test_a_study_is_read_from_a_file(file: Path) -> None:
    study = load_study(file)
    assert study.name == "tiny"
    assert study.source == file
    assert (study.variant.overrides, study.variant.epoch_scale) == ((), "")


def test_overrides_change_the_study_and_stay_known(file: Path) -> None:
    study = load_study(file, ["base.optimizer.lr=0.5"])
    assert study.base.optimizer.options["lr"] == 0.5
    assert study.variant.overrides == ("base.optimizer.lr=0.5",)
    assert study.variant_id != load_study(file).variant_id


def test_seeds_take_the_place_of_the_studys_own(file: Path) -> None:
    cells = expand(load_study(file, seeds=[8, 9, 10]))
    assert {cell.train.seed for cell in cells} == {8, 9, 10}
    assert load_study(file, seeds=[8]).variant_id == load_study(file).variant_id


@pytest.mark.parametrize("seeds", [[], [1, 1], [-1]])
def test_seeds_are_different_and_not_negative(seeds: list[int], file: Path) -> None:
    with pytest.raises(StudyError, match="--seeds: expected different seeds"):
        load_study(file, seeds=seeds)


@pytest.mark.parametrize(
    ("scale", "written"),
    [(None, ""), (1, ""), ("1.0", ""), ("0.50", "0.5"), (0.5, "0.5"), ("1e-2", "0.01")],
)
def test_equal_scales_are_written_alike(scale: Any, written: str, file: Path) -> None:
    assert load_study(file, epoch_scale=scale).variant.epoch_scale == written


@pytest.mark.parametrize("scale", ["0", "-0.5", "1.01", "2", "x", "", "nan", "inf", "1/0"])
def test_a_scale_is_a_share(scale: str, file: Path) -> None:
    with pytest.raises(StudyError, match=r"--scale-epochs: expected a (number|factor)"):
        load_study(file, epoch_scale=scale)


def test_faults_of_trials_are_faults_of_the_study(file: Path) -> None:
    with pytest.raises(StudyError, match="never turn binary in 1 epochs") as raised:
        load_study(file, ["base.epochs=1"])
    assert raised.value.source == str(file)
    # The file itself is right.
    assert not raised.value.hint


def test_what_is_wrong_in_a_file_is_to_be_checked_again_there(file: Path) -> None:
    file.write_text(file.read_text().replace("epochs: ", "epochz: "))
    with pytest.raises(StudyError, match="epochz") as raised:
        load_study(file)
    assert raised.value.hint == f"check again with: bnn-orchestrate validate {file}"


@pytest.mark.parametrize(("seeds", "text"), [([7, 7], "7,7"), ([-1], "-1"), ([], "")])
def test_what_is_wrong_with_seeds_is_to_be_checked_again_with_them(
    seeds: list[int], text: str, file: Path
) -> None:
    with pytest.raises(StudyError, match="expected different seeds") as raised:
        load_study(file, seeds=seeds)
    assert raised.value.hint == f"check again with: bnn-orchestrate validate {file} --seeds={text}"


def test_a_fault_of_scaled_epochs_is_to_be_checked_again_with_the_scale(file: Path) -> None:
    file.write_text(file.read_text().replace("epochs: ", "epochz: "))
    with pytest.raises(StudyError, match="epochz") as raised:
        load_study(file, seeds=[1, 2], epoch_scale="0.5")
    assert raised.value.hint.endswith(f"validate {file} --seeds=1,2 --scale-epochs=0.5")


def test_a_file_that_holds_no_study_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n- 2\n")
    with pytest.raises(StudyError, match="expected a study as a mapping, got the list"):
        load_study(path)
    with pytest.raises(StudyError, match="expected a study as a mapping"):
        load_study(path, ["base.epochs=1"])


OVERLAY = {"base.latent_at_eval": "reset", "metric.name": "best_on_test/test_error"}


@pytest.fixture
def published(tmp_path: Path, make_mapping: MakeMapping) -> Path:
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump(make_mapping(as_published=OVERLAY)))
    return path


def test_a_study_as_published_is_another_variant(published: Path) -> None:
    ours, theirs = load_study(published), load_study(published, as_published=True)
    assert (ours.variant.as_published, theirs.variant.as_published) == (False, True)
    assert (ours.base.latent_at_eval, theirs.base.latent_at_eval) == ("keep", "reset")
    assert theirs.metric.name == "best_on_test/test_error"
    assert theirs.variant_id != ours.variant_id
    same = {
        cell.labels["order"]
        for cell, twin in zip(expand(ours), expand(theirs), strict=True)
        if cell.id == twin.id
    }
    # A network in full precision has nothing to reset.
    assert same == {"float"}


def test_ids_follow_from_the_values_whoever_set_them(published: Path) -> None:
    theirs = load_study(published, as_published=True)
    by_hand = load_study(published, ["base.latent_at_eval=reset"])
    assert [cell.id for cell in expand(by_hand)] == [cell.id for cell in expand(theirs)]
    assert by_hand.variant_id == theirs.variant_id


def test_overrides_come_after_the_published_way(published: Path) -> None:
    study = load_study(published, ["base.latent_at_eval=keep"], as_published=True)
    assert study.base.latent_at_eval == "keep"


def test_a_study_that_was_not_published_names_those_that_were(file: Path) -> None:
    with pytest.raises(StudyError, match=r"no key as_published; studies .*mnist300-full"):
        load_study(file, as_published=True)
    with pytest.raises(StudyError, match=r"--as-published: .*has no key") as raised:
        load_study("mnist300-latent-reset", as_published=True)
    assert "mnist300-latent-reset" not in raised.value.faults[0].hint


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ({"base.weights.zeroo": 0}, r"as_published\.base\.weights\.zeroo: unknown option.*'zero'"),
        ({"base.latent_at_evl": "reset"}, r"as_published\.base\.latent_at_evl: unknown key"),
        ({"metric.name": "test"}, r"as_published\.metric\.name: unknown metric 'test'"),
        ({"base.epochs": 1}, r"as_published\..*never turn binary in 1 epochs"),
        ([], "as_published: expected key paths"),
    ],
)
def test_a_published_way_is_checked_even_where_it_is_not_taken(
    overlay: object, message: str, tmp_path: Path, make_mapping: MakeMapping
) -> None:
    path = tmp_path / "published.yaml"
    path.write_text(yaml.safe_dump(make_mapping(as_published=overlay)))
    with pytest.raises(StudyError, match=message):
        load_study(path)


def test_a_file_that_holds_no_study_was_not_published_either(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n- 2\n")
    with pytest.raises(StudyError, match="expected a study as a mapping"):
        load_study(path, as_published=True)
