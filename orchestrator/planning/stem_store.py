"""Where the states lie with which trials begin that have their beginning in common."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from orchestrator.planning.sharing import stems
from orchestrator.study.cells import Cell
from trainers.engine.checkpoint import checkpoint_names
from trainers.storage import Place, names_below, remove_folder


@dataclass(frozen=True, slots=True)
class StemStore:
    """One folder a stem, named by its id.

    Args:
        root: The folder of the folders, here or behind a URL.
    """

    root: Place

    def folder(self, stem: str) -> Place:
        """Where a stem lies, or is to lie."""
        return self.root / stem

    def found(self) -> frozenset[str]:
        """Ids of the stems that were left, as far as this machine sees.

        Raises:
            OSError: If the storage does not answer.
        """
        below = names_below(self.root)
        return frozenset(folder for folder, found in below.items() if checkpoint_names(found))

    def remove(self, stem: str) -> None:
        """Deletes a stem; the trials that could begin with it are finished."""
        remove_folder(self.folder(stem))

    def tidy(self, cells: Iterable[Cell], *, finished: Collection[str]) -> None:
        """Deletes stems of these cells that no unfinished one of them needs.

        A sweep deletes them as it goes on; this is for what one left that was killed.

        Args:
            cells: All cells of a study.
            finished: Ids of trials that are finished.
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
