"""A study with nothing left to train, known from what an earlier command found out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.planning.sharing import stems
from orchestrator.record.conflicts import study_record
from orchestrator.record.entries import Point
from orchestrator.record.journal import Journal
from orchestrator.record.store import Store, StoreError, StudyIds
from orchestrator.results.settled import (
    Outline,
    depends_on,
    is_settled,
    keep_outline,
    known_outline,
    outline_of,
)
from orchestrator.study.catalog import StudyError, load_variant
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec, cell_key
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State

pytestmark = pytest.mark.slow

Record = Callable[..., None]
MakeMapping = Callable[..., dict[str, Any]]


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder that no other test uses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path: Path, make_mapping: MakeMapping) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(make_mapping()))
    return path


@pytest.fixture
def errors(study: StudySpec) -> Mapping[str, float]:
    """An error for each cell, by its labels."""
    return {" ".join(cell.labels.values()): 0.25 for cell in expand(study)}


@pytest.fixture
def outline(study: StudySpec) -> Outline:
    return outline_of(study)


@pytest.fixture
def settled(
    home: Home,
    journal: Journal,
    store: Store,
    record: Record,
    study: StudySpec,
    errors: Any,
    ids: StudyIds,
) -> Home:
    """A home in which the study is trained to its end."""
    record(study, errors)
    store.set_state(ids.run, State.FINISHED, {})
    return home


def test_an_outline_says_of_a_study_what_its_cells_and_its_run_are_called(
    make_study: Callable[..., StudySpec],
) -> None:
    base = {"model": {"name": "mlp", "widths": [64, 8, 8, 10]}, "epochs": 3}
    layers = {"layers": {"order": [1, 2, 3], "epochs_per_layer": 1}}
    study = make_study()
    study = make_study(base={**study.base.to_mapping(), **base, **layers})
    outline, cells = outline_of(study), expand(study)
    assert (outline.name, outline.variant_id) == (study.name, study.variant_id)
    assert outline.cells == [cell_key(study, cell) for cell in cells]
    assert outline.tags == study_record(study).tags
    assert set(outline.stems) == {stem.id for cell in cells for stem in stems(cell.train)}
    assert outline.stems


@pytest.mark.usefixtures("own_cache")
def test_an_outline_is_known_once_it_was_kept(file: Path, outline: Outline) -> None:
    given = depends_on(file, Variant(), None)
    assert known_outline(given) is None
    keep_outline(given, load_variant(file, Variant()))
    assert known_outline(given) == outline


@pytest.mark.usefixtures("own_cache")
def test_whatever_changes_a_study_changes_what_its_outline_depends_on(
    file: Path, make_mapping: MakeMapping
) -> None:
    (file.parent / "shared.yaml").write_text(yaml.safe_dump({"base": make_mapping()["base"]}))
    own = {key: value for key, value in make_mapping().items() if key != "base"}
    extending = file.with_name("extending.yaml")
    extending.write_text(yaml.safe_dump({**own, "extends": "./shared.yaml"}))
    known = [
        depends_on(path, variant, seeds)
        for path in (file, extending)
        for variant in (Variant(), Variant(epoch_scale="0.5"), Variant(overrides=("base.seed=3",)))
        for seeds in (None, [1], [1, 2])
    ]
    file.write_text(yaml.safe_dump(make_mapping(question="Another?")))
    known.append(depends_on(file, Variant(), None))
    changed = {**make_mapping()["base"], "seed": 9}
    (file.parent / "shared.yaml").write_text(yaml.safe_dump({"base": changed}))
    known.append(depends_on(extending, Variant(), None))
    assert all(one not in known[:number] for number, one in enumerate(known))


def test_a_file_that_cannot_be_read_has_no_outline(file: Path) -> None:
    file.write_text("study: [")
    assert depends_on(file, Variant(), None) is None
    with pytest.raises(StudyError, match="there is no such file"):
        depends_on("./nowhere.yaml", Variant(), None)


@pytest.mark.usefixtures("own_cache")
def test_searches_and_studies_with_a_storage_of_their_own_have_none(
    make_search: Callable[..., StudySpec], make_study: Callable[..., StudySpec], tmp_path: Path
) -> None:
    elsewhere = {"storage": str(tmp_path / "elsewhere")}
    for study in (make_search(), make_study(checkpoint=elsewhere)):
        keep_outline(study.name, study)
        assert known_outline(study.name) is None


def test_with_each_cell_finished_and_delivered_nothing_is_left(
    settled: Home, outline: Outline
) -> None:
    assert is_settled(outline, settled)


@pytest.mark.parametrize("state", [State.RUNNING, State.INTERRUPTED])
def test_a_study_whose_own_run_was_not_closed_is_not_settled(
    state: State, settled: Home, store: Store, ids: StudyIds, outline: Outline
) -> None:
    store.set_state(ids.run, state, {})
    assert not is_settled(outline, settled)


def test_a_cell_that_was_moved_is_still_to_be_put_back(
    settled: Home, store: Store, ids: StudyIds, study: StudySpec, outline: Outline
) -> None:
    [cell, *_] = store.cells(ids.experiment, study.variant_id)
    store.client.set_tag(cell.run_id, "mlflow.parentRunId", "abc")
    assert not is_settled(outline, settled)


def test_in_a_new_home_all_is_left_and_nothing_is_written(
    tmp_path: Path, outline: Outline
) -> None:
    assert not is_settled(outline, Home.at(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("journal")
@pytest.mark.parametrize("state", [None, State.FAILED, State.INTERRUPTED])
def test_with_a_cell_that_is_not_finished_something_is_left(
    state: str | None,
    home: Home,
    store: Store,
    record: Record,
    study: StudySpec,
    errors: dict[str, float],
    ids: StudyIds,
    outline: Outline,
) -> None:
    label, error = errors.popitem()
    record(study, errors)
    if state is not None:
        record(study, {label: error}, state=state)
    # Closed, so that the cell alone tells.
    store.set_state(ids.run, State.FINISHED, {})
    assert not is_settled(outline, home)


def test_what_waits_in_the_journal_comes_first(
    settled: Home, journal: Journal, study: StudySpec, outline: Outline, make_description: Any
) -> None:
    journal.begin_study(study_record(study))
    assert not is_settled(outline, settled)
    journal.mark_study_sent(study_record(study))
    assert is_settled(outline, settled)
    journal.begin(make_description("other/v/seed=1/t", study="other/v"))
    assert not is_settled(outline, settled)


def test_a_study_that_mlflow_has_lost_is_to_be_delivered_anew(
    settled: Home, journal: Journal, study: StudySpec, outline: Outline
) -> None:
    lost = replace(study_record(study), name="lost")
    journal.begin_study(lost)
    journal.mark_study_sent(lost)
    assert not is_settled(outline, settled)


def test_a_beginning_that_was_left_over_is_to_be_deleted(settled: Home, outline: Outline) -> None:
    of_others = settled.checkpoints / "stems" / "0123456789abcdef"
    of_others.mkdir(parents=True)
    outline = replace(outline, stems=["fedcba9876543210"])
    assert is_settled(outline, settled)
    of_others.with_name("fedcba9876543210").mkdir()
    assert not is_settled(outline, settled)


def test_another_question_is_still_to_be_recorded(settled: Home, outline: Outline) -> None:
    tags = {**outline.tags, "mlflow.note.content": "Another question?"}
    assert not is_settled(replace(outline, tags=tags), settled)


def test_another_variant_has_nothing_yet(settled: Home, outline: Outline) -> None:
    assert not is_settled(replace(outline, variant_id="0123456789abcdef"), settled)
    assert not is_settled(replace(outline, name="other"), settled)


def test_another_trial_under_the_same_label_is_left_to_the_sweep_to_refuse(
    settled: Home,
    store: Store,
    ids: StudyIds,
    study: StudySpec,
    outline: Outline,
    make_description: Any,
) -> None:
    key = outline.cells[0]
    other = f"{key.rpartition('/')[0]}/0123456789abcdef"
    tags = {
        vocabulary.KIND: vocabulary.CELL,
        vocabulary.VARIANT: study.variant_id,
        vocabulary.CELL_KEY: other,
        vocabulary.TRIAL: "0123456789abcdef",
    }
    run = store.create_cell(make_description(other, tags=tags), ids)
    store.log_points(run, [Point(study.metric.name, 0, 0.5, 1000)])
    store.set_state(run, State.FINISHED, {})
    assert not is_settled(outline, settled)


def test_a_study_that_was_deleted_in_mlflow_is_told(
    settled: Home, store: Store, ids: StudyIds, outline: Outline
) -> None:
    store.client.delete_experiment(ids.experiment)
    with pytest.raises(StoreError, match="was deleted in MLflow"):
        is_settled(outline, settled)
