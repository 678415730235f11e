"""Stores stems: the shared checkpoints from which several trials start."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from orchestrator.planning.sharing import stems
from orchestrator.study.cells import Cell
from trainers.engine.checkpoint import checkpoint_names
from trainers.storage import Place, names_below, remove_folder


@dataclass(frozen=True, slots=True)
class StemStore:
    """Holds one folder for each stem, named by the stem's id.

    Args:
        root: The parent folder, local or at a URL.
    """

    root: Place

    def folder(self, stem: str) -> Place:
        """The folder of a stem, whether it exists or not."""
        return self.root / stem

    def found(self) -> frozenset[str]:
        """Ids of the stems that this machine can see.

        Raises:
            OSError: If the storage does not answer.
        """
        below = names_below(self.root)
        return frozenset(folder for folder, found in below.items() if checkpoint_names(found))

    def remove(self, stem: str) -> None:
        """Deletes a stem that no trial needs any longer."""
        remove_folder(self.folder(stem))

    def tidy(self, cells: Iterable[Cell], *, finished: Collection[str]) -> None:
        """Deletes the stems of these cells that no unfinished cell needs.

        A sweep deletes stems as it runs; this removes those of a sweep that was killed.

        Args:
            cells: All cells of a study.
            finished: Ids of finished trials.
        """
        found = self.found()
        if not found:
            return
        needed: set[str] = set()
        theirs: set[str] = set()
        for cell in cells:
            ids = {stem.id for stem in stems(cell.train)}
            theirs |= ids
            needed |= set() if cell.id in finished else ids
        for stem in found & (theirs - needed):
            self.remove(stem)
