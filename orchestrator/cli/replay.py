"""`bnn-orchestrate replay`: trains a recorded cell again here, and compares epoch by epoch."""

import argparse
from typing import TYPE_CHECKING

from orchestrator.cli.cells import BEST_HELP
from orchestrator.cli.options import (
    add_data_dir,
    add_home,
    add_verbose,
    data_folder_of,
    home_of,
)
from orchestrator.cli.output import end_if_unread
from orchestrator.errors import EXIT_FAILED
from orchestrator.process.waiting import waiting_for
from orchestrator.results.named import run_id_of

if TYPE_CHECKING:
    from dashboards.recorded_run import RecordedRun
    from orchestrator.results.replay import Replayed
    from trainers import EpochMetrics


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its flags."""
    parser = subparsers.add_parser(
        "replay", help="train a recorded cell again here, and name the first epoch that differs"
    )
    parser.add_argument(
        "run_id",
        metavar="RUN",
        help=BEST_HELP,
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ...")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="torch's threads (default: 1, as in a sweep)",
    )
    add_data_dir(parser)
    add_home(parser)
    add_verbose(parser)
    parser.set_defaults(run=run, trains=True)


def run(args: argparse.Namespace) -> int:
    """Trains, prints a line for each epoch, and returns 1 if one differs."""
    with waiting_for("PyTorch and MLflow to be loaded"):
        from dashboards.recorded_run import read_run
        from orchestrator.launch.metrics import curve_points
        from orchestrator.results.replay import replay
        from trainers import RunOptions

    home = home_of(args)
    recorded = read_run(run_id_of(args.run_id, home), home.tracking_uri)
    total = int(recorded.cell.params.get("epochs", "0") or 0)
    print(f"{recorded.title}\nnothing is recorded; it ends at the first epoch that differs")

    def told(metrics: "EpochMetrics", is_same: bool) -> None:
        word = "as recorded" if is_same else "differs"
        error = metrics.validation.error
        of = f"/{total}" if metrics.epoch < total else ""
        print(
            f"epoch {metrics.epoch + 1:>4}{of}  validation error {error:6.2%}  {word}", flush=True
        )
        end_if_unread()

    done = replay(
        recorded,
        lambda metrics: curve_points(metrics).values,
        options=RunOptions(
            device=args.device, num_threads=args.threads, data_dir=data_folder_of(args)
        ),
        on_epoch=told,
    )
    for line in _lines(recorded, done):
        print(line)
    return 0 if done.is_same else EXIT_FAILED


def _lines(recorded: "RecordedRun", done: "Replayed") -> list[str]:
    lines = []
    if done.apart:
        first = f"the first epoch that differs is {done.epochs}"
        of = ", ".join(done.layers)
        lines.append(f"{first}; layers that differ in it: {of}" if of else first)
        lines += [
            f"  {one.name}: recorded {one.recorded:.9g}, here {one.here:.9g}" for one in done.apart
        ]
    elif not done.is_same:
        lines.append(f"all {done.compared} recorded epochs are the same, the weights are not:")
        lines.append(f"  recorded {done.recorded_weights}, here {done.weights}")
    elif not done.compared:
        lines.append("no epoch of it is recorded" + (", its weights are the same" * _knows(done)))
    else:
        weights = "; so are the final weights" if _knows(done) else ""
        lines.append(f"all {done.compared} recorded epochs are the same{weights}")
    return [*lines, *_versions(recorded)]


def _knows(done: "Replayed") -> bool:
    return bool(done.weights and done.recorded_weights)


def _versions(recorded: "RecordedRun") -> list[str]:
    """What both sides trained with; packages and machine are those of the study's last sweep."""
    from dashboards.compared import NOT_RECORDED, made_with, origin
    from orchestrator.environment import environment

    made = environment()
    now = {"commit": str(made["git_commit"]) or "unknown", **made_with(made)}
    before = origin(recorded)
    width = max(len(name) for name in now)
    lines = [f"  {'':<{width}}  recorded -> here"]
    for name, here in now.items():
        then = before.get(name, NOT_RECORDED)
        lines.append(f"  {name:<{width}}  {here if then == here else f'{then} -> {here}'}")
    return lines
