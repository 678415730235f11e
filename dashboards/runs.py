"""Reads the recorded cells of a study's variant."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from orchestrator import vocabulary
from orchestrator.errors import OrchestratorError
from orchestrator.home import Home, database_of, store_address
from orchestrator.masking import shown_address
from orchestrator.mlflow_reader.cells import RecordedCell, RecordedVariant, counted
from orchestrator.mlflow_reader.followed import Followed
from orchestrator.mlflow_reader.reader import Reader, instead_of, told
from orchestrator.vocabulary import State

_WHOLE_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


class NoResultsError(OrchestratorError):
    """The store has no results for the request."""


@runtime_checkable
class StudyLike(Protocol):
    """What identifies a study's results: its name and its variant."""

    @property
    def name(self) -> str:
        """The study's name."""
        ...

    @property
    def variant_id(self) -> str:
        """Hash of what its cells have in common."""
        ...

    @property
    def is_plain(self) -> bool:
        """Whether the study is exactly as in its file."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyRuns:
    """The recorded results of one variant of a study.

    Args:
        study: The study's name.
        title: The study's name, and how the variant differs from its file.
        experiment_id: MLflow's experiment.
        run_id: MLflow's run of the variant.
        tags: The tags of that run.
        cells: The finished cells.
        is_asked: Whether it is the requested variant; False: that one has no finished cell, so
            this is the newest.
    """

    study: str
    title: str
    experiment_id: str
    run_id: str
    tags: Mapping[str, str]
    cells: tuple[RecordedCell, ...]
    is_asked: bool

    def with_cells(self, cells: Sequence[RecordedCell]) -> "StudyRuns":
        """The same study with these cells alone."""
        return replace(self, cells=tuple(cells))

    def labels(self) -> list[str]:
        """The labels of the rows in the study's order."""
        return _texts(self.tags.get(vocabulary.ROWS, "[]"))

    def controls(self) -> list[str]:
        """The rows that are no answer to the study's question: its control, and those beside."""
        return _texts(self.tags.get(vocabulary.CONTROLS, "[]"))

    def looks(self) -> list[int]:
        """At how many values of the `over` axis verdicts were given; changed in MLflow: none."""
        try:
            found = json.loads(self.tags.get(vocabulary.LOOKS, "[]"))
        except ValueError:
            return []
        return sorted(n for n in found if type(n) is int) if isinstance(found, list) else []

    def also(self) -> list[str]:
        """More metrics that the study shows in addition to its own."""
        return _texts(self.tags.get(vocabulary.ALSO, "[]"))


def _texts(content: str) -> list[str]:
    """The texts of a JSON list; of one that an earlier version let MLflow cut, those before.

    Raises:
        ValueError: If it is no list.
    """
    try:
        texts: list[str] = json.loads(content)
    except ValueError:
        if not content.startswith("["):
            raise
        return [str(json.loads(text)) for text in _WHOLE_TEXT.findall(content)]
    return texts


def study_runs(study: str | StudyLike, tracking_uri: str | None = None) -> StudyRuns:
    """Reads the recorded cells of a study.

    Args:
        study: A name, for the study as in its file; or a study, for that variant. If it has no
            finished cell and no changes, the newest variant with finished cells is read instead.
        tracking_uri: MLflow's store; None: MLFLOW_TRACKING_URI, else the store in the home.

    Raises:
        NoResultsError: If there is no finished cell.
        StoreError: If the store cannot be read.
    """
    uri = store_address(tracking_uri) if tracking_uri else Home.at().tracking_uri
    name, database = study if isinstance(study, str) else study.name, database_of(uri)
    if database is not None and not database.exists():
        raise NoResultsError(f"there are no results in {database}; run a sweep first")
    with told(uri):
        reader = Reader(uri)
        experiment = reader.find_study(name)
        if experiment is None:
            what = f"{shown_address(uri)} has no results of a study '{name}'"
            raise NoResultsError(what).with_hint(instead_of(name, reader.study_names()))
        if experiment.lifecycle_stage == "deleted":
            what = f"the experiment '{experiment.name}' of the study was deleted in MLflow"
            raise NoResultsError(f"{what}; restore it there")
        variants = reader.variants([experiment.experiment_id])
        finished = {vocabulary.STATE: State.FINISHED.value}
        cells = _placed(reader.cells([experiment.experiment_id], finished))
    asked, may_fall_back = _asked(study, variants)
    candidates = [variant for variant in variants if variant.id == asked]
    if may_fall_back:
        candidates += sorted(variants, key=lambda variant: -variant.started_ms)
    for variant in candidates:
        own = tuple(cell for cell in cells if cell.variant == variant.id)
        if own:
            found = StudyRuns(
                study=name,
                title=variant.title or name,
                experiment_id=variant.experiment_id,
                run_id=variant.run_id,
                tags=variant.tags,
                cells=own,
                is_asked=variant.id == asked,
            )
            _refuse_changed_tags(found)
            return found
    if candidates:
        with told(uri):
            _refuse_unfinished(name, candidates[0], reader)
    if cells and not variants:
        what = f"the run of the study '{name}' itself is gone from MLflow, its cells are there"
        raise NoResultsError(f"{what}; restore it there, or sweep the study again")
    known = ", ".join(variant.title for variant in variants) or "none"
    raise NoResultsError(f"no cell of this variant of '{name}' is finished; recorded: {known}")


def _refuse_unfinished(name: str, variant: RecordedVariant, reader: Reader) -> None:
    """Says what became of the cells of a variant none of which is finished, and what to do.

    Raises:
        NoResultsError: If any cell is recorded or planned.
    """
    followed = Followed(reader, variant)
    followed.look()
    found = Counter(cell.state for cell in followed.cells)
    total, title = found.total(), variant.title or name
    if not total:
        return
    same = "" if variant.is_plain else " with the options of that sweep"
    status = f"the command `status {name}`{same}"
    if found[State.FAILED] == total:
        what = f"no cell of '{title}' is finished: {total:,} of {total:,} failed"
        hint = (
            f"why they failed: {status}; to train them again: the same sweep with --retry-failed"
        )
    else:
        parts = ", ".join(f"{num:,} {state}" for state, num in sorted(found.items()))
        what = f"no cell of '{title}' is finished yet: {parts}"
        hint = f"how far it is: {status}"
    raise NoResultsError(what).with_hint(hint)


def finished_cells(reader: Reader, variant: RecordedVariant) -> list[RecordedCell]:
    """The finished cells of one variant.

    Args:
        reader: Of the store.
        variant: The variant.
    """
    finds = {vocabulary.STATE: State.FINISHED.value, vocabulary.VARIANT: variant.id}
    return _placed(reader.cells([variant.experiment_id], finds))


def _placed(cells: Iterable[RecordedCell]) -> list[RecordedCell]:
    return [cell for cell in counted(cells) if cell.is_placed]


def _refuse_changed_tags(runs: StudyRuns) -> None:
    """Refuses a study's run whose tags somebody changed in MLflow.

    Raises:
        NoResultsError: Naming a tag that is missing or cannot be read.
    """
    needed = (vocabulary.ROWS_AXIS, vocabulary.METRIC_NAME, vocabulary.METRIC_BETTER)
    wrong = [key for key in needed if not runs.tags.get(key)]
    for key, read in ((vocabulary.ROWS, runs.labels), (vocabulary.ALSO, runs.also)):
        try:
            read()
        except ValueError:
            wrong.append(key)
    if wrong:
        what = f"the tag {wrong[0]} of the run of the study '{runs.study}' was changed in MLflow"
        raise NoResultsError(f"{what} (run {runs.run_id}); sweep the study again: that sets it")


def _asked(study: str | StudyLike, variants: Sequence[RecordedVariant]) -> tuple[str | None, bool]:
    """The requested variant, and whether another one may be used instead."""
    if isinstance(study, str):
        plain = [variant for variant in variants if variant.is_plain]
        return (plain[-1].id if plain else None), True
    return study.variant_id, study.is_plain
