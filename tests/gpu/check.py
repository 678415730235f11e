"""Is training right on this GPU, how fast is it, and would packed trials pay?

    python tests/gpu/check.py [--device cuda] [--only right fast packed] [--quick] [--page FILE]

Needs torch and torchvision alone, downloads nothing, and takes at most eight minutes on a GPU.
Prints first what failed, and exits with 1 if anything did, with 2 if the request is wrong. Writes
what it measured on a GPU to docs/results/gpu.md. `--device cpu --quick` goes all ways of this
program in a minute.
"""

import os

# cuBLAS reads it when it begins; without it, deterministic matrix products are refused.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import argparse
import math
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "gpu")]

import without_pytest

without_pytest.install()

import fast
import packed
import page
import right
import torch
from setting import Check, Setting

PARTS = ("right", "fast", "packed")
LIMIT_S = 470
"""Seconds in which everything ends on a GPU; measurements stop when it is near."""


@dataclass
class Outcome:
    """What was found.

    Args:
        lines: The checks, one line each.
        failures: What failed, in the order in which it failed: what, and how.
    """

    lines: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, what: str, how: str) -> None:
        """Notes what failed, and says so at once: who interrupts a run shall know of it."""
        self.failures.append((what, how))
        _tell(f"FAILED {what}\n{how}")

    def add(self, check: Check, setting: Setting) -> None:
        """Runs a check's cases, each by itself, as long as its share lasts."""
        started, passed, told = time.perf_counter(), 0, f"right: {check.name}"
        try:
            cases = check.cases(setting)
        except Exception:
            self.fail(told, _short_traceback())
            cases = []
        for number, (name, case) in enumerate(cases):
            if setting.is_timed and time.perf_counter() - started > check.share:
                left = f"{len(cases) - number} of its cases were not run"
                self.fail(told, f"    {check.share} s were over; {left}")
                break
            try:
                case()
                passed += 1
            except without_pytest.Skipped:
                passed += 1
            except Exception:
                self.fail(f"{told}: {name}", _short_traceback())
        taken = time.perf_counter() - started
        self.lines.append(f"{check.name}: {passed} of {len(cases)} in {taken:.1f} s")
        _tell(self.lines[-1])


def main() -> int:
    """Runs the parts and prints what they found; the exit code."""
    args = _arguments()
    started = time.perf_counter()
    outcome = Outcome()
    tables: list[page.Table] = []
    interrupted = False
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(device=args.device, quick=args.quick, folder=Path(folder))
        try:
            for table in _measured(args, setting, outcome, started):
                tables.append(table)
        except KeyboardInterrupt:
            interrupted = True
    loaded = {"ray", "mlflow", "yaml", "pandas"} & set(sys.modules)
    if loaded:
        outcome.fail("torch alone", f"    loaded: {', '.join(sorted(loaded))}")
    taken = time.perf_counter() - started
    text = page.text(
        outcome.lines,
        outcome.failures,
        tables,
        device=setting.device,
        quick=setting.quick,
        taken=taken,
    )
    for what, how in outcome.failures:
        print(f"FAILED {what}\n{how}\n")
    print(text, flush=True)
    if interrupted:
        _tell("interrupted: above is what was found until then; no page is written")
        return 130
    if args.page is not None:
        page.write(args.page, text)
    return 1 if outcome.failures else 0


def _measured(
    args: argparse.Namespace, setting: Setting, outcome: Outcome, started: float
) -> Iterator[page.Table]:
    """Runs the parts that were asked for; yields their tables."""
    if "right" in args.only:
        for check in right.CHECKS:
            outcome.add(check, setting)
    ends = started + LIMIT_S if setting.is_timed else math.inf
    for name, measure in (("fast", fast.measured), ("packed", packed.measured)):
        if name in args.only:
            yield from _tables(measure(setting, ends), outcome, name)


def _tables(found: Iterator[page.Table], outcome: Outcome, part: str) -> Iterator[page.Table]:
    """The tables of a part; what could not be measured is a failure."""
    try:
        for table in found:
            for what, how in table.failures:
                outcome.fail(f"{part}: {what}", how)
            _tell(table.text())
            yield table
    except Exception:
        outcome.fail(part, _short_traceback())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ..., or cpu")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument("--page", type=Path, help="the page to write (default on a GPU: the docs)")
    args = parser.parse_args()
    args.device = _device(parser, args.device)
    is_gpu = args.device.type == "cuda"
    # Of any checkout: a page of that name is the one for figures of a GPU.
    if not is_gpu and args.page is not None and args.page.resolve().name == page.PAGE.name:
        parser.error(f"{args.page} is for figures of a GPU; name another file with --page")
    if is_gpu and args.page is None and not args.quick and set(args.only) == set(PARTS):
        args.page = page.PAGE
    # Before minutes of measuring.
    if args.page is not None and (fault := page.fault(args.page)):
        parser.error(f"--page: {fault}")
    return args


def _device(parser: argparse.ArgumentParser, name: str) -> torch.device:
    kind, _, number = name.partition(":")
    if kind not in ("cuda", "cpu") or (number and not number.isdecimal()):
        parser.error(f"there is no device '{name}'; known: cuda, cuda:1, ..., cpu")
    if kind == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        parser.error("torch finds no CUDA GPU here; --device cpu --quick needs none")
    if number and int(number) >= torch.cuda.device_count():
        parser.error(f"there are {torch.cuda.device_count()} GPUs here, the first is cuda:0")
    # Some of torch's calls want the number of the card.
    device = torch.device("cuda", int(number or 0))
    torch.cuda.set_device(device)
    return device


def _short_traceback() -> str:
    """The error of now: where it was raised, and what it says, within a screen."""
    lines = traceback.format_exc(limit=-3).strip().splitlines()
    return "\n".join(f"    {line[:200]}" for line in lines[-12:])


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
