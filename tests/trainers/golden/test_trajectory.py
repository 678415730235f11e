"""Training with Adam, layer after layer, by the engine's own epoch and evaluation.

The numbers come from the reference implementation of arXiv:2111.07046, run in double precision.
In `epoch_boundary_latent_kept` its evaluation leaves the latent weights alone; as published, in
`epoch_boundary`, it overwrites them with the weights of the last training batch.
"""

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers.binarize.attach import latent_weights, set_binary
from trainers.binarize.schedule import LayerSchedule
from trainers.data.splits import Split, Splits
from trainers.engine.evaluate import evaluate
from trainers.engine.fit import train_one_epoch
from trainers.engine.latent import reset_latent
from trainers.engine.task import Task
from trainers.losses import cross_entropy
from trainers.optim.optimizers import OPTIMIZERS, constant
from trainers.seeding import generator

SEED = 1


class Steps:
    """Trains on given batches in the given order, and keeps the loss of each step."""

    def __init__(
        self, model: nn.Module, *, lr: float, batch: int, resets_latent: bool = False
    ) -> None:
        self.losses: list[float] = []
        self.used: dict[str, Tensor] = {}
        empty = Split(images=torch.empty(0, 784), labels=torch.empty(0, dtype=torch.int64))
        self.task = Task(
            model=model,
            optimizer=OPTIMIZERS["adam"](model.parameters(), lr=lr),
            loss=self._loss,
            splits=Splits(train=empty, validation=empty, test=empty),
            schedule=LayerSchedule(),
            lr=constant(lr),
            epochs=1,
            batch_size=batch,
            eval_batch_size=batch,
            seed=SEED,
            autocast=nullcontext(),
            resets_latent=resets_latent,
        )

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = cross_entropy()(logits, labels)
        self.losses.append(loss.item())
        return loss

    def epoch(self, batches: list[Split], epoch: int) -> list[float]:
        """Losses of one epoch that meets these batches in this order."""
        images = torch.cat([batch.images for batch in batches])
        labels = torch.cat([batch.labels for batch in batches])
        # The engine will shuffle; so each image is put where the shuffle takes it from.
        order = torch.randperm(len(labels), generator=generator(SEED, "order", epoch))
        train = Split(images=torch.empty_like(images), labels=torch.empty_like(labels))
        train.images[order] = images
        train.labels[order] = labels
        splits = dataclasses.replace(self.task.splits, train=train)
        self.losses.clear()
        task = dataclasses.replace(self.task, splits=splits)
        scores = train_one_epoch(task, epoch, used=self.used)
        assert scores.loss == pytest.approx(sum(self.losses) / len(self.losses), rel=1e-12)
        return list(self.losses)


def _names(layers: list[int]) -> list[str]:
    return [f"fc{layer}" for layer in layers]


def _each(model: nn.Module, measure: Callable[[Tensor], Tensor]) -> list[float]:
    return [measure(weight.detach()).item() for weight in latent_weights(model).values()]


def _close(expected: list[float]) -> Any:
    return pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["mlp300", "mlp784"])
def test_twelve_adam_steps_end_where_the_reference_ends(
    name: str, cases: dict[str, Any], formulas: Any, published: Callable[..., nn.Module]
) -> None:
    setup, expected = cases[f"{name}_adam12"]["setup"], cases[f"{name}_adam12"]["f64"]
    model = published(name)
    steps = Steps(model, lr=setup["lr"], batch=setup["batch"])
    schedule = LayerSchedule(
        order=tuple(_names(setup["order"])), epochs_per_layer=setup["switch_every"]
    )
    losses = []
    for step in range(setup["steps"]):
        assert schedule.binarized_at(step) == set(_names(expected["binarized_layers"][step]))
        set_binary(model, schedule.binarized_at(step))
        losses += steps.epoch([formulas.batch(step, setup["batch"])], step)
    assert losses == _close(expected["losses"])
    assert _each(model, torch.sum) == _close(expected["final_weight_sum"])
    assert _each(model, torch.norm) == _close(expected["final_weight_l2"])
    assert _each(model, torch.min) == _close(expected["final_weight_min"])
    assert _each(model, torch.max) == _close(expected["final_weight_max"])
    assert _each(model, lambda weight: (weight > 0).sum()) == expected["n_sign_plus"]
    for kind in ("weight", "bias"):
        norms = [model.get_parameter(f"bn{n}.{kind}").norm().item() for n in (1, 2, 3)]
        assert norms == _close(expected[f"final_bn_{kind}_l2"])


@pytest.mark.parametrize("resets_latent", [False, True])
def test_latent_weights_live_on_through_evaluations_or_are_lost_as_published(
    resets_latent: bool,
    cases: dict[str, Any],
    formulas: Any,
    published: Callable[..., nn.Module],
) -> None:
    kept = "" if resets_latent else "_latent_kept"
    case = cases[f"mlp300_epoch_boundary{kept}"]
    setup, log = case["setup"], case["f64"]["epochs_log"]
    size = setup["batch"]
    model = published("mlp300")
    steps = Steps(model, lr=setup["lr"], batch=size, resets_latent=resets_latent)
    schedule = LayerSchedule(
        order=tuple(_names(setup["order"])), epochs_per_layer=setup["epochs_per_layer"]
    )
    held_out = [
        formulas.batch(setup["eval_offset_batches"] + number, size)
        for number in range(setup["eval_batches"])
    ]
    test = Split(
        images=torch.cat([batch.images for batch in held_out]),
        labels=torch.cat([batch.labels for batch in held_out]),
    )
    for epoch, expected in enumerate(log):
        assert schedule.binarized_at(epoch) == set(_names(expected["binarized"]))
        set_binary(model, schedule.binarized_at(epoch))
        first = epoch * setup["train_batches"]
        batches = [formulas.batch(first + n, size) for n in range(setup["train_batches"])]
        assert steps.epoch(batches, epoch) == _close(expected["train_losses"])
        assert _each(model, torch.norm) == _close(expected["weight_l2_before_eval"])
        assert _each(model, torch.sum) == _close(expected["weight_sum_before_eval"])
        if resets_latent:
            reset_latent(model, steps.used)
        scores = evaluate(
            model, test, loss=cross_entropy(), batch_size=size, autocast=nullcontext()
        )
        logged = expected["logged"]
        # The reference divides the sum of its batches' mean losses by the number of images.
        assert scores.loss == pytest.approx(logged["test/loss"] * size, rel=1e-6)
        assert scores.accuracy == pytest.approx(logged["test/accuracy"], rel=1e-9)
        assert scores.error == pytest.approx(logged["test/error"], rel=1e-9)
        assert _each(model, torch.norm) == _close(expected["weight_l2_after_eval"])
        assert _each(model, torch.sum) == _close(expected["weight_sum_after_eval"])
        largest, smallest = max(_each(model, torch.max)), min(_each(model, torch.min))
        assert largest == pytest.approx(logged["test/weight/max"], rel=1e-6)
        assert smallest == pytest.approx(logged["test/weight/min"], rel=1e-6)
