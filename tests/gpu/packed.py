"""Would packed trials pay? Several networks trained at once, in one page of plain tensor code.

`PackedMlp` stacks the weights of its members and multiplies them by `baddbmm`; `PackedCnn` lets
torch vectorise one network over them. Both use the engine's sign and its Adam, and each member
meets the images in its own order. So each ends where a trial of its own ends, which is checked
first. Several processes on one device are the rival.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from queue import Empty
from typing import Any
from unittest import mock

import torch
from page import Table, told
from setting import Setting
from synthetic import synthetic_data
from torch import Tensor
from torch.func import functional_call, grad, replace_all_batch_norm_modules_, vmap
from torch.nn import functional

from trainers import build, build_model
from trainers.binarize.attach import latent_weights, set_binary
from trainers.binarize.ste import sign_ste
from trainers.data import Split
from trainers.engine.fit import train_one_epoch
from trainers.optim.optimizers import OPTIMIZERS
from trainers.process import process_settings
from trainers.seeding import generator
from trainers.spec.train_spec import TrainSpec

SHARE_S, QUICK_S = 4.0, 0.1
"""Seconds in which one line is measured."""

STEPS = 50
"""Steps of an epoch here."""

WAIT_S = 90.0
"""Seconds within which all processes must have begun."""

Stacked = dict[str, Tensor]


class Packed:
    """Members of one network that train at once, each with its own seed.

    Args:
        spec: The trial of a member, but for its seed; Adam, all layers binary.
        seeds: A seed for each member.
        device: Where they train.
    """

    def __init__(self, spec: TrainSpec, seeds: range, device: torch.device) -> None:
        self.spec, self.seeds, self.device = spec, seeds, device
        networks = [build.build_network(_seeded(spec, seed), device=device) for seed in seeds]
        self.latent = list(latent_weights(networks[0]))
        self.params: Stacked = {}
        for name, _ in networks[0].named_parameters():
            parts = [network.get_parameter(name).detach() for network in networks]
            plain = name.replace(".parametrizations.weight.original", ".weight")
            self.params[plain] = torch.stack(parts).requires_grad_()
        self.optimizer = OPTIMIZERS["adam"](self.params.values(), **spec.optimizer.options)

    def epoch(self, train: Split, number: int) -> None:
        """Trains all members for an epoch; waits for the device at its end."""
        orders = [
            torch.randperm(len(train), generator=generator(seed, "order", number))
            for seed in self.seeds
        ]
        places = torch.stack(orders).to(self.device)
        for batch in places.split(self.spec.data.batch_size, dim=1):
            images = train.images.index_select(0, batch.flatten())
            images = images.reshape(*batch.shape, *train.images.shape[1:])
            labels = train.labels.index_select(0, batch.flatten()).reshape(batch.shape)
            loss = self.step(images, labels)
        loss.item()

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One step of all members; (members, batch, ...) and (members, batch). Their loss."""
        raise NotImplementedError


class PackedMlp(Packed):
    """A normalised multi-layer perceptron, its members' layers as batched matrix products."""

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        x, num = images.flatten(2), len(self.seeds)
        for number, layer in enumerate(self.latent, start=1):
            binary = sign_ste(self.params[f"{layer}.weight"])
            bias = self.params[f"{layer}.bias"].unsqueeze(1)
            x = torch.baddbmm(bias, x if number == 1 else x.relu(), binary.transpose(1, 2))
            # One normalisation for the units of all members.
            units = x.transpose(0, 1).reshape(x.shape[1], -1)
            scale, shift = (self.params[f"bn{number}.{kind}"] for kind in ("weight", "bias"))
            units = functional.batch_norm(
                units, None, None, scale.flatten(), shift.flatten(), training=True
            )
            x = units.reshape(x.shape[1], num, -1).transpose(0, 1)
        # Each member's own mean: the sum over members leaves their gradients apart.
        loss = functional.cross_entropy(x.flatten(0, 1), labels.flatten(), reduction="sum")
        loss = loss / labels.shape[1]
        for parameter in self.params.values():
            parameter.grad = None
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class PackedCnn(Packed):
    """Any network, vectorised over its members by `torch.func`."""

    def __init__(self, spec: TrainSpec, seeds: range, device: torch.device) -> None:
        super().__init__(spec, seeds, device)
        model = build_model(spec.model.name, **spec.model.options).to(device)
        # Statistics of training are updated in place, which a vectorised call cannot do.
        self.model = replace_all_batch_norm_modules_(model).train()
        binary = {f"{layer}.weight" for layer in self.latent}

        def loss(params: Stacked, images: Tensor, labels: Tensor) -> Tensor:
            weights = {
                name: _sign(value) if name in binary else value for name, value in params.items()
            }
            return functional.cross_entropy(
                functional_call(self.model, weights, (images,)), labels
            )

        self.gradients = vmap(grad(loss))

    def step(self, images: Tensor, labels: Tensor) -> Tensor:
        params = {name: value.detach() for name, value in self.params.items()}
        found = self.gradients(params, images, labels)
        for name, parameter in self.params.items():
            parameter.grad = found[name]
        self.optimizer.step()
        return next(iter(found.values())).sum()


def _sign(latent: Tensor) -> Tensor:
    """What `sign_ste` computes, in operations that can be vectorised."""
    signs = torch.where(latent >= 0, 1.0, -1.0).to(latent.dtype)
    # The difference is exactly 0, and its gradient passes whole.
    return signs.detach() + (latent - latent.detach())


def measured(setting: Setting, ends: float) -> Iterator[Table]:
    """A table for the perceptron, and one for a convolutional network.

    Args:
        setting: Where to measure.
        ends: When to end, on the clock of `time.perf_counter`.
    """
    quick = setting.quick
    # Each process loads torch, which is most of the time of a quick run.
    rivals = ((2,), ()) if quick else ((4,), (2, 4))
    kinds: list[tuple[str, type[Packed], TrainSpec, tuple[int, ...], tuple[int, ...]]] = [
        ("300-100-10 MLP", PackedMlp, _mlp(quick), (1, 8, 64), rivals[0]),
        ("VGG-5", PackedCnn, _vgg5(quick), (1, 4, 8), rivals[1]),
    ]
    for title, kind, spec, members, processes in kinds:
        table = _Measured(title, spec, setting, ends)
        table.check(kind)
        table.add("one trial of the engine", 1, table.alone)
        for num in members[:2] if quick else members:
            table.add(f"{num} packed", num, partial(table.packed, kind, num))
        for num in processes:
            table.add(f"{num} processes", num, partial(table.processes, num))
        yield table.table()


def _mlp(quick: bool) -> TrainSpec:
    widths = [784, 30, 20, 10] if quick else [784, 300, 100, 10]
    data = {"name": "mnist", "batch_size": 10 if quick else 100}
    return _trial({"name": "mlp", "widths": widths}, data)


def _vgg5(quick: bool) -> TrainSpec:
    return _trial({"name": "vgg5"}, {"name": "mnist", "batch_size": 4 if quick else 100})


def _trial(model: Mapping[str, Any], data: Mapping[str, Any]) -> TrainSpec:
    if model["name"] == "vgg5":
        options = {"folder": "synthetic", "train_images": 50000, "validation": 5000}
        data = {**data, "name": "image_folder", **options}
    return TrainSpec.from_mapping(
        {
            "model": model, "data": data, "optimizer": {"name": "adam", "lr": 0.01},
            "weights": {"name": "sign"}, "layers": {"order": "all"}, "epochs": 1,
        }
    )  # fmt: skip


def _seeded(spec: TrainSpec, seed: int, **changes: Any) -> TrainSpec:
    return TrainSpec.from_mapping({**spec.to_mapping(), "seed": seed, **changes})


class _Measured:
    """The lines of one table.

    Args:
        title: The network.
        spec: A member's trial.
        setting: Where to measure.
        ends: When to end.
    """

    def __init__(self, title: str, spec: TrainSpec, setting: Setting, ends: float) -> None:
        self.title, self.spec, self.setting, self.ends = title, spec, setting, ends
        self.steps, self.share = (2, QUICK_S) if setting.quick else (STEPS, SHARE_S)
        self.rates: dict[str, float] = {}
        self.rows: list[list[str]] = []
        self.failures: list[tuple[str, str]] = []

    def check(self, kind: type[Packed]) -> None:
        """Members end where trials of their own end, after three steps in double precision."""
        try:
            agrees(kind, self.spec, self.setting.device)
        except Exception as error:
            self._fail(f"{kind.__name__} against trials of the engine", error)

    def add(self, what: str, num: int, measure: Callable[[], float]) -> None:
        """Measures a line, images a second of all its members together, and takes it down."""
        if time.perf_counter() > self.ends:
            self.rows.append([what, "not measured", "–", "–"])
            return
        try:
            rate = self.rates[what] = measure()
        except Exception as error:
            self._fail(what, error)
            self.rows.append([what, "failed", "–", "–"])
            return
        base = next(iter(self.rates.values()))
        self.rows.append([what, f"{rate:,.0f}", f"{rate / num:,.0f}", f"{rate / base:.2f}x"])

    def alone(self) -> float:
        """One trial of the engine."""
        with self._run():
            return _rate(_epochs(self.spec, self.setting.device), self._images, self.share)

    def packed(self, kind: type[Packed], num: int) -> float:
        """As many packed members."""
        device = self.setting.device
        # The engine's own faster product on a CPU cannot be vectorised.
        with self._run(), mock.patch("trainers.models.linear.HAS_ONEDNN", False):
            train = _train(self.spec, device)
            members = kind(self.spec, range(num), device)
            return _rate(partial(members.epoch, train), num * self._images, self.share)

    def processes(self, num: int) -> float:
        """As many processes with one trial each."""
        context = multiprocessing.get_context("spawn")
        barrier, answers = context.Barrier(num), context.Queue()
        arguments = (self.spec.to_mapping(), str(self.setting.device), self._images, self.share)
        started = [
            context.Process(target=_member, args=(*arguments, barrier, answers))
            for _ in range(num)
        ]
        for process in started:
            process.start()
        try:
            return sum(answers.get(timeout=WAIT_S) for _ in started)
        except Empty as error:
            raise RuntimeError(f"not all of {num} processes trained") from error
        finally:
            for process in started:
                process.join(timeout=10)
                process.kill()

    def table(self) -> Table:
        """The table, with what follows from it."""
        packed = [rate for what, rate in self.rates.items() if "packed" in what]
        others = [rate for what, rate in self.rates.items() if "processes" in what]
        finding = ""
        if packed and len(self.rates) > len(packed) + len(others):
            base = next(iter(self.rates.values()))
            finding = f"Packed members train up to {max(packed) / base:.1f} times as many images "
            finding += "a second as one trial of the engine"
            if others:
                finding += f", several processes {max(others) / base:.1f} times"
            finding += "."
        head = ["trained", "images/s together", "images/s each", "one trial of the engine"]
        return Table(f"Packed: {self.title}", head, self.rows, self.failures, finding)

    @property
    def _images(self) -> int:
        return self.steps * self.spec.data.batch_size

    def _run(self) -> AbstractContextManager[None]:
        return _as_a_run(self.spec, self._images, self.setting.device)

    def _fail(self, what: str, error: Exception) -> None:
        self.failures.append((f"{self.title}: {what}", told(error)))


def agrees(kind: type[Packed], spec: TrainSpec, device: torch.device) -> None:
    """Trains two members packed, and each by itself.

    Raises:
        AssertionError: If a latent weight differs.
    """
    spec = _seeded(spec, 0, precision="float64")
    seeds = range(2)
    with synthetic_data(train=3 * spec.data.batch_size, evaluated=2):
        members = kind(spec, seeds, device)
        members_data = _train(spec, device)
        members.epoch(members_data, 0)
        for seed in seeds:
            task = build.build_task(_seeded(spec, seed), data_dir=Path(), device=device)
            set_binary(task.model, spec.layers.order)
            train_one_epoch(task, 0)
            for layer, weight in latent_weights(task.model).items():
                member = members.params[f"{layer}.weight"][seed]
                torch.testing.assert_close(member, weight, rtol=1e-6, atol=1e-9)


def _member(
    mapping: Mapping[str, Any],
    device: str,
    images: int,
    share: float,
    barrier: Any,
    answers: Any,
) -> None:
    """What one of several processes does: it trains, and says its images a second."""
    spec = TrainSpec.from_mapping(mapping)
    with _as_a_run(spec, images, torch.device(device)):
        train = _epochs(spec, torch.device(device))
        train(0)
        barrier.wait(timeout=WAIT_S)
        answers.put(_rate(train, images, share, warm=True))


@contextmanager
def _as_a_run(spec: TrainSpec, images: int, device: torch.device) -> Iterator[None]:
    """Within it, torch is set as in a run of the trial, and its data set has as many images."""
    settings = process_settings(tf32=spec.precision == "tf32")
    with settings, synthetic_data(train=images, evaluated=2):
        yield


def _epochs(spec: TrainSpec, device: torch.device) -> Callable[[int], object]:
    """The engine's epochs of a trial."""
    task = build.build_task(spec, data_dir=Path(), device=device)
    set_binary(task.model, spec.layers.order)
    return lambda number: train_one_epoch(task, number)


def _train(spec: TrainSpec, device: torch.device) -> Split:
    """The training images on the device, normalised once for all members."""
    split = build.load_splits(spec.data.source, data_dir=Path()).train
    dtype = torch.float64 if spec.precision == "float64" else torch.float32
    split = split.to(device, dtype)
    if split.normalisation is None:
        return split
    return Split(images=split.normalisation(split.images), labels=split.labels)


def _rate(run: Callable[[int], object], images: int, share: float, *, warm: bool = False) -> float:
    """Images a second over as many epochs as the share of time has room for, one at least."""
    if not warm:
        run(0)
    started, number = time.perf_counter(), 0
    while number == 0 or time.perf_counter() - started < share:
        number += 1
        run(number)
    return images * number / (time.perf_counter() - started)
