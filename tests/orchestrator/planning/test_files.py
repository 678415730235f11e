"""Files that trials name, checked before a sweep trains."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.planning.files import check_files
from orchestrator.planning.planning import plan
from orchestrator.study.catalog import StudyError
from orchestrator.study.spec import StudySpec
from trainers import build_model, export_packed
from trainers.errors import MissingDataError


def _taught(study: StudySpec, sha256: str) -> StudySpec:
    teacher = {"file": "teacher.safetensors", "sha256": sha256}
    base = {**study.base_mapping, "teacher": teacher, "distillation": "label_refinery"}
    return replace(study, base_mapping=base)


def test_a_teacher_is_missed_or_refused_before_any_trial_begins(
    study: StudySpec, tmp_path: Path
) -> None:
    check_files(study, plan(study), data_dir=tmp_path)
    lost = _taught(study, 64 * "0")
    with pytest.raises(MissingDataError, match="the teacher cannot be read from"):
        check_files(lost, plan(lost), data_dir=tmp_path)
    file = tmp_path / "teacher.safetensors"
    export_packed(build_model("mlp", widths=[64, 4, 7]), file)
    with pytest.raises(StudyError, match=r"teacher.sha256: .* is another file"):
        check_files(lost, plan(lost), data_dir=tmp_path)
    named = _taught(study, hashlib.sha256(file.read_bytes()).hexdigest())
    with pytest.raises(StudyError, match="teacher: gives outputs of the shape 7, but those"):
        check_files(named, plan(named), data_dir=tmp_path)
