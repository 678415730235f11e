"""Flags that several commands share."""

import argparse
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.faults import UsageError
from orchestrator.home import Home, data_folder, home_folder
from orchestrator.process.waiting import waiting_for

if TYPE_CHECKING:
    from orchestrator.study.spec import StudySpec


def add_study(parser: argparse.ArgumentParser, *, shows: bool = False) -> None:
    """Adds the study's name and the flags that change it.

    Args:
        parser: The command's.
        shows: As for `add_changes`.
    """
    parser.add_argument("study", metavar="STUDY", help="a study's name, or a path to a YAML file")
    add_changes(parser, shows=shows)


def add_changes(parser: argparse.ArgumentParser, *, shows: bool = False) -> None:
    """Adds the flags that change a study.

    Args:
        parser: The command's.
        shows: Whether the command shows what is recorded. Such a command shows all seeds, so its
            help leaves out `--seeds`, which `named_or_changed` refuses.
    """
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY.PATH=VALUE",
        dest="overrides",
        help="change a value of the study, such as base.optimizer.lr=0.01; may be repeated",
    )
    parser.add_argument(
        "--as-published",
        action="store_true",
        help="train like the published code: apply the study's key as_published; such runs are "
        "kept apart",
    )
    parser.add_argument(
        "--apart",
        type=_name,
        metavar="NAME",
        help="train and show separate cells, kept apart under this name; for a study whose values "
        "or code changed since its first sweep",
    )
    parser.add_argument(
        "--seeds",
        type=_seeds,
        metavar="N,N,...",
        help=argparse.SUPPRESS if shows else "seeds that replace the study's own",
    )
    parser.add_argument(
        "--scale-epochs",
        metavar="F",
        help="train this share of all epochs, in (0, 1]; such runs are kept apart",
    )


def add_home(parser: argparse.ArgumentParser) -> None:
    """Adds the flags for where results are stored."""
    parser.add_argument(
        "--home", metavar="DIR", help="folder of all results (BNN_HOME, else ./bnn-runs)"
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store (MLFLOW_TRACKING_URI, else SQLite in the home)",
    )


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Adds the flag for where data sets are stored."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder of data sets; missing ones are downloaded to it (BNN_DATA_DIR, else data/ in "
        "the home)",
    )


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Adds the flag for where checkpoints are stored."""
    parser.add_argument(
        "--storage",
        default=os.environ.get("BNN_STORAGE") or None,
        metavar="URL",
        help="folder of checkpoints, or a URL such as s3://bucket/mine, with keys from the "
        "environment (BNN_STORAGE, else the study's checkpoint.storage, else checkpoints/ in the "
        "home)",
    )


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """Adds the flag for more output."""
    parser.add_argument(
        "-v",
        "--verbose",
        action="store_true",
        help="show the output of Ray and MLflow, and tracebacks",
    )


def home_of(args: argparse.Namespace) -> Home:
    """The home that the flags name."""
    return Home.at(args.home, args.tracking_uri)


def data_folder_of(args: argparse.Namespace) -> Path:
    """The folder of data sets that the flags name."""
    # No store is used for that, so its address may be any.
    return data_folder(home_folder(args.home), args.data_dir)


def storage_of(args: argparse.Namespace) -> str | None:
    """The storage that the flag names; None: no flag. Writes nothing there.

    Raises:
        SpecError: If the storage is not valid.
    """
    from trainers.errors import SpecError
    from trainers.storage import place_at

    try:
        place_at(args.storage or "")
    except SpecError as error:
        raise SpecError(*error.under("--storage")) from error
    return args.storage or None


def study_of(args: argparse.Namespace, *, check_trials: bool = True) -> "StudySpec":
    """Loads and checks the study that the flags name."""
    with waiting_for("the study to be checked"):
        from orchestrator.study.catalog import load_variant
        from orchestrator.study.variant import Variant

        variant = Variant.from_args(args)
        return load_variant(args.study, variant, seeds=args.seeds, check_trials=check_trials)


def named_or_changed(args: argparse.Namespace) -> "StudySpec | str":
    """The study whose results are shown: its name if no flag changes it and it is no file.

    Raises:
        StudyError: If the study has faults.
        UsageError: If seeds are named: they choose what is trained, and no part of what is shown.
    """
    if args.seeds is not None:
        what = f"--seeds chooses what is trained; {args.typed[0]} shows all recorded seeds"
        one = f"for one seed: --where seed={args.seeds[0]}" if hasattr(args, "where") else ""
        raise UsageError("; ".join(filter(None, [what, one or "leave it out"])))
    is_file = args.study.endswith((".yaml", ".yml")) or "/" in args.study
    if not is_changed(args) and not is_file:
        return str(args.study)
    return study_of(args, check_trials=False)


def is_changed(args: argparse.Namespace) -> bool:
    """Whether flags change anything in the study's file."""
    from orchestrator.study.variant import Variant

    return Variant.from_args(args) != Variant()


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", text):
        what = f"expected up to 40 letters, digits, dots, hyphens or underscores; got '{text}'"
        raise argparse.ArgumentTypeError(what)
    return text


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        what = f"expected whole numbers separated by commas, such as 316,317; got '{text}'"
        raise argparse.ArgumentTypeError(what) from None


def exported_file(text: str) -> Path:
    """The exported file that a command reads.

    Raises:
        ArgumentTypeError: If it is none but a cell's name, or as `path_of`.
    """
    if text.startswith("best:"):
        what = f"{text} names a recorded cell, and this reads a file"
        raise argparse.ArgumentTypeError(f"{what}: `export {text} -o FILE` writes one")
    return path_of(text)


def path_of(text: str) -> Path:
    """The path that a flag names; `~` is a home folder, also where no shell expands it.

    Raises:
        ArgumentTypeError: If nobody knows that home folder.
    """
    # Only here, so that other commands do not wait for it.
    from trainers.errors import SpecError
    from trainers.paths import expanded

    try:
        return expanded(text)
    except SpecError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
