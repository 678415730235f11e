"""Names a recorded cell on the command line: by its run, or as the best of a study."""

import argparse
from typing import TYPE_CHECKING

from orchestrator.cli.options import data_folder_of, storage_of

if TYPE_CHECKING:
    from orchestrator.record.store import Store
    from orchestrator.results.export import TrainedCell


BEST_HELP = (
    "MLflow's id of a cell's run; best:STUDY for the cell with the lowest validation error among "
    "those with as many layers binary as any cell has; or best:STUDY/ROW for the lowest in a "
    "row of its matrix"
)
"""Which cells a command takes; the rule is that of `orchestrator.results.best`."""


def beside_floats(num_bytes: int, float_bytes: int) -> str:
    """What an exported file saves, in words.

    Args:
        num_bytes: The size of the file.
        float_bytes: What the same tensors take in floating point.
    """
    floats, ratio = f"{float_bytes:,} in floating point", float_bytes / num_bytes
    return f"{floats}: {ratio:.1f} times smaller" if ratio >= 1 else f"{floats}, which is less"


def add_cell(parser: argparse.ArgumentParser, *, named: str = BEST_HELP) -> None:
    """Adds the cell, and the flags for when its checkpoint was not kept.

    Args:
        parser: The command's parser.
        named: How a cell is named.
    """
    parser.add_argument(
        "run_id",
        metavar="RUN",
        help=named,
    )
    parser.add_argument(
        "--retrain",
        action="store_true",
        help="if no checkpoint was kept, train the trial again, to the same bits",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="torch's threads for --retrain (default: 1)",
    )


def trained_cell_of(args: argparse.Namespace, store: "Store", run_id: str) -> "TrainedCell":
    """The network of a cell, from where the flags say that checkpoints are.

    Args:
        args: The flags of `add_cell`, of the storage, and of the data folder.
        store: The store with the run.
        run_id: MLflow's run.
    """
    from orchestrator.results.export import trained_cell
    from trainers import place_at

    storage = storage_of(args)
    return trained_cell(
        store,
        place_at(storage) if storage else store.home.checkpoints,
        run_id,
        retrain=args.retrain,
        threads=args.threads,
        data_dir=data_folder_of(args),
    )


def cell_lines(cell: "TrainedCell") -> list[str]:
    """Two lines: which cell it is, and which of its networks."""
    network, epoch = cell.network, cell.network.epoch
    return [
        f"cell      {cell.title} (run {cell.run_id})",
        f"weights   {network.which} kept, epoch {epoch.epoch + 1} of {cell.spec.all_epochs}: "
        f"validation error {epoch.validation.error:.2%}",
    ]
