"""Centres of classes, against the same steps in plain PyTorch."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.binarize.schedule import LayerSchedule
from trainers.build import build_model
from trainers.data.batches import shuffled_batches
from trainers.engine.centres import Centres
from trainers.engine.fit import train_one_epoch
from trainers.engine.task import Task
from trainers.models.init import initialise
from trainers.optim.optimizers import sgd
from trainers.seeding import generator


def _hidden(model: nn.Module, images: Tensor) -> Tensor:
    hidden: Tensor = model.get_submodule("bn1")(model.get_submodule("fc1")(images.flatten(1)))
    return hidden


@pytest.mark.parametrize("layer", [None, "bn1"])
def test_network_and_centres_take_the_steps_of_plain_pytorch(
    make_task: Callable[..., Task], layer: str | None
) -> None:
    model = build_model("mlp", widths=[9, 6, 3])
    initialise(model, torch.Generator().manual_seed(3))
    expected = copy.deepcopy(model.double())
    centres = Centres(torch.zeros(3, 6).double(), weight=0.2, rate=0.4, layer=layer)
    parts = {"model": model, "optimizer": sgd(model.parameters(), lr=0.1), "added": (centres,)}
    task = make_task(**parts, schedule=LayerSchedule(), dtype=torch.float64)
    optimizer, points = torch.optim.SGD(expected.parameters(), lr=0.1), torch.zeros(3, 6).double()
    for epoch in range(2):
        train_one_epoch(task, epoch)
        order = generator(task.seed, "order", epoch)
        for batch in shuffled_batches(task.splits.train, size=8, generator=order):
            raw = _hidden(expected.train(), batch.images)
            features = raw.relu() if layer is None else raw
            logits = expected.get_submodule("bn2")(expected.get_submodule("fc2")(raw.relu()))
            apart = torch.stack([
                (one - points[label]).square().sum()
                for one, label in zip(features, batch.labels, strict=True)
            ])  # fmt: skip
            optimizer.zero_grad()
            loss = functional.cross_entropy(logits, batch.labels) + 0.2 * apart.mean() / 2
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            for label in range(3):
                own = features[batch.labels == label].detach()
                step = (points[label] - own).sum(0) / (1 + len(own))
                points[label] -= 0.4 * step
    torch.testing.assert_close(centres.centers, points)
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value)


def test_the_state_is_the_centres_and_is_taken_over_in_place() -> None:
    first = Centres(torch.zeros(3, 2), weight=1, rate=1)
    second = Centres(torch.ones(3, 2), weight=1, rate=1)
    held = first.centers
    first.load(second.state())
    assert torch.equal(held, torch.ones(3, 2))
    second.centers.zero_()
    assert torch.equal(held, torch.ones(3, 2))
