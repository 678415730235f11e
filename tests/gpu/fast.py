"""How fast is training here? The usual loop, and the engine in every precision."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from cards import Work, card_of
from page import Table, told
from setting import Setting
from synthetic import synthetic_data
from torch import Tensor, nn
from torch.autograd import DeviceType
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from trainers import build
from trainers.binarize.attach import set_binary
from trainers.binarize.hooks import Hooks
from trainers.build import build_network, build_task
from trainers.data import Split
from trainers.engine.captured import step_of
from trainers.engine.fit import train_one_epoch
from trainers.process import process_settings
from trainers.seeding import generator
from trainers.spec.train_spec import TrainSpec

SHARE_S, QUICK_S = 4.0, 0.1
"""Seconds for one line, in which it is prepared, measured and profiled."""

PROFILED = 12
"""Most steps that are profiled; an epoch's half, if that is less."""

NUM_WORKERS = 4
"""Processes of the usual loop's data loader."""

TICKETS: dict[str, Any] = {
    "weights": {"name": "biprop", "keep": 0.5},
    "init": {"name": "kaiming_normal", "scale_fan": True},
}


@dataclass(frozen=True)
class Line:
    """A network with its published batch.

    Args:
        title: For the table.
        mapping: The trial, as a study file has it.
        steps: Steps of an epoch here; enough for an epoch to outlast its own beginning and end.
        quick: What `--quick` changes of the trial.
    """

    title: str
    mapping: dict[str, Any]
    steps: int
    quick: dict[str, Any]

    def spec(self, *, quick: bool, precision: str) -> TrainSpec:
        """The trial in a precision."""
        common = {"layers": {"order": "all"}, "epochs": 1, "precision": precision}
        return TrainSpec.from_mapping(common | self.mapping | (self.quick if quick else {}))


def _cifar(batch_size: int, **more: Any) -> dict[str, Any]:
    augment = {"crop": 4, "flip": True, **more}
    return {"name": "cifar10", "batch_size": batch_size, "augment": augment}


def _sgd(lr: float, decay: float, momentum: float = 0.9) -> dict[str, Any]:
    return {"name": "sgd", "lr": lr, "momentum": momentum, "weight_decay": decay}


def _folder(size: int, batch_size: int) -> dict[str, Any]:
    return {
        "name": "image_folder", "folder": "synthetic", "size": size, "classes": 1000,
        "train_images": 50000, "batch_size": batch_size,
    }  # fmt: skip


LINES = (
    Line(
        "300-100-10 MLP, batch 100",
        {
            "model": {"name": "mlp", "widths": [784, 300, 100, 10]},
            "data": {"name": "mnist", "batch_size": 100},
            "optimizer": {"name": "adam", "lr": 0.1},
            "weights": {"name": "sign"},
        },
        550,
        {},
    ),
    Line(
        "VGG-5, batch 100",
        {"model": "vgg5", "data": _cifar(100), "optimizer": {"name": "adam", "lr": 0.1}},
        100,
        {"data": _cifar(4)},
    ),
    Line(
        "ResNet-20, batch 128",
        {"model": "resnet20", "data": _cifar(128), "optimizer": _sgd(0.1, 1e-4)},
        100,
        {"data": _cifar(4)},
    ),
    Line(
        "WRN-20-10, batch 128",
        {
            "model": {"name": "wrn", "depth": 20, "width": 10},
            "data": _cifar(128, padding="reflect"),
            "optimizer": _sgd(0.1, 5e-4),
            "weights": {"name": "mcdonnell"},
            "layers": {"order": list(range(2, 20))},
        },
        20,
        {"data": _cifar(2, padding="reflect"), "model": {"name": "wrn", "depth": 20, "width": 1}},
    ),
    Line(
        "BIPROP Conv-4, batch 128",
        {
            "model": {"name": "conv", "depth": 4}, "data": _cifar(128),
            "optimizer": _sgd(0.1, 1e-4), **TICKETS,
        },
        100,
        {"data": _cifar(4), "model": {"name": "conv", "depth": 4, "width": 0.25}},
    ),
    Line(
        "BIPROP ResNet-18 at 224, batch 256",
        {
            "model": {"name": "resnet_imagenet", "depth": 18}, "data": _folder(224, 256),
            "optimizer": _sgd(0.256, 3.0517578125e-5, 0.875), **TICKETS,
        },
        8,
        {
            "data": _folder(64, 2),
            "model": {"name": "resnet_imagenet", "depth": 18, "width": 0.25},
        },
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Way:
    """A way to train it: the usual loop, or the engine in a precision and a memory format."""

    title: str
    precision: str = "float32"
    is_usual: bool = False
    memory_format: torch.memory_format = torch.preserve_format
    graphs: bool = True


WAYS = (
    Way("usual loop, float32", is_usual=True),
    Way("engine, float32, no graphs", graphs=False),
    Way("engine, float32"),
    Way("engine, TF32", "tf32"),
    Way("engine, bfloat16", "bfloat16"),
    Way("engine, TF32, channels last", "tf32", memory_format=torch.channels_last),
    Way("engine, bfloat16, channels last", "bfloat16", memory_format=torch.channels_last),
    Way(
        "engine, bfloat16, channels last, no graphs",
        "bfloat16",
        memory_format=torch.channels_last,
        graphs=False,
    ),
)


@dataclass(frozen=True)
class Speed:
    """What was measured.

    Args:
        step_s: Seconds a step.
        busy_s: Seconds of a step in which the device computes, as the profiler sees it.
        peak_bytes: Most memory in use, with the data; None: not known here.
    """

    step_s: float
    busy_s: float
    peak_bytes: int | None


def measured(setting: Setting, ends: float) -> Iterator[Table]:
    """A table for each network.

    Args:
        setting: Where to measure.
        ends: When to end, on the clock of `time.perf_counter`.
    """
    for line in LINES:
        failures: list[tuple[str, str]] = []
        speeds: dict[Way, Speed] = {}
        steps = 2 if setting.quick else line.steps
        for way in WAYS:
            if time.perf_counter() > ends:
                break
            try:
                spec = line.spec(quick=setting.quick, precision=way.precision)
                speeds[way] = _speed(spec, way, setting, steps)
            except Exception as error:
                failures.append((f"{line.title}: {way.title}", told(error)))
        yield _table(line, speeds, failures, setting)


def _table(
    line: Line, speeds: dict[Way, Speed], failures: list[tuple[str, str]], setting: Setting
) -> Table:
    rows = []
    usual = speeds.get(WAYS[0])
    card = card_of(setting.device)
    work = Work.of(line.spec(quick=setting.quick, precision="float32"))
    for way in WAYS:
        if way not in speeds:
            rows.append([way.title, *["not measured"] + ["–"] * 5])
            continue
        speed = speeds[way]
        spec = line.spec(quick=setting.quick, precision=way.precision)
        least = work.least_s(card, way.precision) if card else None
        rows.append(
            [
                way.title,
                f"{spec.data.batch_size / speed.step_s:,.0f}",
                f"{1000 * speed.step_s:.3f}",
                f"{min(speed.busy_s / speed.step_s, 1):.0%}",
                f"{speed.peak_bytes / 2**20:,.0f} MiB" if speed.peak_bytes else "–",
                f"{usual.step_s / speed.step_s:.2f}x" if usual else "–",
                f"{least / speed.step_s:.1%}" if least else "–",
            ]
        )
    head = ["way", "images/s", "ms a step", "computing", "peak memory", "usual loop", "roofline"]
    return Table(line.title, head, rows, failures)


def _speed(spec: TrainSpec, way: Way, setting: Setting, steps: int) -> Speed:
    """Measures one line within its share of the time."""
    share = QUICK_S if setting.quick else SHARE_S
    ends, device = time.perf_counter() + share, setting.device
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    settings = process_settings(tf32=spec.precision == "tf32")
    images = steps * spec.data.batch_size
    with settings, synthetic_data(train=images, evaluated=2):
        run: Callable[[int, int], int]
        if way.is_usual:
            workers = 1 if setting.quick else NUM_WORKERS
            run = _UsualLoop(spec, device, workers=workers).steps
        else:
            run = _Engine(spec, device, way).epoch
        # The first epoch warms up; it counts if there is no time for another one.
        fastest, number = _timed(run, 0, steps), 1
        while time.perf_counter() < ends - share / 4 and number < 6:
            again = _timed(run, number, steps)
            fastest = again if number == 1 else min(fastest, again)
            number += 1
        busy = _busy_s(run, min(max(steps // 2, 1), PROFILED), device)
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
    return Speed(fastest, busy, peak)


def _timed(run: Callable[[int, int], int], epoch: int, steps: int) -> float:
    """Seconds a step; both loops end by waiting for the device."""
    started = time.perf_counter()
    done = run(epoch, steps)
    return (time.perf_counter() - started) / done


def _busy_s(run: Callable[[int, int], int], steps: int, device: torch.device) -> float:
    """Seconds of a step in which any kernel runs; on a CPU, in which any operator does."""
    is_cuda = device.type == "cuda"
    kinds = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * is_cuda]
    with profile(activities=kinds) as profiler:
        done = run(99, steps)
    wanted = DeviceType.CUDA if is_cuda else DeviceType.CPU
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in profiler.events()
        # Annotations of the profiler's own span what they annotate.
        if event.device_type == wanted and not getattr(event, "is_user_annotation", False)
    )
    return covered(spans) / 1e6 / done


def covered(spans: list[tuple[float, float]]) -> float:
    """Length that sorted spans cover together."""
    total, reached = 0.0, float("-inf")
    for start, end in spans:
        total += max(end - max(start, reached), 0)
        reached = max(reached, end)
    return total


class _Engine:
    """The package's own epochs."""

    def __init__(self, spec: TrainSpec, device: torch.device, way: Way) -> None:
        task = build_task(spec, data_dir=Path(), device=device)
        self.task = replace(task, memory_format=way.memory_format, graphs=way.graphs)
        self.step = step_of(self.task)
        set_binary(self.task.model, spec.layers.order)

    def epoch(self, number: int, steps: int) -> int:
        """Trains as many steps; how many it were."""
        train = self.task.splits.train.first(steps * self.task.batch_size)
        splits = replace(self.task.splits, train=train)
        is_whole = steps * self.task.batch_size == len(self.task.splits.train)
        task = self.task if is_whole else replace(self.task, splits=splits)
        train_one_epoch(task, number, step=self.step)
        return steps


class _Pictures(Dataset[tuple[Tensor, Tensor]]):
    """A split as tutorials have it: each image by itself, transformed when asked for."""

    def __init__(self, split: Split, spec: TrainSpec) -> None:
        self.images, self.labels = split.images, split.labels
        parts: list[nn.Module] = []
        size, augment = self.images.shape[-1], spec.data.augment
        if augment.crop:
            mode = "reflect" if augment.padding == "reflect" else "constant"
            parts.append(v2.RandomCrop(size, padding=augment.crop, padding_mode=mode))
        if augment.flip:
            parts.append(v2.RandomHorizontalFlip())
        if self.images.dtype == torch.uint8:
            channels = self.images.shape[1]
            parts.append(v2.ToDtype(torch.float32, scale=True))
            parts.append(v2.Normalize([0.5] * channels, [0.25] * channels))
        self.change = v2.Compose(parts) if parts else None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.images[index]
        return (image if self.change is None else self.change(image)), self.labels[index]


class _UsualLoop:
    """A loop as tutorials write it: data loader, eager, torch's optimizer, figures at each step.

    The network and its binary weights are those of the engine, so that the loops alone differ.

    Args:
        spec: The trial.
        device: Where it trains.
        workers: Processes that load data.
    """

    def __init__(self, spec: TrainSpec, device: torch.device, *, workers: int) -> None:
        self.device = device
        pictures = _Pictures(build.load_splits(spec.data.source, data_dir=Path()).train, spec)
        self.loader = DataLoader(
            pictures, batch_size=spec.data.batch_size, shuffle=True,
            num_workers=workers, pin_memory=device.type == "cuda",
        )  # fmt: skip
        self.model = build_network(spec, device=device)
        set_binary(self.model, spec.layers.order)
        options = dict(spec.optimizer.options)
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[spec.optimizer.name]
        trained = [item for item in self.model.parameters() if item.requires_grad]
        self.optimizer = kind(trained, **options)
        self.hooks = Hooks(self.model)

    def steps(self, epoch: int, steps: int) -> int:
        """Trains up to as many steps; how many it were."""
        self.model.train()
        self.hooks.begin_epoch(epoch, generator(1, "masks", epoch))
        loss_sum = correct = done = 0.0
        for images, labels in self.loader:
            images = images.to(self.device, non_blocking=True)
            labels = labels.to(self.device, non_blocking=True)
            self.hooks.before_batch()
            logits = self.model(images)
            loss = cross_entropy(logits, labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.hooks.after_step()
            loss_sum += loss.item() * len(labels)
            correct += (logits.argmax(1) == labels).sum().item()
            done += 1
            if done == steps:
                break
        return int(done)
