"""`bnn-orchestrate export`: writes a recorded cell's network with one bit for each weight."""

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.cells import add_cell, beside_floats, cell_lines, trained_cell_of
from orchestrator.cli.options import (
    add_data_dir,
    add_home,
    add_storage,
    add_verbose,
    data_folder_of,
    home_of,
    path_of,
)
from orchestrator.cli.outputs import explained, require_writable_file
from orchestrator.errors import EXIT_FAILED
from orchestrator.process.waiting import waiting_for
from orchestrator.results.named import run_id_of

if TYPE_CHECKING:
    from orchestrator.results.export import Exported, TrainedCell


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "export", help="write a trained network to a file with one bit for each binary weight"
    )
    add_cell(parser)
    parser.add_argument("-o", "--output", type=path_of, required=True, metavar="FILE")
    parser.add_argument(
        "--format",
        choices=("packed", "packbits", "onnx"),
        default="packed",
        help="packed; packbits: the layout published with 1-bit Wide ResNets; onnx",
    )
    add_data_dir(parser)
    add_storage(parser)
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes the file and prints its content; returns 1 if the file gives other logits."""
    with waiting_for("PyTorch and MLflow to be loaded"):
        from orchestrator.record.store import Store
        from orchestrator.results.export import export_cell

    require_writable_file(args.output)
    home = home_of(args)
    run_id = run_id_of(args.run_id, home)
    store = Store(home)
    cell = trained_cell_of(args, store, run_id)
    with explained(args.output):
        args.output.parent.mkdir(parents=True, exist_ok=True)
    data_dir = data_folder_of(args)
    done = export_cell(store, cell, args.output, format=args.format, data_dir=data_dir)
    for line in _lines(args.output, cell, done):
        print(line)
    if done.verified is False:
        print(f"error: {args.output} gives other results: {done.why}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _lines(path: Path, cell: "TrainedCell", done: "Exported") -> list[str]:
    lines = cell_lines(cell)
    if done.file is None:
        return [*lines, f"written   {path}, {path.stat().st_size:,} bytes; an artifact of the run"]
    saved = beside_floats(done.file.num_bytes, done.file.float_bytes)
    lines += [
        f"written   {path}, {done.file.num_bytes:,} bytes; {saved}",
        f"sha256    {hashlib.sha256(path.read_bytes()).hexdigest()}, for a study's key teacher",
    ]
    if done.verified:
        lines.append(
            f"verified  the file alone gives the same logits, bit by bit, for the first "
            f"{done.num_images:,} validation images"
        )
    elif done.verified is None:
        lines.append(f"verified  not: {done.why}")
    return [*lines, f"MLflow    {done.model_uri}"]
