"""What a network learns from a teacher, against the same steps in plain PyTorch."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.binarize.schedule import LayerSchedule
from trainers.build import build_model
from trainers.data.augment import Augment
from trainers.data.batches import shuffled_batches
from trainers.data.mixup import Mixup
from trainers.engine.evaluate import evaluate
from trainers.engine.fit import fit, train_one_epoch
from trainers.engine.task import Task
from trainers.engine.taught import Taught
from trainers.losses import DISTILLATIONS
from trainers.models.init import initialise
from trainers.optim.optimizers import sgd
from trainers.seeding import generator

MakeTask = Callable[..., Task]
Plain = Callable[[nn.Module, nn.Module, Tensor, Tensor], Tensor]


def _network(seed: int) -> nn.Module:
    model = build_model("mlp", widths=[9, 6, 3])
    initialise(model, torch.Generator().manual_seed(seed))
    return model.double()


def _hidden(model: nn.Module, images: Tensor) -> Tensor:
    fc1, bn1 = model.get_submodule("fc1"), model.get_submodule("bn1")
    hidden: Tensor = bn1(fc1(images.flatten(1))).relu()
    return hidden


def _kl(model: nn.Module, teacher: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    ours, theirs = (net(images) / 4 for net in (model, teacher))
    chances = theirs.softmax(1)
    apart = (chances * (chances.log() - ours.log_softmax(1))).sum() / len(images)
    return 0.25 * functional.cross_entropy(4 * ours, labels) + 0.5 * 16 * apart


def _features(model: nn.Module, teacher: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    hidden = _hidden(model, images)
    ours, theirs = (part / part.norm() for part in (hidden, _hidden(teacher, images)))
    logits = model.get_submodule("bn2")(model.get_submodule("fc2")(hidden))
    return functional.cross_entropy(logits, labels) + 3 * (ours - theirs).square().sum()


def _refined(model: nn.Module, teacher: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    return -(teacher(images).softmax(1) * model(images).log_softmax(1)).sum() / len(images)


CASES: dict[str, tuple[dict[str, object], Plain]] = {
    "kl": ({"temperature": 4.0, "weight": 0.5, "label_weight": 0.25}, _kl),
    "features": ({"norm": "batch", "reduction": "sum", "weight": 3.0}, _features),
    "label_refinery": ({}, _refined),
}


@pytest.mark.parametrize("name", CASES)
def test_a_taught_network_takes_the_steps_of_plain_pytorch(make_task: MakeTask, name: str) -> None:
    options, plain = CASES[name]
    model, teacher = _network(3), _network(4)
    expected, unmoved = copy.deepcopy(model), copy.deepcopy(teacher.state_dict())
    how = DISTILLATIONS[name](**options)
    assert how is not None
    parts = {"model": model, "optimizer": sgd(model.parameters(), lr=0.1)}
    task = make_task(
        **parts, schedule=LayerSchedule(), dtype=torch.float64, added=(Taught(teacher, how),)
    )
    optimizer = torch.optim.SGD(expected.parameters(), lr=0.1)
    losses = []
    for epoch in range(2):
        scores = train_one_epoch(task, epoch)
        total = 0.0
        order = generator(task.seed, "order", epoch)
        for batch in shuffled_batches(task.splits.train, size=8, generator=order):
            optimizer.zero_grad()
            loss = plain(expected.train(), teacher, batch.images, batch.labels)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.item() * len(batch)
        losses.append((scores.loss, total / 20))
    for ours, theirs in losses:
        assert ours == pytest.approx(theirs, rel=1e-9)
    for name_of, value in expected.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name_of], value)
    # Neither a step nor a statistic of the teacher has moved.
    assert all(torch.equal(value, unmoved[key]) for key, value in teacher.state_dict().items())


class _Seen(nn.Module):
    """A teacher that keeps what it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.images.append(images.clone())
        return torch.zeros(len(images), 3, dtype=images.dtype)


def test_the_teacher_sees_the_varied_batch_that_the_network_sees(make_task: MakeTask) -> None:
    how, teacher = DISTILLATIONS["kl"](), _Seen()
    assert how is not None
    augment = Augment(crop=1, flip=True, mixup=Mixup(alpha=1.0))
    task = make_task(augment=augment, added=(Taught(teacher, how),), epochs=1)
    seen: list[Tensor] = []

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if module.training:
            seen.append(inputs[0].clone())

    task.model.register_forward_pre_hook(look)
    fit(task)
    assert len(seen) == 3
    assert all(torch.equal(*pair) for pair in zip(seen, teacher.images, strict=True))


def test_an_evaluation_asks_no_teacher_and_nothing_stays_on_the_network(
    make_task: MakeTask,
) -> None:
    how = DISTILLATIONS["features"]()
    assert how is not None
    task = make_task(added=(Taught(build_model("mlp", widths=[9, 6, 3]), how),), epochs=1)
    metrics = fit(task)[0]
    alone = evaluate(
        task.model, task.splits.validation, loss=task.loss, batch_size=4, autocast=task.autocast
    )
    assert metrics.validation == alone
    hooks = [module for module in task.model.modules() if module._forward_hooks]
    assert not hooks
    assert not any(module._forward_pre_hooks for module in task.model.modules())
