"""Which runs make up a study, as MLflow has them."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from dashboards.runs import NoResultsError, StudyLike, study_runs
from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.record.store import Store
from orchestrator.study.spec import StudySpec
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State

pytestmark = pytest.mark.slow

Record = Callable[..., dict[str, str]]


def test_the_finished_cells_of_a_study_come_with_labels_and_metrics(
    study: StudySpec, record: Record, home: Home
) -> None:
    runs = record(study, {"float 1": 0.1, "forward 2": 0.2})
    found = study_runs("tiny", home.tracking_uri)
    assert {cell.run_id for cell in found.cells} == set(runs.values())
    [forward] = [cell for cell in found.cells if cell.run_id == runs["forward 2"]]
    assert forward.labels == {"order": "forward", "seed": "2"}
    assert forward.metrics["selected/test_error"] == 0.2
    assert forward.metrics["test/error"] == pytest.approx(0.2)
    assert (found.study, found.title, found.is_asked) == ("tiny", "tiny", True)
    assert found.labels() == ["float", "forward", "reverse"]
    assert found.also() == ["last/test_error"]
    assert found.tags[vocabulary.VARIANT] == study.variant_id


def test_a_study_identifies_its_runs_as_well_as_its_name_does(
    study: StudySpec, record: Record, home: Home
) -> None:
    record(study, {"float 1": 0.1})
    assert isinstance(study, StudyLike)
    assert study_runs(study, home.tracking_uri) == study_runs("tiny", home.tracking_uri)


def test_without_a_store_named_it_is_that_of_the_home(
    study: StudySpec, record: Record, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(study, {"float 1": 0.1})
    monkeypatch.setenv("BNN_HOME", str(home.root))
    assert len(study_runs("tiny").cells) == 1


@pytest.mark.parametrize("state", [State.RUNNING, State.FAILED, State.INTERRUPTED])
def test_only_finished_cells_count(
    state: State, study: StudySpec, record: Record, home: Home
) -> None:
    finished = record(study, {"float 1": 0.1})
    record(study, {"forward 1": 0.2}, state=state)
    found = study_runs(study, home.tracking_uri)
    assert [cell.run_id for cell in found.cells] == list(finished.values())


def test_a_study_whose_cells_all_failed_is_said_to_have_failed(
    study: StudySpec, record: Record, home: Home
) -> None:
    record(study, {"float 1": 0.1, "forward 1": 0.2}, state=State.FAILED)
    for asked in ("tiny", study):
        with pytest.raises(NoResultsError, match=r"'tiny' is finished: 2 of 2 failed") as caught:
            study_runs(asked, home.tracking_uri)
        assert "`status tiny`; " in caught.value.hint
        assert "the same sweep with --retry-failed" in caught.value.hint


def test_a_study_without_a_finished_cell_yet_is_said_to_run(
    study: StudySpec, record: Record, home: Home
) -> None:
    scaled = replace(study, variant=Variant(epoch_scale="0.5"))
    record(scaled, {"float 1": 0.1}, state=State.RUNNING)
    with pytest.raises(NoResultsError, match="is finished yet: 1 running") as caught:
        study_runs(scaled, home.tracking_uri)
    assert caught.value.hint.endswith("`status tiny` with the options of that sweep")


def test_deleted_runs_do_not_count(
    study: StudySpec, record: Record, home: Home, store: Store
) -> None:
    runs = record(study, {"float 1": 0.1, "forward 1": 0.2})
    store.client.delete_run(runs["float 1"])
    found = study_runs(study, home.tracking_uri)
    assert [cell.run_id for cell in found.cells] == [runs["forward 1"]]
    store.client.delete_run(runs["forward 1"])
    with pytest.raises(NoResultsError, match="no cell of this variant of 'tiny' is finished"):
        study_runs(study, home.tracking_uri)


def test_scaled_runs_are_never_mixed_with_full_ones(
    study: StudySpec, record: Record, home: Home
) -> None:
    full = record(study, {"float 1": 0.1})
    scaled = replace(study, variant=Variant(epoch_scale="0.5"))
    short = record(scaled, {"float 1": 0.3, "forward 1": 0.4})
    for asked in ("tiny", study):
        found = study_runs(asked, home.tracking_uri)
        assert [cell.run_id for cell in found.cells] == list(full.values())
        assert found.is_asked
    found = study_runs(scaled, home.tracking_uri)
    assert {cell.run_id for cell in found.cells} == set(short.values())
    assert found.title == "tiny · 0.5 of the epochs"
    assert found.is_asked


def test_without_a_full_run_the_newest_variant_is_shown_and_said_so(
    study: StudySpec, record: Record, home: Home
) -> None:
    record(replace(study, variant=Variant(epoch_scale="0.1")), {"float 1": 0.3})
    time.sleep(0.005)
    newest = record(replace(study, variant=Variant(epoch_scale="0.5")), {"float 1": 0.2})
    record(study, {"float 1": 0.1}, state=State.RUNNING)
    for asked in ("tiny", study):
        found = study_runs(asked, home.tracking_uri)
        assert [cell.run_id for cell in found.cells] == list(newest.values())
        assert found.title == "tiny · 0.5 of the epochs"
        assert not found.is_asked


def test_a_variant_that_was_asked_for_is_never_replaced_by_another(
    study: StudySpec, record: Record, home: Home
) -> None:
    record(study, {"float 1": 0.1})
    scaled = replace(study, variant=Variant(epoch_scale="0.5"))
    with pytest.raises(NoResultsError, match="is finished; recorded: tiny"):
        study_runs(scaled, home.tracking_uri)


def test_cells_swept_with_checkpoints_kept_are_those_of_the_plain_study(
    study: StudySpec, record: Record, home: Home
) -> None:
    record(
        replace(study, variant=Variant(overrides=("checkpoint.policy=best",))), {"float 1": 0.1}
    )
    for asked in ("tiny", study):
        found = study_runs(asked, home.tracking_uri)
        assert (found.title, found.is_asked) == ("tiny", True)


def test_what_took_something_over_is_no_plain_study(
    study: StudySpec, make_study: Callable[..., StudySpec], record: Record, home: Home
) -> None:
    fed = make_study(given={"rows": {"float": {"optimizer.lr": 0.5}}})
    later = record(fed, {"float 1": 0.2})
    for asked in ("tiny", study):
        found = study_runs(asked, home.tracking_uri)
        assert [cell.run_id for cell in found.cells] == list(later.values())
        assert found.title == "tiny · as its protocol found"
        assert not found.is_asked
    assert study_runs(fed, home.tracking_uri).is_asked
    plain = record(study, {"float 1": 0.1})
    for asked in ("tiny", study):
        found = study_runs(asked, home.tracking_uri)
        assert [cell.run_id for cell in found.cells] == list(plain.values())
        assert found.is_asked
    other = make_study(given={"rows": {"float": {"optimizer.lr": 0.25}}})
    with pytest.raises(NoResultsError, match="no cell of this variant of 'tiny' is finished"):
        study_runs(other, home.tracking_uri)


def test_a_store_without_the_study_is_told_with_both_names(home: Home, store: Store) -> None:
    with pytest.raises(NoResultsError, match=r"mlflow.db has no results of a study 'tiny'"):
        study_runs("tiny", home.tracking_uri)


def test_a_store_that_is_not_there_is_not_made() -> None:
    home = Home.at("nowhere")
    with pytest.raises(NoResultsError, match=r"there are no results in .*mlflow.db"):
        study_runs("tiny", home.tracking_uri)
    assert not home.root.exists()


def test_runs_as_published_are_found_by_asking_for_them(
    study: StudySpec, record: Record, home: Home
) -> None:
    base = replace(study.base, latent_at_eval="reset")
    published = replace(study, base=base, variant=Variant(as_published=True))
    theirs = record(published, {"forward 1": 0.4})
    assert not study_runs(study, home.tracking_uri).is_asked
    ours = record(study, {"forward 1": 0.2})
    for asked in ("tiny", study):
        found = study_runs(asked, home.tracking_uri)
        assert [cell.run_id for cell in found.cells] == list(ours.values())
        assert found.is_asked
    found = study_runs(published, home.tracking_uri)
    assert [cell.run_id for cell in found.cells] == list(theirs.values())
    assert (found.title, found.is_asked) == ("tiny · as published", True)


def test_cells_that_are_kept_apart_are_found_by_asking_for_them(
    study: StudySpec, record: Record, home: Home
) -> None:
    apart = replace(study, variant=Variant(apart="v2"))
    theirs = record(apart, {"forward 1": 0.4})
    ours = record(study, {"forward 1": 0.2})
    for asked in ("tiny", study):
        found = study_runs(asked, home.tracking_uri)
        assert [cell.run_id for cell in found.cells] == list(ours.values())
    found = study_runs(apart, home.tracking_uri)
    assert [cell.run_id for cell in found.cells] == list(theirs.values())
    assert (found.title, found.is_asked) == ("tiny · apart: v2", True)
    with pytest.raises(NoResultsError, match="is finished; recorded: tiny"):
        study_runs(replace(study, variant=Variant(apart="v3")), home.tracking_uri)


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ('["a", "b\\"c", "d', ["a", 'b"c']),
        ('["a", "b\\', ["a"]),
        ('["a", "\\u00e4"', ["a", "ä"]),
        ("[", []),
    ],
)
def test_labels_that_mlflow_has_cut_are_read_as_far_as_they_go(
    content: str, labels: list[str], study: StudySpec, record: Record, home: Home, store: Store
) -> None:
    record(study, {"float 1": 0.1})
    found = study_runs("tiny", home.tracking_uri)
    store.client.set_tag(found.run_id, vocabulary.ROWS, content)
    assert study_runs("tiny", home.tracking_uri).labels() == labels


def test_as_many_labels_as_an_axis_has_come_back(
    make_study: Callable[..., StudySpec], record: Record, home: Home
) -> None:
    values = {f"{'a rate of ' * 30}{n:04}": n / 1e4 for n in range(1, 801)}
    axes = [{"name": "rate", "sets": "optimizer.lr", "values": values}]
    study = make_study(axes=axes, matrix={"rows": "rate"})
    record(study, {next(iter(values)): 0.1})
    assert study_runs(study, home.tracking_uri).labels() == list(values)


def test_what_somebody_did_to_an_experiment_is_said(
    study: StudySpec, record: Record, home: Home, store: Store
) -> None:
    runs = record(study, {"float 1": 0.1})
    experiment = store.find_study("tiny")
    assert experiment is not None
    store.client.rename_experiment(experiment, "mine")
    found = study_runs(study, home.tracking_uri)
    assert [cell.run_id for cell in found.cells] == [runs["float 1"]]
    store.client.delete_run(found.run_id)
    with pytest.raises(NoResultsError, match="the run of the study 'tiny' itself is gone"):
        study_runs(study, home.tracking_uri)
    store.client.delete_experiment(experiment)
    with pytest.raises(NoResultsError, match=r"'mine' of the study was deleted .*; restore it"):
        study_runs(study, home.tracking_uri)


def test_a_cell_without_its_place_does_not_count(
    study: StudySpec, record: Record, home: Home, store: Store
) -> None:
    runs = record(study, {"float 1": 0.1, "forward 1": 0.2, "reverse 1": 0.3})
    store.client.delete_tag(runs["float 1"], vocabulary.LABEL.format(axis="order"))
    store.client.set_tag(runs["reverse 1"], vocabulary.LABEL.format(axis="order"), "forward")
    found = study_runs(study, home.tracking_uri)
    assert [cell.run_id for cell in found.cells] == [runs["forward 1"]]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (vocabulary.METRIC_NAME, ""),
        (vocabulary.METRIC_BETTER, None),
        (vocabulary.ROWS_AXIS, None),
        (vocabulary.ROWS, "float, forward"),
        (vocabulary.ALSO, "{"),
    ],
)
def test_changed_tags_of_a_study_are_named(
    key: str, text: str | None, study: StudySpec, record: Record, home: Home, store: Store
) -> None:
    record(study, {"float 1": 0.1})
    run = study_runs(study, home.tracking_uri).run_id
    if text is None:
        store.client.delete_tag(run, key)
    else:
        store.client.set_tag(run, key, text)
    with pytest.raises(NoResultsError, match=rf"the tag {key} .* changed .*; sweep the study"):
        study_runs(study, home.tracking_uri)
