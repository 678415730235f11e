"""The training loop, against a network worked out by hand where that is short."""

import math
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from torch import Generator, Tensor, nn

from trainers.binarize.attach import (
    binarize_weights,
    binarizers,
    initialise_binarizers,
    latent_weights,
)
from trainers.binarize.schedule import LayerSchedule
from trainers.binarize.weights import WEIGHT_BINARIZERS
from trainers.binarize.weights.sign import SignBinarizer
from trainers.build import build_model
from trainers.data.augment import Augment
from trainers.data.batches import shuffled_batches
from trainers.data.gaussian import Gaussian
from trainers.data.splits import Normalisation, Split, Splits
from trainers.engine.eval_batches import EvalBatches
from trainers.engine.evaluate import evaluate
from trainers.engine.fit import _scores, _share_of_step, fit, train_one_epoch
from trainers.engine.latent import weights_sha256
from trainers.engine.result import EpochMetrics, Scores
from trainers.engine.task import Task
from trainers.errors import BadLossError
from trainers.losses import cross_entropy
from trainers.models.init import initialise
from trainers.optim.optimizers import multistep, sgd
from trainers.seeding import generator

MakeTask = Callable[..., Task]


def _roomy(first: int, device: torch.device) -> EvalBatches:
    return EvalBatches(first, lambda: 0)


class Recorder:
    def __init__(self) -> None:
        self.heard: list[EpochMetrics] = []

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        self.heard.append(metrics)


def test_a_step_moves_the_latent_weight_by_the_gradient_at_the_binary_weight(
    make_task: MakeTask,
) -> None:
    task = make_task(dtype=torch.float64, batch_size=20, epochs=1, schedule=LayerSchedule(
        order=("fc1",)))  # fmt: skip
    before = {name: weight.detach().clone() for name, weight in latent_weights(task.model).items()}
    train = task.splits.train
    # The same network by hand, on all 20 images at once.
    leaves = {
        "fc1": torch.where(before["fc1"] >= 0, 1.0, -1.0).double().requires_grad_(),
        "fc2": before["fc2"].clone().requires_grad_(),
    }
    x = train.images.flatten(1)
    for number in (1, 2):
        bias = task.model.get_parameter(f"fc{number}.bias").detach()
        x = x @ leaves[f"fc{number}"].T + bias
        x = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()
        x = x.relu() if number == 1 else x
    loss = cross_entropy()(x, train.labels)
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    metrics = fit(task)[0]
    assert metrics.train.loss == pytest.approx(loss.item(), rel=1e-9)
    for name, gradient in zip(leaves, gradients, strict=True):
        expected = before[name] - 0.1 * gradient
        torch.testing.assert_close(latent_weights(task.model)[name].detach(), expected)


def test_training_scores_weigh_batches_by_their_size(make_task: MakeTask) -> None:
    # At rate 0 nothing moves; 20 images in batches of 8 leave a last batch of 4.
    task = make_task(rate=0.0, epochs=1)
    task.model.train()
    order = generator(task.seed, "order", 0)
    batches = list(shuffled_batches(task.splits.train, size=8, generator=order))
    assert [len(batch) for batch in batches] == [8, 8, 4]
    scores = train_one_epoch(task, 0)
    losses, correct = [], 0
    for batch in batches:
        logits = task.model(batch.images)
        losses.append(task.loss(logits, batch.labels).item() * len(batch))
        correct += int((logits.argmax(1) == batch.labels).sum())
    assert scores.loss == pytest.approx(sum(losses) / 20, rel=1e-6)
    assert scores.accuracy == correct / 20


def test_each_epoch_has_its_own_order_from_seed_and_epoch(make_task: MakeTask) -> None:
    seen: list[list[int]] = []

    def watching(logits: Tensor, labels: Tensor) -> Tensor:
        seen.append(labels.tolist())
        return cross_entropy()(logits, labels)

    task = make_task(loss=watching, batch_size=20)
    for epoch in (0, 1, 0):
        train_one_epoch(task, epoch)
    assert seen[0] == seen[2]
    assert seen[0] != seen[1]
    assert sorted(seen[0]) == sorted(seen[1])


def test_each_epoch_has_its_own_draws_of_binarizers_from_seed_and_epoch(
    make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[float] = []

    def drawing(binarizer: SignBinarizer, epoch: int, generator: Generator) -> None:
        drawn.append(torch.rand((), generator=generator).item())

    monkeypatch.setattr(SignBinarizer, "begin_epoch", drawing)
    task = make_task()
    for epoch in (0, 1, 0):
        train_one_epoch(task, epoch)
    # Each of the two layers draws.
    assert drawn[:2] == drawn[4:]
    assert len(set(drawn)) == 4


@pytest.mark.parametrize("augment", [Augment(flip=True), Augment(variation=Gaussian(std=0.1))])
def test_each_epoch_has_its_own_augmentation_from_seed_and_epoch(
    augment: Augment, make_task: MakeTask
) -> None:
    seen: list[Tensor] = []
    pixels = torch.arange(9, dtype=torch.uint8).mul(25).reshape(1, 1, 3, 3)
    # Equal images, so that the order of an epoch does not count.
    alike = Split(
        images=pixels.expand(20, -1, -1, -1),
        labels=torch.zeros(20, dtype=torch.int64),
        normalisation=Normalisation.of([0.5], [0.5]),
    )
    task = make_task(augment=augment, batch_size=20, splits=Splits(train=alike, validation=alike))
    task.model.register_forward_pre_hook(lambda model, inputs: seen.append(*inputs))
    for epoch in (0, 1, 0):
        train_one_epoch(task, epoch)
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])


def test_latent_weights_stay_within_their_bound(make_task: MakeTask) -> None:
    task = make_task(weights={"clip": 0.05}, rate=0.5)
    fit(task)
    for weight in latent_weights(task.model).values():
        assert weight.abs().max() <= 0.05
    free = make_task(rate=0.5)
    fit(free)
    assert latent_weights(free.model)["fc1"].abs().max() > 0.05


def test_layers_turn_binary_as_scheduled_and_are_listed_in_forward_order(
    make_task: MakeTask,
) -> None:
    epochs = fit(make_task())
    assert [metrics.binary for metrics in epochs] == [("fc2",), ("fc1", "fc2"), ("fc1", "fc2")]
    assert [metrics.epoch for metrics in epochs] == [0, 1, 2]


def test_after_a_run_the_model_is_as_the_last_epoch_was_measured(make_task: MakeTask) -> None:
    task = make_task()
    last = fit(task)[-1]
    assert all(step.enabled for _, step in binarizers(task.model))
    for split, scores in (
        (task.splits.validation, last.validation),
        (task.splits.test, last.test),
    ):
        again = evaluate(task.model, split, loss=task.loss, batch_size=4, autocast=task.autocast)
        assert again == scores


def test_evaluation_takes_as_many_images_at_a_time_as_the_task_finds_room_for(
    make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def noted(*args: Any, batch_size: int, **options: Any) -> Scores:
        sizes.append(batch_size)
        return evaluate(*args, batch_size=batch_size, **options)

    monkeypatch.setattr("trainers.engine.fit.evaluate", noted)
    # There is no GPU in the suite: one with room for everything is played.
    monkeypatch.setattr(
        "trainers.engine.task.eval_batches", lambda n, _: EvalBatches(n, lambda: 0)
    )
    grown = fit(make_task())
    # Nine images validate, six test.
    assert sizes == [4, 8, 8, 16, 16, 16]
    monkeypatch.undo()
    for one, other in zip(grown, fit(make_task()), strict=True):
        assert one.validation.accuracy == other.validation.accuracy
        assert one.validation.loss == pytest.approx(other.validation.loss, rel=1e-6)


def test_pictures_that_are_read_while_training_are_evaluated_as_many_at_a_time_as_asked(
    make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pictures:
        """A split of pictures that lie in files."""

        uncut = "in files"

        def __len__(self) -> int:
            return 1000

    sizes: list[int] = []

    def noted(*args: Any, batch_size: int, **options: Any) -> Scores:
        sizes.append(batch_size)
        return Scores(loss=1.0, accuracy=0.5)

    monkeypatch.setattr("trainers.engine.fit.evaluate", noted)
    monkeypatch.setattr(
        "trainers.engine.task.eval_batches", lambda n, _: EvalBatches(n, lambda: 0)
    )
    task = make_task()
    for _ in range(3):
        _scores(task, cast(Split, Pictures()))
    assert sizes == [4, 4, 4]


def test_the_rate_follows_the_schedule_and_is_used(make_task: MakeTask) -> None:
    task = make_task(lr=multistep(0.5, milestones=(1,), gamma=0.0))
    states: list[str] = []

    class Watch:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            states.append("".join(str(p.sum().item()) for p in task.model.parameters()))

    epochs = fit(task, callbacks=[Watch()])
    assert [metrics.lr for metrics in epochs] == [0.5, 0.0, 0.0]
    assert states[0] == states[1] == states[2]
    assert task.optimizer.param_groups[0]["lr"] == 0.0


def test_flipped_signs_are_counted_against_the_epoch_before(make_task: MakeTask) -> None:
    task = make_task(rate=0.3, epochs=2)
    signs = [{n: w.detach() >= 0 for n, w in latent_weights(task.model).items()}]

    class Watch:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            signs.append({n: w.detach() >= 0 for n, w in latent_weights(task.model).items()})

    epochs = fit(task, callbacks=[Watch()])
    for metrics, before, after in zip(epochs, signs, signs[1:], strict=False):
        for name, statistics in metrics.latent.items():
            expected = (before[name] != after[name]).double().mean().item()
            assert statistics.signs_flipped == pytest.approx(expected)
    assert any(metrics.latent["fc1"].signs_flipped > 0 for metrics in epochs)


def test_times_are_of_this_epoch(make_task: MakeTask) -> None:
    before = time.time_ns() // 1_000_000
    started = time.perf_counter()
    epochs = fit(make_task(epochs=2))
    assert 0 < sum(metrics.wall_s for metrics in epochs) <= time.perf_counter() - started
    assert before <= epochs[0].time_ms <= epochs[1].time_ms <= time.time_ns() // 1_000_000


def test_callbacks_hear_every_epoch_in_the_order_given(make_task: MakeTask) -> None:
    heard: list[tuple[str, int]] = []

    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            heard.append((self.name, metrics.epoch))

    fit(make_task(epochs=2), callbacks=[Named("a"), Named("b")])
    assert heard == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]


def test_history_is_told_first_and_not_trained_again(
    make_task: MakeTask, untimed: Callable[[EpochMetrics], Any]
) -> None:
    whole = fit(make_task())
    task = make_task()
    first = fit_epochs(task, 2)
    recorder = Recorder()
    epochs = fit(task, history=first, callbacks=[recorder])
    assert recorder.heard[0] is first[0]
    assert recorder.heard[1] is first[1]
    assert list(epochs) == recorder.heard
    assert [untimed(metrics) for metrics in epochs] == [untimed(metrics) for metrics in whole]


def fit_epochs(task: Task, count: int) -> list[EpochMetrics]:
    """Trains the first epochs of a task, as a run that is stopped after them."""

    class Stop:
        def __init__(self) -> None:
            self.heard: list[EpochMetrics] = []

        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            self.heard.append(metrics)
            if len(self.heard) == count:
                raise KeyboardInterrupt

    stop = Stop()
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        fit(task, callbacks=[stop])
    return stop.heard


def test_a_complete_history_trains_nothing(make_task: MakeTask) -> None:
    task = make_task()
    history = fit(task)
    digest = weights_sha256(task.model)
    assert fit(task, history=history) == history
    assert weights_sha256(task.model) == digest


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_finite_number_ends_the_run_in_its_epoch(
    value: float, make_task: MakeTask
) -> None:
    calls = 0

    def breaking(logits: Tensor, labels: Tensor) -> Tensor:
        # An epoch has three training batches, then three and two of evaluation: the eleventh call
        # is for the last training batch of the second epoch.
        nonlocal calls
        calls += 1
        return cross_entropy()(logits, labels) * (value if calls == 11 else 1.0)

    recorder = Recorder()
    message = f"the training loss of epoch 2 is {value}; a lower lr may help"
    with pytest.raises(BadLossError, match=message):
        fit(make_task(loss=breaking), callbacks=[recorder])
    assert [metrics.epoch for metrics in recorder.heard] == [0]


def test_a_collapsed_layer_is_named_as_the_reason_of_the_nan(make_task: MakeTask) -> None:
    model = build_model("mlp", widths=[9, 6, 3])
    binarize_weights(model, ["fc1", "fc2"], "biprop_global", ramp_epochs=0, published_alpha=True)
    with torch.no_grad():
        model.get_parameter("fc1.parametrizations.weight.0.scores").uniform_(1, 2)
        model.get_parameter("fc2.parametrizations.weight.0.scores").mul_(1e-3)
    everything = LayerSchedule(order=("fc1", "fc2"))
    task = make_task(model=model, optimizer=sgd(model.parameters(), lr=0.1), schedule=everything)
    # The NaN of fc2 makes all scores NaN in the first step; yet only fc2 is named.
    message = r"of epoch 1 is nan: fc2: no score is above the threshold, .*; train without publ"
    with pytest.raises(BadLossError, match=message) as raised:
        fit(task)
    assert "fc1" not in str(raised.value)
    assert "lr" not in str(raised.value)


def test_momentum_of_the_optimizer_lasts_over_epochs(make_task: MakeTask) -> None:
    task = make_task()
    optimizer = sgd(task.model.parameters(), lr=0.1, momentum=0.9)
    task = make_task(model=task.model, optimizer=optimizer)
    fit(task)
    assert len(optimizer.state) == len(list(task.model.parameters()))


def _byte_splits() -> Splits:
    """Bytes, of which the training part is every other row."""
    source = torch.Generator().manual_seed(4)
    pixels = torch.randint(0, 256, (40, 1, 3, 3), generator=source, dtype=torch.uint8)
    rows = torch.arange(0, 40, 2)
    normalisation = Normalisation.of((0.5,), (0.25,))

    def part(rows: Tensor) -> Split:
        return Split(images=pixels, labels=rows % 3, rows=rows, normalisation=normalisation)

    return Splits(train=part(rows), validation=part(rows + 1), test=part(rows[:5] + 1))


def _as_floats(split: Split) -> Split:
    assert split.normalisation is not None
    black = split.normalisation(torch.zeros(1, 1, 1, 1, dtype=torch.uint8)).item()
    images = split.normalisation(split.own_images())
    return Split(images=images, labels=split.labels, blank=black)


@pytest.mark.parametrize("augment", [Augment(), Augment(crop=1, flip=True)])
def test_bytes_train_and_measure_to_the_bits_of_normalised_images(
    augment: Augment, make_task: MakeTask, untimed: Callable[[EpochMetrics], dict[str, Any]]
) -> None:
    splits = _byte_splits()
    assert splits.test is not None
    floats = Splits(
        train=_as_floats(splits.train),
        validation=_as_floats(splits.validation),
        test=_as_floats(splits.test),
    )
    tasks = [make_task(splits=each, augment=augment) for each in (splits, floats)]
    epochs = [[untimed(metrics) for metrics in fit(task)] for task in tasks]
    assert epochs[0] == epochs[1]
    assert weights_sha256(tasks[0].model) == weights_sha256(tasks[1].model)


def test_augmentation_changes_training_and_its_draws_change_by_epoch(make_task: MakeTask) -> None:
    plain, augmented = make_task(), make_task(augment=Augment(crop=1))
    assert fit(plain)[-1].train != fit(augmented)[-1].train
    draws = [Augment(crop=1).drawn(20, generator(5, "augment", epoch)) for epoch in (0, 1)]
    assert draws[0] is not None
    assert draws[1] is not None
    assert not torch.equal(draws[0].top, draws[1].top)


class _Convolutional(nn.Module):
    """Two convolutions that note how their images lie in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 3, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(3)
        self.seen: set[tuple[bool, bool]] = set()

    def forward(self, images: Tensor) -> Tensor:
        inside = self.conv1(images).relu()
        kinds = (images.is_contiguous(memory_format=torch.channels_last),)
        kinds += (inside.is_contiguous(memory_format=torch.channels_last),)
        self.seen.add(kinds)
        logits: Tensor = self.bn2(self.conv2(inside)).mean((2, 3))
        return logits


@pytest.mark.parametrize("name", sorted(WEIGHT_BINARIZERS))
def test_channels_last_changes_only_rounding_whatever_is_binary(
    name: str, make_task: MakeTask
) -> None:
    found = {}
    for memory_format in (torch.preserve_format, torch.channels_last):
        model = _Convolutional()
        initialise(model, generator(3, "weights"))
        model.double()
        binarize_weights(model, ["conv1", "conv2"], name)
        initialise_binarizers(model, generator(3, "scores"))
        source = torch.Generator().manual_seed(1)
        images = torch.randn(20, 3, 6, 6, generator=source, dtype=torch.float64)
        part = Split(images=images, labels=torch.arange(20) % 3)
        task = make_task(
            model=model,
            optimizer=sgd(model.parameters(), lr=0.1),
            splits=Splits(train=part, validation=part),
            schedule=LayerSchedule(order=("conv1", "conv2")),
            epochs=2,
            memory_format=memory_format,
        )
        last = fit(task)[-1]
        is_last = memory_format == torch.channels_last
        assert model.seen == {(is_last, is_last)}
        weights = [weight.detach() for weight in latent_weights(model).values()]
        assert all(weight.is_contiguous() for weight in weights)
        found[memory_format] = (last.train.loss, last.validation.loss, *weights)
    for one, other in zip(*found.values(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-12)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_augmented_bytes_are_the_same_on_a_gpu() -> None:
    here = _byte_splits()
    there = here.to(torch.device("cuda"), torch.float32)
    batches = [
        list(
            shuffled_batches(
                splits.train,
                size=8,
                generator=generator(1, "order"),
                changes=Augment(crop=1, flip=True).drawn(20, generator(1, "augment")),
            )
        )
        for splits in (here, there)
    ]
    assert there.train.images.dtype == torch.uint8
    for one, other in zip(*batches, strict=True):
        assert torch.equal(one.labels, other.labels.cpu())
        torch.testing.assert_close(one.images, other.images.cpu(), rtol=1e-6, atol=1e-6)


def test_batches_of_one_step_have_the_gradient_of_one_large_batch(make_task: MakeTask) -> None:
    """Twenty images: steps of 12 and 8, in batches of 4, and as one batch each."""
    models = []
    for size, accumulate in ((4, 3), (12, 1)):
        task = make_task(
            dtype=torch.float64,
            batch_size=size,
            accumulate=accumulate,
            epochs=1,
            schedule=LayerSchedule(order=("fc1", "fc2")),
            clip_gradient=0.02,
            resets_latent=True,
        )
        # Each batch would be normalised on its own.
        for name in ("bn1", "bn2"):
            task.model.set_submodule(name, nn.Identity())
        fit(task)
        models.append(task.model.state_dict())
    for name, value in models[0].items():
        torch.testing.assert_close(value, models[1][name])


def test_a_last_step_with_fewer_images_weighs_them_alike(make_task: MakeTask) -> None:
    task = make_task(batch_size=8, accumulate=2)
    # Batches of 8, 8 and 4: steps of 16 and 4.
    sizes = (8, 8, 4)
    assert [_share_of_step(task, number, size) for number, size in enumerate(sizes)] == [
        0.5,
        0.5,
        1.0,
    ]
