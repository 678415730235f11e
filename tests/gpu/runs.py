"""Whole runs on this device: the same bits, the CPU's numbers, the way out, the way to fail."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from contracts import known, numbers, without_dropout
from setting import Case, Setting
from synthetic import synthetic_data, trial
from torch import Tensor, nn

import trainers
from trainers.binarize.attach import baked, latent_weights, weight_layers
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.engine.evaluate import evaluate
from trainers.engine.result import EpochMetrics, Scores, TrainResult
from trainers.errors import OutOfMemoryError
from trainers.models import MODELS
from trainers.spec.train_spec import TrainSpec
from trainers.training import RunOptions

CPU = torch.device("cpu")
STEPS = 3
"""Steps for which float32 is within the tolerance of the stored numbers."""

FLOAT32 = 1e-3
"""That tolerance, relative."""

STILL = {"name": "sgd", "lr": 1e-6}
"""Steps so small that rounding does not grow from epoch to epoch."""

LITTLE = 2**29
"""Bytes that are too few for VGG-5's activations over 4,099 images of 32 × 32 pixels."""


def repeated(setting: Setting) -> list[Case]:
    """A trial run twice with `deterministic`, a network of each family."""
    names = ["mlp", "resnet20"] if setting.quick else families()
    return [(name, partial(_repeated, name, setting)) for name in names]


def _repeated(name: str, setting: Setting) -> None:
    one, other = (_run(trial_of(name), setting, deterministic=True) for _ in range(2))
    assert one.weights_sha256 == other.weights_sha256, "two runs end with other bits"


def resumed(setting: Setting) -> list[Case]:
    """A trial that is interrupted and goes on ends with the bits of one that is not."""
    options = {"sign": {}, "biprop": {}, "biprop_global": {"ramp_epochs": 1}}
    return [
        (method, partial(_resumed, method, options[method], setting))
        for method in setting.some(list(options))
    ]


def _resumed(method: str, options: dict[str, Any], setting: Setting) -> None:
    model = {"name": "conv", "depth": 4, "width": 0.25}
    weights, data = {"name": method, **options}, {"batch_size": 4}
    spec = trial(model, image=(3, 32, 32), epochs=3, weights=weights, data=data)
    whole = _run(spec, setting, deterministic=True)
    kept = {
        "checkpoint_dir": setting.folder / method,
        "checkpoints": CheckpointPolicy(policy="every"),
        "deterministic": True,
    }
    with suppress(_Interrupted):
        _run(spec, setting, [_Interruption(after=1)], **kept)
    again = _run(spec, setting, **kept)
    assert again.weights_sha256 == whole.weights_sha256, "it ends with other bits"


class _Interrupted(Exception):
    """What an interruption raises."""


@dataclass
class _Interruption:
    """Ends a run after an epoch."""

    after: int

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        if metrics.epoch == self.after:
            raise _Interrupted


def beginnings(setting: Setting) -> list[Case]:
    """A trial that starts from another one's beginning ends with the bits of one that does not."""
    return [("mlp", partial(_beginning, setting))]


def _beginning(setting: Setting) -> None:
    orders = (["fc1", "fc2", "fc3"], ["fc1", "fc3", "fc2"])
    first, second = (
        trial_of("mlp", epochs=6, layers={"order": order, "epochs_per_layer": 2})
        for order in orders
    )
    stem = setting.folder / "stem"
    _run(first, setting, deterministic=True, leave={2: stem}, name="first")
    alone = _run(second, setting, deterministic=True)
    joined = _run(second, setting, deterministic=True, start=stem, name="second")
    assert [epoch.source for epoch in joined.epochs] == ["first", "first", *[""] * 4]
    assert joined.weights_sha256 == alone.weights_sha256, "it ends with other bits"


def agreement(setting: Setting) -> list[Case]:
    """Three steps of each family in float32: losses and latent weights of the CPU's run."""
    names = ["mlp", "vgg5"] if setting.quick else families()
    return [(name, partial(_agreement, name, setting)) for name in names]


def _agreement(name: str, setting: Setting) -> None:
    spec = trial_of(name)
    with without_dropout():
        there, here = _run(spec, setting), _run(spec, replace(setting, device=CPU))
    assert next(there.model.parameters()).device.type == setting.device.type
    _near("loss", there.last.train.loss, here.last.train.loss)
    expected = latent_weights(here.model)
    for layer, weight in latent_weights(there.model).items():
        _near(layer, weight.norm().item(), expected[layer].norm().item())


def _near(what: str, actual: float, expected: float) -> None:
    close = math.isclose(actual, expected, rel_tol=FLOAT32)
    assert close, f"{what} is {actual:.7g}, on the CPU {expected:.7g}"


def export(setting: Setting) -> list[Case]:
    """A network trained here predicts the same on the CPU, as it is deployed and from its file."""
    cases: list[Case] = [("deployed", partial(_exported, setting, deployed))]
    try:
        import safetensors  # noqa: F401
    except ImportError:
        return cases
    return [*cases, ("from its file", partial(_exported, setting, _from_file))]


def deployed(model: nn.Module, folder: Path) -> nn.Module:
    """The network with plain binary weights, on the CPU."""
    return baked(model).to(CPU)


def _from_file(model: nn.Module, folder: Path) -> nn.Module:
    trainers.export_packed(model, folder / "network.bnn")
    return trainers.load_packed(folder / "network.bnn")


@torch.no_grad()
def _exported(setting: Setting, make: Callable[[nn.Module, Path], nn.Module]) -> None:
    spec = trial_of("vgg5", epochs=2)
    model = _run(spec, setting).model.eval()
    other = make(model, setting.folder).eval()
    images = numbers((32, 3, 32, 32), 7).float()
    expected = model(images.to(setting.device)).argmax(1).cpu()
    assert torch.equal(other(images).argmax(1), expected), "it predicts other classes"


def evaluation(setting: Setting) -> list[Case]:
    """Batches of evaluation grow on a GPU, which changes only rounding."""
    return [("the scores of smaller batches", partial(_evaluation, setting))]


def _evaluation(setting: Setting) -> None:
    spec = trial_of("vgg5", epochs=3, data={"eval_batch_size": 4}, optimizer=STILL)
    sizes = list[int]()

    def noted(*args: Any, batch_size: int, **options: Any) -> Scores:
        sizes.append(batch_size)
        return evaluate(*args, batch_size=batch_size, **options)

    fixed = _run(spec, setting, deterministic=True)
    with mock.patch("trainers.engine.fit.evaluate", noted):
        grown = _run(spec, setting)
    expected = [4, 8, 16, 32, 32, 32] if setting.device.type == "cuda" else [4] * 6
    assert sizes == expected, f"the batches have {sizes} images, not {expected}"
    for ours, theirs in zip(grown.epochs, fixed.epochs, strict=True):
        _near("validation loss", ours.validation.loss, theirs.validation.loss)


def memory(setting: Setting) -> list[Case]:
    """An allocation that fails is told with the trial's batch size."""
    return [("too little for a batch", partial(_memory, setting))]


def _memory(setting: Setting) -> None:
    spec = trial_of("vgg5", data={"batch_size": 4099})
    told = ""
    with _little_memory(setting.device), synthetic_data(train=4099, evaluated=2):
        try:
            trainers.run(spec, options=RunOptions(device=str(setting.device)))
        except OutOfMemoryError as error:
            told = str(error)
    assert "data.batch_size 4099" in told, f"it is told as {told!r}"


@contextmanager
def _little_memory(device: torch.device) -> Iterator[None]:
    """Within it, the device has memory for the data, but not for a batch's activations.

    On a CPU, whose memory others need, an allocation only says that it failed.
    """
    if device.type != "cuda":
        error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 4.00 GiB.")
        with mock.patch("trainers.engine.fit.train_one_epoch", side_effect=error):
            yield
        return
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.set_per_process_memory_fraction(LITTLE / whole, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        torch.cuda.empty_cache()


def families() -> list[str]:
    """The first network of each class."""
    first: dict[type, str] = {}
    with torch.device("meta"):
        for name in sorted(MODELS):
            first.setdefault(type(trainers.build_model(**known(name)[0])), name)
    return list(first.values())


def trial_of(name: str, **changes: Any) -> TrainSpec:
    model, image = known(name)
    if name == "mlp":
        model, image = {"name": name, "widths": [64, 20, 12, 10]}, (1, 8, 8)
    with torch.device("meta"):
        network = trainers.build_model(**model)
    last = network.get_submodule(weight_layers(network)[-1])
    assert isinstance(last.weight, Tensor)
    return trial(model, image=image, classes=len(last.weight), **changes)


def _run(spec: TrainSpec, setting: Setting, callbacks: Any = (), **options: Any) -> TrainResult:
    with synthetic_data(train=STEPS * spec.data.batch_size, evaluated=20):
        return trainers.run(
            spec, callbacks, options=RunOptions(device=str(setting.device), **options)
        )
