"""Flags that several commands share."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.home import Home

if TYPE_CHECKING:
    from orchestrator.study.spec import StudySpec


def add_study(parser: argparse.ArgumentParser) -> None:
    """Which study, and what to change in it."""
    parser.add_argument("study", metavar="STUDY", help="a study's name, or a path to a YAML file")
    add_changes(parser)


def add_changes(parser: argparse.ArgumentParser) -> None:
    """What to change in a study."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY.PATH=VALUE",
        dest="overrides",
        help="change a value of the study, such as base.optimizer.lr=0.01; may come again",
    )
    parser.add_argument(
        "--as-published",
        action="store_true",
        help="train as the published code did: change what the study's key as_published says; "
        "such runs are kept apart",
    )
    parser.add_argument(
        "--apart",
        type=_name,
        metavar="NAME",
        help="train and show cells of their own, kept apart under this name; for a study whose "
        "values, or whose code, changed since it began",
    )
    parser.add_argument(
        "--seeds", type=_seeds, metavar="N,N,...", help="seeds in place of its own"
    )
    parser.add_argument(
        "--scale-epochs",
        metavar="F",
        help="train this share of all epochs, in (0, 1]; such runs are kept apart",
    )


def add_home(parser: argparse.ArgumentParser) -> None:
    """Where results live."""
    parser.add_argument(
        "--home", metavar="DIR", help="folder of all results (BNN_HOME, else ./bnn-runs)"
    )
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow store (MLFLOW_TRACKING_URI, else SQLite in the home)",
    )


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Where data sets lie."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        help="folder of data sets, downloaded to if empty (BNN_DATA_DIR, else data/ in the home)",
    )


def add_storage(parser: argparse.ArgumentParser) -> None:
    """Where checkpoints lie."""
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="folder of checkpoints, or s3://bucket/mine and the like, with keys from the "
        "environment (the study's checkpoint.storage, else checkpoints/ in the home)",
    )


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """How much is said."""
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="let Ray and MLflow speak, show tracebacks"
    )


def home_of(args: argparse.Namespace) -> Home:
    """The home the flags name."""
    return Home.at(args.home, args.tracking_uri)


def data_folder_of(args: argparse.Namespace) -> Path:
    """Where data sets lie."""
    return home_of(args).data_folder(args.data_dir)


def storage_of(args: argparse.Namespace) -> str | None:
    """The storage the flag names, if it does; nothing is written there yet.

    Raises:
        SpecError: If it cannot be used.
    """
    from trainers.errors import SpecError
    from trainers.storage import place_at

    try:
        place_at(args.storage or "")
    except SpecError as error:
        raise SpecError(*error.under("--storage")) from error
    return args.storage or None


def study_of(args: argparse.Namespace, *, check_trials: bool = True) -> "StudySpec":
    """The study the flags name, checked."""
    from orchestrator.study.catalog import load_variant
    from orchestrator.study.variant import Variant

    variant = Variant.from_args(args)
    return load_variant(args.study, variant, seeds=args.seeds, check_trials=check_trials)


def named_or_changed(args: argparse.Namespace) -> "StudySpec | str":
    """A study's name, by which the store knows it; the study itself where it is another variant.

    Raises:
        StudyError: If that is none.
    """
    is_file = args.study.endswith((".yaml", ".yml")) or "/" in args.study
    if not is_changed(args) and not is_file:
        return str(args.study)
    return study_of(args, check_trials=False)


def is_changed(args: argparse.Namespace) -> bool:
    """Whether flags ask for another variant than the study's file."""
    from orchestrator.study.variant import Variant

    return not Variant.from_args(args).is_plain


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", text):
        what = f"expected up to 40 letters, digits, dots, hyphens or underscores; got '{text}'"
        raise argparse.ArgumentTypeError(what)
    return text


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        what = f"expected whole numbers with commas between, such as 316,317; got '{text}'"
        raise argparse.ArgumentTypeError(what) from None
