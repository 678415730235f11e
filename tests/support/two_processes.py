"""Trials that are trained by one process, and by two; run as a script, it is the second one."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import TCPStore
from torch.nn import functional

from trainers.binarize.attach import binarize_weights
from trainers.binarize.schedule import LayerSchedule
from trainers.data.augment import Augment
from trainers.data.gaussian import Gaussian
from trainers.data.splits import Normalisation, Split, Splits
from trainers.engine.centres import Centres
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.engine.fit import fit
from trainers.engine.processes import Processes
from trainers.engine.ranks import ALONE, Ranks
from trainers.engine.result import EpochMetrics
from trainers.engine.task import Task
from trainers.engine.taught import Taught
from trainers.losses import cross_entropy, features
from trainers.optim.optimizers import constant, sgd
from trainers.spec.train_spec import TrainSpec
from trainers.training import RunOptions, run

WITHIN_S = 60.0
DIGITS: Mapping[str, Any] = {
    "model": {"name": "mlp", "widths": [64, 20, 12, 10]},
    "data": {"name": "digits", "batch_size": 96},
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
    "weights": {"name": "sign"},
    "layers": {"order": ["fc2", "fc1"], "epochs_per_layer": 1},
    "epochs": 2,
    "seed": 7,
    "precision": "float64",
}
"""28 steps; the last batch of an epoch has fewer images."""
TRIALS: Mapping[str, Mapping[str, Any]] = {
    "reset": {"latent_at_eval": "reset", "clip_gradient": 0.01},
    "biprop": {
        "weights": {"name": "biprop_global", "ramp_epochs": 1},
        "layers": {"order": ["fc1", "fc2", "fc3"]},
        "data": {"name": "digits", "batch_size": 48, "accumulate": 2},
        "lr_batch": 96,
    },
    "stages": {
        "before": {"epochs": 1, "layers": {"order": []}},
        "epochs": 1,
        "layers": {"order": ["fc2", "fc1"]},
        "data": {
            "name": "digits",
            "batch_size": 96,
            "augment": {"crop": 1, "flip": True, "mixup": {"alpha": 1.0}},
        },
    },
}
Result = dict[str, Any]


class Epochs:
    """Counts the epochs of which it hears."""

    num = 0

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        """Counts one more."""
        self.num += 1


def trial(name: str, ranks: Ranks, folder: Path) -> Result:
    """Trains a trial of `TRIALS` to its end."""
    return goes_on(name, ranks, folder / f"{name}-{ranks.world}")


def goes_on(name: str, ranks: Ranks, place: Path) -> Result:
    """Trains a trial from its newest checkpoint."""
    heard = Epochs()
    result = run(
        TrainSpec.from_mapping({**DIGITS, **TRIALS[name]}),
        [heard],
        options=RunOptions(
            device="cpu",
            num_threads=1,
            checkpoint_dir=place / str(ranks.rank),
            checkpoints=CheckpointPolicy(policy="every"),
            ranks=ranks,
        ),
    )
    return _result(result.model, result.epochs) | {"heard": heard.num}


def forget_last(place: Path) -> None:
    """Deletes the newest checkpoint of a trial's first process."""
    max((place / "0").glob("epoch-*")).unlink()


class Odd(nn.Module):
    """A network with all layers that look at more than one image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.fc2 = nn.Linear(4 * 16, 12)
        self.bn2 = nn.BatchNorm1d(12, momentum=None, affine=False)
        self.fc3 = nn.Linear(12, 3)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images, (batch, 1, 6, 6)."""
        x = functional.dropout2d(self.bn1(self.conv1(images)), 0.25, self.training)
        x = functional.dropout(self.bn2(self.fc2(x.flatten(1))).relu(), 0.25, self.training)
        logits: Tensor = self.fc3(x)
        return logits


def odd(name: str, ranks: Ranks, folder: Path) -> Result:
    """Trains on three views of each image, with a teacher and centres.

    Of the last batch, with one image, the first of two processes has none. All of the parts look
    at the whole batch: the norm over features of a batch, the centres, the divergence of views.
    """
    dtype = torch.float64
    source = torch.Generator().manual_seed(1)
    images = torch.randint(256, (22, 1, 6, 6), generator=source, dtype=torch.uint8)
    labels = torch.arange(22) % 3
    part = Split(images=images, labels=labels, normalisation=Normalisation.of([0.5], [0.25]))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model, teacher = Odd().to(dtype), Odd().to(dtype)
        centers = torch.randn(3, 12, dtype=dtype)
    binarize_weights(model, ["conv1", "fc2"], "sign")
    how = features(norm="batch", reduction="sum")
    task = Task(
        model=model,
        optimizer=sgd(model.parameters(), lr=0.05, momentum=0.9),
        loss=cross_entropy(jensen_shannon=2.0),
        splits=Splits(train=part, validation=part, test=part.cut(slice(1))).to(
            torch.device("cpu"), dtype
        ),
        schedule=LayerSchedule(order=("conv1", "fc2"), epochs_per_layer=2),
        lr=constant(0.05),
        epochs=7,
        batch_size=7,
        eval_batch_size=4,
        seed=5,
        autocast=nullcontext(),
        augment=Augment(crop=1, flip=True, variation=Gaussian()),
        num_views=3,
        added=(Taught(teacher, how), Centres(centers, weight=0.1, rate=0.5)),
        ranks=ranks,
    )
    epochs = fit(task)
    return _result(model, epochs) | {"centers": centers}


def _result(model: nn.Module, epochs: tuple[EpochMetrics, ...]) -> Result:
    scores = [
        (part.loss, part.accuracy)
        for metrics in epochs
        for part in (metrics.train, metrics.validation, metrics.test)
        if part is not None
    ]
    state = {name: value.clone() for name, value in model.state_dict().items()}
    return {"state": state, "scores": torch.tensor(scores, dtype=torch.float64)}


CASES: Mapping[str, Callable[[str, Ranks, Path], Result]] = {
    **dict.fromkeys(TRIALS, trial),
    "odd": odd,
}


def trained_alone(folder: Path) -> dict[str, Result]:
    """Trains all cases in this process."""
    return {name: case(name, ALONE, folder) for name, case in CASES.items()}


def trained_by_two(ranks: Ranks, folder: Path) -> dict[str, Result]:
    """Trains all cases in one of two processes; goes on with a trial that one process began."""
    results = {name: case(name, ranks, folder) for name, case in CASES.items()}
    return results | {"resumed": goes_on("reset", ranks, folder / "reset-1")}


@contextmanager
def first_of_two(folder: Path) -> Iterator[Processes]:
    """Starts the second process, which trains the same cases; yields the first one.

    Args:
        folder: Receives the results of the second one.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        second = subprocess.Popen([sys.executable, __file__, str(port), str(folder)])
        store = TCPStore(
            "127.0.0.1",
            port,
            2,
            is_master=True,
            wait_for_workers=False,
            master_listen_fd=listener.detach(),
        )
    ranks = None
    try:
        ranks = _joined(0, store)
        yield ranks
        assert second.wait(WITHIN_S) == 0
    finally:
        second.kill()
        second.wait()
        if ranks is not None:
            ranks.close()


def _joined(rank: int, store: TCPStore) -> Processes:
    device = torch.device("cpu")
    ranks = Processes(rank=rank, world=2, store=store, device=device, timeout_s=WITHIN_S)
    ranks.join()
    return ranks


def main() -> None:
    """Trains as the second process."""
    torch.set_num_threads(1)
    port, folder = int(sys.argv[1]), Path(sys.argv[2])
    limit = timedelta(seconds=WITHIN_S)
    ranks = _joined(1, TCPStore("127.0.0.1", port, 2, is_master=False, timeout=limit))
    torch.save(trained_by_two(ranks, folder), folder / "second.pt")
    ranks.close()


if __name__ == "__main__":
    main()
