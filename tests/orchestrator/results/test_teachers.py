"""Recorded runs as teachers: looked up before a sweep, and put into files."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator import vocabulary
from orchestrator.home import Home
from orchestrator.planning.files import check_files
from orchestrator.planning.planning import plan
from orchestrator.record.conflicts import study_record
from orchestrator.record.describe import describe
from orchestrator.record.store import Store
from orchestrator.results.teachers import FOLDER, with_teachers
from orchestrator.study.catalog import StudyError
from orchestrator.study.expansion import expand
from orchestrator.study.spec import StudySpec
from orchestrator.vocabulary import State
from trainers import CheckpointPolicy, RunOptions, run
from trainers.errors import SpecError
from trainers.spec.added import Teacher
from trainers.teachers import load_teacher

Found = Callable[..., StudySpec]


@pytest.fixture
def trained(home: Home, study: StudySpec) -> str:
    """A cell of the small study, trained with its checkpoint and recorded; the run's id."""
    store, cell = Store(home), expand(study)[0]
    options = RunOptions(
        num_threads=1,
        checkpoint_dir=home.checkpoints / cell.id,
        checkpoints=CheckpointPolicy(policy="best"),
    )
    result = run(cell.train, options=options)
    run_id = store.create_cell(
        describe(cell, study, tags={}), store.open_study(study_record(study))
    )
    store.set_state(run_id, State.FINISHED, {vocabulary.WEIGHTS_SHA256: result.weights_sha256})
    store.log_values(run_id, {"selected/validation_error": 0.5}, 1)
    return run_id


@pytest.fixture
def looked_up(home: Home, make_study: Callable[..., StudySpec], tmp_path: Path) -> Found:
    """A study whose teacher is a run, after it was looked up."""

    def look(run: str, *, storage: str | None = None, **base: Any) -> StudySpec:
        study = make_study(study="learner")
        mapping = {**study.base_mapping, "teacher": {"run": run}, "distillation": "kl", **base}
        learner = make_study(study="learner", base=mapping)
        return with_teachers(
            learner, home, storage=storage, data_dir=tmp_path, note=lambda run, text: None
        )

    return look


def _teacher(study: StudySpec) -> Teacher:
    [teacher] = {cell.train.teacher for cell in expand(study)}
    assert teacher is not None
    return teacher


@pytest.mark.parametrize("is_best", [False, True])
def test_a_run_teaches_with_the_bits_of_its_network(
    is_best: bool, trained: str, looked_up: Found, home: Home, tmp_path: Path
) -> None:
    study = looked_up("best:tiny" if is_best else trained)
    teacher = _teacher(study)
    file = home.checkpoints / FOLDER / f"{teacher.sha256}.safetensors"
    assert teacher == Teacher(file=str(file), sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    check_files(study, plan(study), data_dir=tmp_path)
    assert load_teacher(teacher, data_dir=tmp_path, num_classes=10)
    # Where it was found is neither in the file nor in the trial.
    assert trained not in file.read_bytes().decode(errors="ignore")
    assert trained not in json.dumps(expand(study)[0].train.to_mapping())
    assert Store(home).tags_of(trained)[vocabulary.TEACHER] == teacher.sha256


def test_a_teacher_once_written_outlasts_its_checkpoint_and_is_mended(
    trained: str, looked_up: Found, home: Home
) -> None:
    teacher = _teacher(looked_up(trained))
    Path(teacher.file).write_bytes(b"cut short")
    assert _teacher(looked_up(trained)) == teacher
    [folder] = [path for path in home.checkpoints.iterdir() if path.name != FOLDER]
    folder.rename(home.root / "gone")
    assert _teacher(looked_up(trained)) == teacher
    Path(teacher.file).unlink()
    with pytest.raises(
        StudyError, match=rf"no checkpoint in .*export {trained} -o FILE --retrain"
    ):
        looked_up(trained)


def test_a_remote_storage_gets_the_teacher_of_the_home(
    trained: str, looked_up: Found, tmp_path: Path
) -> None:
    teacher = _teacher(looked_up(trained, storage="memory://of-a-cluster/checkpoints"))
    assert teacher.file.startswith(f"memory://of-a-cluster/checkpoints/{FOLDER}/{teacher.sha256}")
    assert load_teacher(teacher, data_dir=tmp_path, num_classes=10)


def test_a_run_that_is_not_there_is_refused_with_a_way_out(trained: str, looked_up: Found) -> None:
    with pytest.raises(
        StudyError,
        match=r"teacher.run: best:tyni: .* no results of a study 'tyni'; "
        "train it first: bnn-orchestrate sweep tyni",
    ):
        looked_up("best:tyni")
    with pytest.raises(StudyError, match=r"train it first: bnn-orchestrate sweep tyni$"):
        looked_up("best:tyni/float")
    with pytest.raises(StudyError, match=r"teacher.run: abc: .* has no run 'abc'"):
        looked_up("abc")


def test_a_teacher_that_does_not_fit_is_refused_before_training(
    trained: str, looked_up: Found, tmp_path: Path
) -> None:
    model = {"name": "mlp", "widths": [64, 4, 10]}
    study = looked_up(trained, model=model, distillation={"name": "features", "layer": "fc1"})
    with pytest.raises(
        SpecError, match=r"teacher: has features of the shape 8, but those .* are 4"
    ):
        check_files(study, plan(study), data_dir=tmp_path)
