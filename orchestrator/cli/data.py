"""`bnn-orchestrate data`: makes data sets ready that no command downloads."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.faults import UsageError
from orchestrator.cli.options import add_data_dir, add_home, add_verbose, data_folder_of

if TYPE_CHECKING:
    from orchestrator.datasets.imagenet import Prepared
    from orchestrator.datasets.unpacking import Progress

MOST_THREADS = 8
"""More of them read no disk faster."""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser("data", help="prepare a data set from its published archives")
    tasks = parser.add_subparsers(required=True, metavar="TASK")
    prepare = tasks.add_parser(
        "prepare",
        help="sort published archives into one folder for each class",
        description="Sorts the published archives of ImageNet into train/CLASS/ and val/CLASS/. "
        "An interrupted command goes on when it is typed again. docs/imagenet.md says which files "
        "are needed.",
    )
    prepare.add_argument("name", choices=["imagenet"], help="the data set")
    prepare.add_argument(
        "--from", required=True, metavar="DIR", dest="source", help="folder of the archives"
    )
    prepare.add_argument(
        "--to",
        required=True,
        metavar="DIR",
        help="folder to make; `imagenet` in the data folder is where studies look for it",
    )
    prepare.add_argument(
        "--part", action="store_true", help="accept fewer classes or photographs than published"
    )
    prepare.add_argument(
        "--no-checksum",
        action="store_true",
        help="do not compare archives with their published checksums, which reads them once more",
    )
    add_verbose(prepare)
    prepare.set_defaults(run=run)
    _add_pack(tasks)


def _add_pack(tasks: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    pack = tasks.add_parser(
        "pack",
        help="decode a prepared data set once, for studies with data.packed: true",
        description="Decodes the photographs of ImageNet into the data folder's cache, their "
        "shorter side scaled, so that batches are cut out of bytes. The disk is asked first. "
        "Trials on packed photographs are other trials: their pixels differ.",
    )
    pack.add_argument("name", choices=["imagenet"], help="the data set")
    add_home(pack)
    add_data_dir(pack)
    pack.add_argument(
        "--folder",
        default="imagenet",
        metavar="DIR",
        help="folder of train/CLASS/ and val/CLASS/, relative to the data folder (imagenet)",
    )
    pack.add_argument(
        "--shorter-side", type=int, default=256, metavar="N", help="pixels of it (256)"
    )
    add_verbose(pack)
    pack.set_defaults(run=run_pack)


def run_pack(args: argparse.Namespace) -> int:
    """Packs the data set, and says what a study writes to train on it."""
    from orchestrator.datasets.packing import pack

    if args.shorter_side < 1:
        raise UsageError(f"--shorter-side must be 1 or more, got {args.shorter_side}")
    num = pack(
        data_folder_of(args),
        folder=str(Path(args.folder).expanduser()),
        shorter_side=args.shorter_side,
        told=_tell,
    )
    side = "" if args.shorter_side == 256 else f", shorter_side: {args.shorter_side}"
    print(f"{num:,} photographs are packed")
    print(f"in a study: data: {{name: imagenet, packed: true{side}}}")
    return 0


def run(args: argparse.Namespace) -> int:
    """Prepares the data set, and says what a study writes to train on it."""
    from orchestrator.datasets.imagenet import Request, prepare

    request = Request(
        source=Path(args.source).expanduser(),
        to=Path(args.to).expanduser(),
        is_part=args.part,
        checks=not args.no_checksum,
        threads=min(MOST_THREADS, os.cpu_count() or 1),
        told=_tell,
        progress=_show,
    )
    prepared = prepare(request)
    print(
        f"{prepared.folder}: {prepared.train:,} photographs of {prepared.classes:,} classes to "
        f"train, {prepared.val:,} to test"
    )
    print(f"in a study: data: {{{_keys(prepared)}}}")
    return 0


def _keys(prepared: "Prepared") -> str:
    keys = f"name: imagenet, folder: {prepared.folder.absolute()}"
    if prepared.is_whole:
        return keys
    held_out = max(1, prepared.train // 100)
    numbers = f"classes: {prepared.classes}, train_images: {prepared.train}"
    return f"{keys}, {numbers}, validation: {held_out}"


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _show(progress: "Progress") -> None:
    from orchestrator.free_space import size_text
    from orchestrator.planning.cost import duration

    of_bytes = f"{size_text(progress.num_bytes)} of {size_text(progress.total)}"
    left = "" if not progress.left_s else f", about {duration(progress.left_s)} left"
    _tell(f"{progress.part}: {progress.done:,} of {progress.num:,} classes, {of_bytes}{left}")
