"""Results of other code, beside those of this one in one matrix: refused, or accepted."""

import json
from collections.abc import Iterable, Sequence

from orchestrator import vocabulary
from orchestrator.fingerprint.code import Code
from orchestrator.mlflow_reader.cells import RecordedCell
from orchestrator.study.catalog import StudyError
from orchestrator.study.spec import StudySpec
from trainers.errors import Fault

MOST_FILES = 4
"""Shown of those that changed."""
_WAYS = (
    "go on with that code; or accept its results beside those of this code: --accept-code; or "
    "train cells of their own, kept apart: --apart NAME"
)


def of_other_code(recorded: Iterable[RecordedCell], code: Code) -> list[RecordedCell]:
    """The cells that other code trained; those that do not say which are taken as of this one."""
    return [cell for cell in recorded if not code.is_same(cell.code, cell.trained)]


def refuse_other_code(
    study: StudySpec, recorded: Sequence[RecordedCell], *, code: Code, commit: str
) -> None:
    """Refuses to mix results of two versions of the code in one matrix.

    Args:
        study: The study.
        recorded: Its cells in the store.
        code: This code.
        commit: Its commit, if it is known.

    Raises:
        StudyError: Naming the files that changed.
    """
    others = of_other_code(recorded, code)
    if not others:
        return
    theirs, ours = _at(others[0].commit), _at(commit)
    what = f"{len(others)} cells were trained by other code{theirs} than this{ours}: "
    raise StudyError(study.name, Fault("", what + _changes(others, code), _WAYS))


def accepted_tags(recorded: Iterable[RecordedCell], code: Code) -> dict[str, str]:
    """What a study and its cells say once results of other code are accepted; else nothing."""
    others = sorted({cell.code for cell in of_other_code(recorded, code)})
    return {vocabulary.ACCEPTED_CODE: json.dumps(others)} if others else {}


def _changes(others: Sequence[RecordedCell], code: Code) -> str:
    known = [code.changes(cell.code, cell.trained) for cell in others]
    files = sorted({file for changes in known for file in changes or ()})
    if not files:
        return "it is not recorded which of its files changed"
    more = [f"{len(files) - MOST_FILES} more"] if len(files) > MOST_FILES else []
    return f"{', '.join([*files[:MOST_FILES], *more])} changed"


def _at(commit: str) -> str:
    dirty = "-dirty" if commit.endswith("-dirty") else ""
    return f" (commit {commit[:12]}{dirty})" if commit else ""
