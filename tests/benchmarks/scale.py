"""What a sweep of many cells costs its driver: python tests/benchmarks/scale.py [CELLS:SLOTS ...].

Ray Tune's loop, our searcher, listener, journal and display data are those of a sweep. Only the
workers are played: each trial answers at once with the reports of one cell that was really
trained. Nothing is delivered to MLflow; database.py measures that. Each line is a process
of its own, so its memory is that of one driver. TMPDIR=/dev/shm leaves the disk out.
"""

import argparse
import copy
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

EPOCHS = 12
CASES = ("1000:8", "1000:64", "1000:200", "5000:8", "5000:200", "20000:8", "20000:200")
BASE: dict[str, Any] = {
    "model": {"name": "mlp", "widths": [64, 32, 16, 10]},
    "data": {"name": "digits", "batch_size": 128},
    "optimizer": {"name": "adam", "lr": 0.02},
    "layers": {"order": ["fc1", "fc2", "fc3"], "epochs_per_layer": 4},
    "epochs": EPOCHS,
    "seed": 7,
}
LIMIT_MB = 2000
"""What a driver of 20,000 cells may take."""


def study_of(num_cells: int) -> dict[str, Any]:
    """Eight rows, and as many seeds as make the cells."""
    order = {"name": "order", "sets": "layers.order", "permutations": "all"}
    return {
        "study": f"cells-{num_cells}",
        "question": "What do many cells cost?",
        "base": BASE,
        "axes": [
            {**order, "controls": ["float", "binary"]},
            {"name": "seed", "seeds": list(range(num_cells // 8))},
        ],
        "metric": {"name": "selected/test_error"},
        "matrix": {"rows": "order", "over": "seed"},
    }


def recorded(folder: Path) -> list[dict[str, Any]]:
    """The reports of one cell that is trained here, one an epoch, as Tune takes them."""
    from orchestrator.launch.worker import Job, train_cell
    from trainers.engine.checkpoint import CheckpointPolicy

    job = Job(
        train=BASE,
        data_dir=folder,
        checkpoint_dir=folder / "checkpoints",
        checkpoints=CheckpointPolicy(),
        device="cpu",
        num_threads=1,
        report_every_s=0,
    )
    reports: list[dict[str, Any]] = []
    train_cell(job, lambda report: reports.append(report.to_plain()))
    return reports


def play(reports: Sequence[dict[str, Any]]) -> None:
    """Puts played workers in the place of Ray's, in this process."""
    from ray.air.execution._internal import RayActorManager
    from ray.air.execution._internal.tracked_actor import TrackedActor
    from ray.tune.execution import tune_controller

    class Played(RayActorManager):
        """Answers each call of a worker in the next step of Tune's loop."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.events: deque[Callable[[], None]] = deque()
            self.num_reported: dict[TrackedActor, int] = {}
            self.num_added = 0

        @property
        def num_pending_actors(self) -> int:
            return 0

        def is_actor_started(self, tracked_actor: TrackedActor) -> bool:
            return tracked_actor in self._live_actors_to_ray_actors_resources

        def add_actor(self, *arguments: Any, on_start: Any = None, **options: Any) -> TrackedActor:
            self.num_added += 1
            ends = {name: options.get(name) for name in ("on_stop", "on_error")}
            actor = TrackedActor(self.num_added, on_start=on_start, **ends)
            self._live_actors_to_ray_actors_resources[actor] = (None, None)  # type: ignore[assignment]
            self.events.append(lambda: on_start(actor))
            return actor

        def remove_actor(self, tracked_actor: TrackedActor, **options: Any) -> bool:
            self._live_actors_to_ray_actors_resources.pop(tracked_actor, None)
            if tracked_actor._on_stop:
                self.events.append(lambda: tracked_actor._on_stop(tracked_actor))
            return True

        def clear_actor_task_futures(self, tracked_actor: TrackedActor) -> None:
            pass

        def schedule_actor_task(
            self, tracked_actor: TrackedActor, method_name: str, *a: Any, **options: Any
        ) -> Any:
            answer: Any = True
            if method_name in ("reset", "stop"):
                self.num_reported.pop(tracked_actor, None)
            if method_name == "train":
                number = self.num_reported.get(tracked_actor, 0)
                self.num_reported[tracked_actor] = number + 1
                answer = {**copy.copy(reports[number]), "training_iteration": number + 1}
                answer.setdefault("done", False)
            if on_result := options.get("on_result"):
                self.events.append(lambda: on_result(tracked_actor, answer))
            return None

        def next(self, timeout: float | None = None) -> bool:
            if not self.events:
                return False
            self.events.popleft()()
            return True

        def cleanup(self) -> None:
            pass

    tune_controller.RayActorManager = Played  # type: ignore[misc]


def measured(folder: Path, num_cells: int, num_slots: int) -> dict[str, float]:
    """The figures of a driver of so many cells, in this process and an empty folder."""
    from orchestrator import launch
    from orchestrator.execution.options import SweepOptions
    from orchestrator.execution.outcome import Unwatched
    from orchestrator.execution.sweep import sweep
    from orchestrator.home import Home
    from orchestrator.launch import Resources
    from orchestrator.record.delivery import Delivery
    from orchestrator.study.catalog import load_study

    play(recorded(folder))
    at_first_mb = _peak_mb()
    vars(launch)["this_machine"] = lambda: [{"CPU": num_slots}]
    Delivery.start = lambda self: None  # type: ignore[method-assign]
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study_of(num_cells)))
    began, cpu = time.perf_counter(), time.process_time()
    study, home = load_study(path), Home.at(folder / "home")
    loaded_s = time.perf_counter() - began

    class Watcher(Unwatched):
        def began(self, *arguments: Any) -> None:
            self.began_at, self.began_cpu = time.perf_counter(), time.process_time()

        def stopped(self) -> None:
            self.stopped_at, self.stopped_cpu = time.perf_counter(), time.process_time()

    watcher = Watcher()
    options = SweepOptions(data_dir=folder, resources=Resources(), share=False, force=True)
    outcome = sweep(study, home, options, watcher)
    assert outcome.num_finished == num_cells, outcome
    spent = watcher.stopped_cpu - watcher.began_cpu
    return {
        "cells": num_cells,
        "slots": num_slots,
        "before_s": round(watcher.began_at - began, 1),
        "study_s": round(loaded_s, 1),
        "loop_s": round(watcher.stopped_at - watcher.began_at, 1),
        "cpu_ms_a_cell": round(1000 * spent / num_cells, 2),
        "cpu_ms_a_report": round(1000 * spent / num_cells / EPOCHS, 2),
        "journal_s": round(outcome.track_s, 1),
        "journal_mb": round(home.journal.stat().st_size / 1e6, 1),
        "imports_mb": at_first_mb,
        "peak_mb": _peak_mb(),
        "cpu_s": round(time.process_time() - cpu, 1),
    }


def _peak_mb() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 0)


def main() -> int:
    """Prints a line for each case; fails if a driver takes too much memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=CASES, metavar="CELLS:SLOTS")
    parser.add_argument("--here", action="store_true", help="in this process, as JSON")
    args = parser.parse_args()
    worst = 0.0
    for case in args.cases:
        cells, slots = map(int, case.split(":"))
        if args.here:
            with tempfile.TemporaryDirectory(prefix="bnn-scale-") as folder:
                print(json.dumps(measured(Path(folder), cells, slots)))
            continue
        done = subprocess.run(
            [sys.executable, __file__, "--here", case], capture_output=True, text=True
        )
        if done.returncode:
            print(done.stderr[-2000:])
            return 1
        line = done.stdout.strip().splitlines()[-1]
        print(line, flush=True)
        worst = max(worst, json.loads(line)["peak_mb"])
    return int(worst >= LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
