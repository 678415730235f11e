"""`bnn-orchestrate train`: trains one trial in this process, without Ray; for debugging."""

import argparse
import contextlib
import os
from typing import TYPE_CHECKING

from orchestrator.cli.faults import UsageError
from orchestrator.cli.options import (
    add_data_dir,
    add_home,
    add_storage,
    add_study,
    add_verbose,
    data_folder_of,
    home_of,
    storage_of,
    study_of,
)
from orchestrator.cli.output import end_if_unread
from orchestrator.process.waiting import waiting_for

if TYPE_CHECKING:
    from trainers import EpochMetrics


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "train", help="train one trial here, without Ray; nothing is recorded"
    )
    add_study(parser)
    parser.add_argument(
        "--trial",
        default="",
        metavar="AXIS=LABEL,...",
        help="which trial, such as order=reverse,seed=316; an axis with one value may be omitted",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument(
        "--threads", type=int, metavar="N", help="torch's threads (default: all cores)"
    )
    add_storage(parser)
    add_data_dir(parser)
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run, trains=True)


def run(args: argparse.Namespace) -> int:
    """Trains the trial and prints one line for each epoch."""
    with waiting_for("PyTorch to be loaded"):
        from orchestrator.study.catalog import StudyError
        from orchestrator.study.checkpointing import place_of
        from orchestrator.study.expansion import pick
        from orchestrator.study.teachers import runs_named
        from trainers import EpochMetrics, RunOptions, SpecError
        from trainers import run as train

    study, data_dir = study_of(args), data_folder_of(args)
    storage = storage_of(args)
    if runs_named(study.trials):
        # Only here, for it loads MLflow.
        from orchestrator.results.teachers import with_teachers

        study = with_teachers(
            study,
            home_of(args),
            storage=storage,
            data_dir=data_dir,
            note=lambda run, text: print(f"{run} {text}"),
        )
    try:
        trial = pick(study, args.trial)
    except SpecError as error:
        raise StudyError(study.name, *error.faults) from error
    if study.checkpoint.policy == "none" and storage == os.environ.get("BNN_STORAGE"):
        # The variable says where checkpoints go, not that there are some.
        storage = None
    if storage and study.checkpoint.policy == "none":
        what = "--storage: the study keeps no checkpoints; add --set checkpoint.policy=last"
        raise UsageError(what)
    place = place_of(study.checkpoint, home_of(args), asked=storage) if storage else None
    print(f"{study.title}: {trial.name} (trial {trial.id}), {trial.train.all_epochs} epochs")

    with contextlib.ExitStack() as start:
        start.enter_context(waiting_for("the first epoch"))

        class Lines:
            """Prints each epoch at its end."""

            def on_epoch_end(self, metrics: EpochMetrics) -> None:
                """Prints one line."""
                start.close()
                print(epoch_line(metrics, epochs=trial.train.all_epochs), flush=True)
                end_if_unread()

        result = train(
            trial.train,
            [Lines()],
            options=RunOptions(
                device=args.device,
                num_threads=args.threads or os.cpu_count(),
                data_dir=data_dir,
                checkpoint_dir=place / trial.id if place else None,
                checkpoints=study.checkpoint,
            ),
            note=print,
        )
    chosen, last = result.selected, result.last
    print(
        f"selected by validation: epoch {chosen.epoch + 1} of {trial.train.all_epochs}, "
        f"{errors(chosen)}\n"
        f"last epoch: {errors(last)}\n"
        f"weights sha256 {result.weights_sha256}"
    )
    return 0


def errors(metrics: "EpochMetrics") -> str:
    """The validation error, and the test error if it was measured, as text."""
    test = "" if metrics.test is None else f", test error {metrics.test.error:.2%}"
    return f"validation error {metrics.validation.error:.2%}{test}"


def epoch_line(metrics: "object", *, epochs: int) -> str:
    """The main results of an epoch in one line."""
    from trainers import EpochMetrics

    assert isinstance(metrics, EpochMetrics)
    binary = ",".join(metrics.binary) or "none"
    test = "" if metrics.test is None else f"  test error {metrics.test.error:6.2%}"
    return (
        f"epoch {metrics.epoch + 1:>4}/{epochs}  train loss {metrics.train.loss:.4f}  "
        f"validation error {metrics.validation.error:6.2%}{test}"
        f"  {metrics.wall_s:6.2f} s  binary: {binary}"
    )
