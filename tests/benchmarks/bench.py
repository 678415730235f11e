"""Speed as ratios: this package against a usual training loop, measured in the same run.

    python tests/benchmarks/bench.py
        [epoch pictures photos commands estimate overhead tracking sharing sweep verdicts]

Prints a table and writes it to tests/benchmarks/results/. Wants an idle machine.
"""

import argparse
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import photographs
import torch
from estimate import LENGTHS, STUDIES, estimated
from pictures import ARCHIVE, NETWORKS, ours, unpack, usual
from usual_loop import WIDTHS, UsualLoop
from verdicts import NUM_MATRICES, false_verdicts

import trainers
from orchestrator.environment import environment
from orchestrator.study.order_axes import order_label
from trainers.build import build_task
from trainers.engine.fit import train_one_epoch

ROOT = Path(__file__).resolve().parents[2]
ORDERS = ([1, 2, 3], [3, 2, 1], [1, 3, 2], [2, 1, 3], [2, 3, 1], [3, 1, 2])
ORDERS_ALONE = ("--set", "axes.order.controls=[]")
NUM_THREADS = 2


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    rival: str
    ours: str
    ratio: str
    claim: str


def epoch(data_dir: Path) -> list[Row]:
    """A training epoch of the 300-100-10 network, all layers binary, two threads."""
    torch.set_num_threads(NUM_THREADS)
    layers = ["fc1", "fc2", "fc3"]
    rival = UsualLoop(data_dir, order=layers, epochs_per_layer=0)
    spec = trainers.TrainSpec.from_mapping(_mnist({"order": layers, "epochs_per_layer": 0}, 9))
    task = build_task(spec, data_dir=data_dir, device=torch.device("cpu"))
    trainers.set_binary(task.model, layers)
    usual, ours = [], []
    # In turn, so that a machine whose speed drifts treats both alike; the first of each warms up.
    for number in range(7):
        usual.append(rival.train_epoch(number))
        started = time.perf_counter()
        train_one_epoch(task, number)
        ours.append(time.perf_counter() - started)
    # The fastest of each: what a neighbour on the machine takes only ever adds.
    one, other = min(usual[1:]), min(ours[1:])
    return [_row("training epoch, two threads", one, other, "at least 7x")]


def pictures(data_dir: Path) -> list[Row]:
    """Whole epochs of three networks on a folder of JPEG images, all layers binary."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(data_dir / ARCHIVE, folder)
        for title, parts in NETWORKS.items():
            rival = _apart(usual, folder, parts, num_threads=NUM_THREADS)
            taken: dict[tuple[str, bool], float] = {}
            # In both orders, so that a machine whose speed drifts treats all alike.
            forms = list(product(("float32", "bfloat16"), (False, True)))
            for precision, channels_last in (*forms, *reversed(forms)):
                seconds = _apart(
                    ours, folder, parts, num_threads=NUM_THREADS,
                    precision=precision, channels_last=channels_last,
                )  # fmt: skip
                form = precision, channels_last
                taken[form] = min(seconds, taken.get(form, seconds))
            rival = min(rival, _apart(usual, folder, parts, num_threads=NUM_THREADS))
            for (precision, channels_last), seconds in taken.items():
                what = f"{title} on JPEG files, epoch and evaluation, {precision}"
                what += ", channels last" if channels_last else ""
                claim = "at least 1.25x" if precision == "float32" else "at least 2x"
                rows.append(_row(what, rival, seconds, claim, digits=2))
    return rows


def photos(data_dir: Path) -> list[Row]:
    """Batches of ImageNet's photographs, without a network, from files and from packed bytes."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photographs.unpack(data_dir / photographs.ARCHIVE, folder)
        for cores, places in (
            (1, "one core"),
            (NUM_THREADS, f"{NUM_THREADS} cores, by the clock"),
        ):
            rival = _apart(photographs.usual, folder, cores=cores)
            for packed, normalised, aim in (
                (False, False, "at least 3x"),
                (False, True, ""),
                (True, False, "at least 5x"),
                (True, True, ""),
            ):
                form = {"packed": packed, "normalised": normalised}
                rate = _apart(photographs.ours, folder, cores=cores, **form)
                what = (
                    f"photographs for training, {places}, {'packed' if packed else 'from files'}"
                )
                what += ", normalised" if normalised else ", bytes for a GPU"
                ratio = f"{rate / rival:.1f}x"
                rows.append(Row(what, f"{rival:.0f} a second", f"{rate:.0f} a second", ratio, aim))
    return rows


def _apart(function: Callable[..., float], *arguments: Any, **options: Any) -> float:
    """Calls it in a process of its own: what one loop tells its process holds for no other."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments, **options).result()


def sweep(data_dir: Path, scale: str, *, whole: bool) -> list[Row]:
    """The six orders, trained and measured each epoch: six usual loops, and one sweep.

    An epoch of the usual loop costs the same wherever it stands in a stage; unless `whole`, one
    epoch of each stage of each order is measured and counted for all of the stage.
    """
    per_layer = math.ceil(Fraction(150) * Fraction(scale))
    usual = 0.0
    for order in ORDERS:
        torch.set_num_threads(NUM_THREADS)
        names = [f"fc{number}" for number in order]
        loop = UsualLoop(data_dir, order=names, epochs_per_layer=per_layer)
        measured = range(3 * per_layer) if whole else range(0, 3 * per_layer, per_layer)
        started = time.perf_counter()
        for number in measured:
            loop.train_epoch(number)
            loop.evaluate(number)
        usual += (time.perf_counter() - started) * (1 if whole else per_layer)
    names = ",".join(order_label(order) for order in ORDERS)
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        _command(
            "sweep", "mnist300-orders", "--home", home, "--data-dir", str(data_dir),
            "--scale-epochs", scale, *ORDERS_ALONE,
            "--set", f"axes.order.permutations=[{names}]",
        )  # fmt: skip
        ours = time.perf_counter() - started
    what = f"six orders, {3 * per_layer} epochs each, start to matrix"
    if not whole:
        what += " (usual loop: 3 epochs of each order measured)"
    return [_row(what, usual, ours, "at least 10x")]


def sharing(data_dir: Path, scale: str) -> list[Row]:
    """The six orders with beginnings trained once, against the same sweep with --no-share."""
    walls: dict[bool, float] = {}
    trained: dict[bool, float] = {}
    for share in (True, False):
        with tempfile.TemporaryDirectory() as home:
            started = time.perf_counter()
            _command(
                "sweep", "mnist300-orders", "--home", home, "--data-dir", str(data_dir),
                "--scale-epochs", scale, *ORDERS_ALONE,
                *([] if share else ["--no-share"]),
            )  # fmt: skip
            walls[share] = time.perf_counter() - started
            trained[share] = _train_s(Path(home))
    per_layer = math.ceil(Fraction(150) * Fraction(scale))
    what = f"six orders, {3 * per_layer} epochs each, with and without shared beginnings"
    return [
        Row(
            f"{what}, {name}",
            f"{times[False]:.2f} s without",
            f"{times[True]:.2f} s",
            f"{times[False] / times[True]:.2f}x",
            "18/15 = 1.2x",
        )
        for name, times in (("start to matrix", walls), ("training alone", trained))
    ]


def overhead(data_dir: Path) -> list[Row]:
    """Seconds a further cell costs beyond its training, when the workers are warm."""
    few, many = 8, 40
    walls, trained = {}, {}
    for num_cells in (few, many):
        seeds = ",".join(str(seed) for seed in range(num_cells // 8))
        with tempfile.TemporaryDirectory() as home:
            started = time.perf_counter()
            arguments = ("--home", home, "--seeds", seeds, "--scale-epochs", "0.2")
            _command("sweep", "digits-orders", *arguments)
            walls[num_cells] = time.perf_counter() - started
            trained[num_cells] = _train_s(Path(home))
    more = many - few
    slots = os.cpu_count() or 1
    cost = (walls[many] - walls[few] - (trained[many] - trained[few]) / slots) / more
    what = f"a further cell beyond its training ({few} to {many} cells)"
    return [Row(what, "", f"{cost:.3f} s", "", "below 0.1 s")]


def tracking(data_dir: Path) -> list[Row]:
    """Share of the driver's time spent in journal and delivery, at one second an epoch."""
    from orchestrator.execution.options import SweepOptions
    from orchestrator.execution.sweep import sweep as run_sweep
    from orchestrator.home import Home
    from orchestrator.launch import Resources

    from orchestrator.study.catalog import load_study  # isort: skip

    class Nobody:
        """A watcher that looks away."""

        def __getattr__(self, name: str) -> object:
            return lambda *args, **kwargs: None

    study = load_study("mnist300-orders", epoch_scale=0.04)
    with tempfile.TemporaryDirectory() as home:
        options = SweepOptions(data_dir=data_dir, resources=Resources())
        outcome = run_sweep(study, Home.at(home), options, Nobody())
    slots = os.cpu_count() or 1
    mean_epoch = outcome.train_s / outcome.plan.epochs
    share = outcome.track_s / (outcome.train_s / slots)
    # What one slot's epochs cost, had each taken a second.
    at_one_second = share * mean_epoch
    what = f"tracking, share of the time at 1 s an epoch (measured at {mean_epoch:.2f} s)"
    return [Row(what, "", f"{at_one_second:.2%}", "", "below 3 %")]


def estimate() -> list[Row]:
    """The time left that a sweep says at a tenth of its epochs, against what was left."""
    rows = []
    for name, times in product(STUDIES, LENGTHS):
        said = estimated(name, times)
        what = f"time left at a tenth of a sweep of {said.whole_s:.0f} s, {name} cells"
        truth, ours = f"{said.was_left_s:.1f} s were left", f"{said.left_s:.1f} s said"
        rows.append(Row(what, truth, ours, f"{said.error:+.1%}", "within 15 %"))
    return rows


def commands(data_dir: Path) -> list[Row]:
    """How soon commands answer, as multiples of the time that importing torch takes."""
    torch_s = _fastest([sys.executable, "-c", "import torch"])
    with tempfile.TemporaryDirectory() as folder:
        digits, mnist = Path(folder, "digits"), Path(folder, "mnist")
        first_s = _first_epoch("sweep", "digits-orders", "--home", str(digits))
        data = ("--data-dir", str(data_dir))
        _command(
            "sweep", "mnist300-orders", "--home", str(mnist), "--scale-epochs", "0.005", *data
        )
        lines: dict[tuple[str, ...], tuple[str, str]] = {
            ("studies",): ("studies", "1.5 s"),
            ("validate", "mnist300-orders"): ("validate mnist300-orders", "2 s"),
            ("matrix", "mnist300-orders", "--home", str(mnist)): (
                "matrix mnist300-orders",
                "2.5 s",
            ),
            ("sweep", "digits-orders", "--home", str(digits)): ("sweep, nothing left", "3 s"),
        }
        rows = []
        for arguments, (what, aim) in lines.items():
            ours = _fastest([sys.executable, "-m", "orchestrator.cli.main", *arguments])
            rows.append(_command_row(what, torch_s, ours, aim))
    what = "sweep digits-orders, to the first finished epoch"
    return [*rows, _command_row(what, torch_s, first_s, "8 s")]


def _command_row(what: str, torch_s: float, ours: float, aim: str) -> Row:
    rival = f"{torch_s:.2f} s to import torch"
    return Row(what, rival, f"{ours:.2f} s", f"{ours / torch_s:.1f} times that", f"at most {aim}")


def _fastest(command: list[str], *, times: int = 4) -> float:
    """Wall seconds of the fastest of some runs, after one that warms caches up."""
    walls = []
    for _ in range(times):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        walls.append(time.perf_counter() - started)
    return min(walls[1:])


def _first_epoch(*arguments: str) -> float:
    """Wall seconds of a sweep in a new home until the journal has an epoch; lets it end."""
    journal = Path(arguments[arguments.index("--home") + 1], "journal.db")
    started = time.perf_counter()
    command = [sys.executable, "-m", "orchestrator.cli.main", *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while not _has_epoch(journal):
            if process.poll() is not None:
                raise RuntimeError(f"{' '.join(arguments)} ended with code {process.returncode}")
            time.sleep(0.02)
        first = time.perf_counter() - started
    return first


def _has_epoch(journal: Path) -> bool:
    import sqlite3

    if not journal.exists():
        return False
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as database:
        try:
            return bool(database.execute("SELECT 1 FROM points LIMIT 1").fetchone())
        except sqlite3.OperationalError:
            # Its tables are being made.
            return False


def verdicts() -> list[Row]:
    """Simulated matrices of eight equal rows and five seeds: how many hold a wrong verdict."""
    lowest, told = false_verdicts()
    what = f"a wrong verdict in {NUM_MATRICES:,} simulated matrices of equal rows"
    rival = f"{lowest:.1%} by the lowest mean"
    return [Row(what, rival, f"{told:.1%}", f"{told / lowest:.2f}x", "at most 6.5 %")]


def _mnist(layers: dict[str, object], epochs: int) -> dict[str, object]:
    return {
        "model": {"name": "mlp", "widths": WIDTHS},
        "data": {"name": "mnist", "batch_size": 100},
        "optimizer": {"name": "adam", "lr": 0.1},
        "layers": layers,
        "epochs": epochs,
    }


def _row(what: str, usual: float, ours: float, claim: str, *, digits: int = 1) -> Row:
    return Row(what, f"{usual:.2f} s", f"{ours:.2f} s", f"{usual / ours:.{digits}f}x", claim)


def _command(*arguments: str) -> None:
    command = [sys.executable, "-m", "orchestrator.cli.main", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _train_s(home: Path) -> float:
    import sqlite3

    with sqlite3.connect(home / "mlflow.db") as database:
        # Epochs that another cell trained stand in both of their curves.
        query = (
            "SELECT SUM(value) FROM metrics AS one WHERE key = 'epoch_s' AND step >= COALESCE("
            "(SELECT value FROM metrics AS other WHERE other.run_uuid = one.run_uuid "
            "AND other.key = 'inherited_epochs'), 0)"
        )
        return float(database.execute(query).fetchone()[0])


def _table(rows: list[Row]) -> str:
    head = ["what", "usual loop", "bnn-orchestrate", "ratio", "aim"]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = (row.what, row.rival, row.ours, row.ratio, row.claim)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Runs what is named, all without a name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help="epoch pictures photos commands estimate overhead tracking sharing sweep verdicts",
    )
    beside = ROOT.parent / "shared" / "data"
    default = os.environ.get("BNN_DATA_DIR") or str(beside)
    parser.add_argument("--data-dir", type=Path, default=Path(default))
    parser.add_argument("--scale", default="0.1", help="share of the epochs of the sweep")
    parser.add_argument("--sharing-scale", default="0.04", help="the same for the row on sharing")
    parser.add_argument("--whole", action="store_true", help="run the usual loop to its end")
    args = parser.parse_args()
    parts = {
        "epoch": lambda: epoch(args.data_dir),
        "pictures": lambda: pictures(args.data_dir),
        "photos": lambda: photos(args.data_dir),
        "commands": lambda: commands(args.data_dir),
        "estimate": estimate,
        "overhead": lambda: overhead(args.data_dir),
        "tracking": lambda: tracking(args.data_dir),
        "sharing": lambda: sharing(args.data_dir, args.sharing_scale),
        "sweep": lambda: sweep(args.data_dir, args.scale, whole=args.whole),
        "verdicts": verdicts,
    }
    rows = [row for name in args.parts or parts for row in parts[name]()]
    made = environment()
    versions = made["packages"]
    assert isinstance(versions, dict)
    packages = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    text = (
        f"# Benchmark, {time.strftime('%Y-%m-%d')}\n\n{_table(rows)}\n\n"
        f"{made['num_cpus']} cores of {made['processor']}, {platform.machine()}, Python "
        f"{made['python']}; {packages}; commit {made['git_commit'] or 'unknown'}.\n\n"
        "The usual loop: torchvision's MNIST, ToTensor and Normalize for each image, a DataLoader "
        "with two workers, torch's own layers, Adam unfused (usual_loop.py); for JPEG files "
        "ImageFolder, RandomCrop and RandomHorizontalFlip (pictures.py), in float32. The fastest "
        "of six for epochs on MNIST, of four on JPEG files, of three for commands; one run each "
        "for the rest.\n"
    )
    print(text)
    if not args.parts:
        folder = Path(__file__).parent / "results"
        folder.mkdir(exist_ok=True)
        (folder / f"{platform.machine()}-{made['num_cpus']}cpu.md").write_text(text)


if __name__ == "__main__":
    main()
