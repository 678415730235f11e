"""`bnn-orchestrate evaluate`: measures an exported network, using only its file."""

import argparse

from orchestrator.cli.options import (
    add_data_dir,
    add_home,
    add_verbose,
    data_folder_of,
    exported_file,
)
from orchestrator.process.waiting import waiting_for


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser("evaluate", help="measure the network in an exported file")
    parser.add_argument("file", type=exported_file, metavar="FILE")
    add_data_dir(parser)
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints loss and error of each split, next to those recorded during training."""
    with waiting_for("the network to be measured"):
        from trainers.export.load import read_packed
        from trainers.export.measure import measured

        file = read_packed(args.file)
        recorded = file.metadata.get("metrics", {})
        found = measured(file, data_dir=data_folder_of(args))
    for part, scores in found.items():
        before = recorded.get(f"{part}_error")
        said = "" if before is None else f"; {before:.4%} when it was trained"
        print(f"{part:<10}  loss {scores.loss:.4f}, error {scores.error:.4%}{said}")
    return 0
