"""Which cell a configuration of Ray Tune stands for, and the worker's job for it."""

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
    """Read by the driver and, pickled, by the workers.

    Args:
        study: The study.
        cells: The cells to train by key; empty for a search.
        template: What all jobs have in common; its checkpoint folder is that of all trials.
        stems: Where beginnings lie that cells have in common.
    """

    study: StudySpec
    cells: Mapping[str, Cell]
    template: Job
    stems: StemStore

    def trial(self, config: Mapping[str, Any]) -> Cell:
        """The cell of a configuration: named in it, or at the point a searcher drew."""
        return self.cells[config["cell"]] if self.cells else trial_at(self.study, config)

    def key(self, config: Mapping[str, Any]) -> str:
        """The unique key of that cell."""
        return str(config["cell"]) if self.cells else cell_key(self.study, self.trial(config))

    def uploads(self, cell: Cell) -> dict[str, str]:
        """What the journal keeps of a finished cell until MLflow has its checkpoints."""
        which = self.study.checkpoint.upload
        folder = self.template.checkpoint_dir / cell.id
        return {vocabulary.UPLOAD: upload_order(folder, which)} if which != "none" else {}

    def job(self, config: Mapping[str, Any]) -> Job:
        """What the worker does; a configuration may say where it begins, and what it leaves."""
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
