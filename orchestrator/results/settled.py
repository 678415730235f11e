"""Knows a study with nothing left to train from what an earlier command found out about it.

To read a study whole takes torch, which takes as long as all else that such a sweep has to do.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.home import Home
from orchestrator.kept import keep, kept
from orchestrator.record.journal import Journal
from orchestrator.study.catalog import find_study
from orchestrator.study.file import read_study_file
from orchestrator.study.shipped import config_digest
from orchestrator.study.variant import Variant
from orchestrator.vocabulary import State
from trainers.errors import SpecError

if TYPE_CHECKING:
    from orchestrator.record.store import Store
    from orchestrator.study.spec import StudySpec

_KIND = "outline"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outline:
    """What a study of known cells comes to, as plain values.

    Args:
        name: The study's name.
        variant_id: As the study has it.
        is_plain: Whether it is as its file has it.
        question: What it is to find out.
        changes: How it differs from its file, for people.
        tags: Of its run in MLflow.
        cells: Keys of its cells.
        stems: Ids of the stems on the way of its trials.
    """

    name: str
    variant_id: str
    is_plain: bool
    question: str
    changes: Sequence[str]
    tags: Mapping[str, str]
    cells: Sequence[str]
    stems: Sequence[str]


def depends_on(name_or_path: str | Path, variant: Variant, seeds: Sequence[int] | None) -> Any:
    """What an outline depends on, as plain data; None where the file cannot be read.

    Args:
        name_or_path: As for `load_study`.
        variant: How the study differs from its file.
        seeds: Seeds that replace the study's own.

    Raises:
        StudyError: If there is no such study or file.
    """
    path = find_study(name_or_path)
    try:
        text = read_study_file(path).text
    except SpecError:
        return None
    return [text, variant.to_mapping(), list(seeds) if seeds else None, config_digest()]


def known_outline(given: Any) -> Outline | None:
    """The outline that an earlier command kept; None if none did.

    Args:
        given: From `depends_on`.
    """
    found = kept(_KIND, given)
    return None if found is None else Outline(**found)


def keep_outline(given: Any, study: "StudySpec") -> None:
    """Keeps the outline of a study for later commands.

    A search has none, nor has a study with a storage of its own, which may have to be asked, or
    one with teachers that are runs: those may be others the next time.

    Args:
        given: From `depends_on`, for this study.
        study: The study, checked.
    """
    from orchestrator.study.teachers import runs_named

    if not (study.is_searched or study.checkpoint.storage or runs_named(study.trials)):
        keep(_KIND, given, asdict(outline_of(study)))


def outline_of(study: "StudySpec") -> Outline:
    """The outline of a study that is no search."""
    from orchestrator.planning.sharing import stems
    from orchestrator.record.conflicts import parent_tags
    from orchestrator.study.expansion import expand
    from orchestrator.study.spec import cell_key

    cells = expand(study)
    return Outline(
        name=study.name,
        variant_id=study.variant_id,
        is_plain=study.is_plain,
        question=study.question,
        changes=study.variant.told(),
        tags=parent_tags(study),
        cells=[cell_key(study, cell) for cell in cells],
        stems=sorted({stem.id for cell in cells for stem in stems(cell.train)}),
    )


def is_settled(outline: Outline, home: Home) -> bool:
    """Whether a sweep of the study in the home's own storage would change nothing.

    All its cells are finished, and so is its own run; MLflow has all that the journal has, and no
    shared beginning is left over.

    Args:
        outline: The study.
        home: Where results live.

    Raises:
        StoreError: If MLflow cannot be used, or somebody deleted the study there.
        JournalError: If the journal cannot be used.
    """
    from orchestrator.record.store import Store

    files = [home.journal, *([home.database] if home.database else [])]
    if not all(file.exists() for file in files):
        return False
    if any((home.checkpoints / "stems" / stem).exists() for stem in outline.stems):
        return False
    with closing(Journal(home.journal)) as journal:
        if journal.unsent_studies() or journal.undelivered():
            return False
        store = Store(home)
        return store.silence() is None and not _has_lost(store, journal) and _has(store, outline)


def _has_lost(store: "Store", journal: Journal) -> bool:
    """Whether MLflow has lost a study that it had; one that was deleted can be restored."""
    from orchestrator.mlflow_reader.reader import StoreError

    for name in journal.delivered_studies():
        try:
            if store.find_study(name) is None:
                return True
        except StoreError:
            continue
    return False


def _has(store: "Store", outline: Outline) -> bool:
    """Whether MLflow has the study as it is now, finished, with its finished cells."""
    experiment = store.find_study(outline.name)
    if experiment is None:
        return False
    same = [one for one in store.variants(experiment) if one.variant == outline.variant_id]
    closed = [one for one in same if one.state == State.FINISHED]
    if not any(outline.tags.items() <= dict(one.tags).items() for one in closed):
        return False
    cells, own = store.cells(experiment, outline.variant_id), set(outline.cells)
    finished = {cell.key for cell in cells if cell.state == State.FINISHED and cell.is_placed}
    parent = store.reader.run_of(experiment, outline.variant_id)
    if any(cell.parent != parent for cell in cells if cell.key in own):
        return False
    # Another trial under one of its labels is refused; the sweep says why.
    others = {_place(cell.key) for cell in cells if cell.key not in own}
    return own <= finished and others.isdisjoint(map(_place, own))


def _place(key: str) -> str:
    """The key of a cell without its trial."""
    return key.rpartition("/")[0]
