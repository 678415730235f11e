"""Maps a configuration of Ray Tune to its cell and to the worker's job."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator import vocabulary
from orchestrator.launch.worker import Job
from orchestrator.planning.sharing import stems
from orchestrator.planning.stem_store import StemStore
from orchestrator.study.cells import Cell
from orchestrator.study.checkpointing import upload_order
from orchestrator.study.expansion import trial_at
from orchestrator.study.spec import StudySpec, cell_key


@dataclass(frozen=True, kw_only=True)
class Jobs:
    """The cells and jobs of a sweep; the driver uses it and, pickled, the workers do.

    Args:
        study: The study.
        cells: Key to cell, for the cells to train; empty for a search.
        template: A job with the values common to all; its checkpoint folder holds one folder for
            each trial.
        stems: The store of stems (shared checkpoints).
    """

    study: StudySpec
    cells: Mapping[str, Cell]
    template: Job
    stems: StemStore

    def trial(self, config: Mapping[str, Any]) -> Cell:
        """The cell of a configuration: the one it names, or the one at the drawn values."""
        return self.cells[config["cell"]] if self.cells else trial_at(self.study, config)

    def key(self, config: Mapping[str, Any]) -> str:
        """The unique key of a configuration's cell."""
        return str(config["cell"]) if self.cells else cell_key(self.study, self.trial(config))

    def uploads(self, cell: Cell) -> dict[str, str]:
        """The journal's note to upload a finished cell's checkpoints; empty: no upload."""
        which = self.study.checkpoint.upload
        folder = self.template.checkpoint_dir / cell.id
        return {vocabulary.UPLOAD: upload_order(folder, which)} if which != "none" else {}

    def job(self, config: Mapping[str, Any]) -> Job:
        """The worker's job; a configuration may name the stem to start from and those to save."""
        cell = self.trial(config)
        places = {stem.epochs: self.stems.folder(stem.id) for stem in stems(cell.train)}
        return replace(
            self.template,
            train=cell.train.to_mapping(),
            checkpoint_dir=self.template.checkpoint_dir / cell.id,
            name=cell.name,
            begins_from=places.get(config.get("begins", 0)),
            leaves={epochs: places[epochs] for epochs in config.get("leaves", ())},
        )
