"""Tickets trained from a spec to the end: what moves, what stays, and what a restart changes."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from trainers.binarize.attach import (
    activation_binarizers,
    binarize_weights,
    binarizers,
    latent_weights,
    set_binary,
    weight_layers,
)
from trainers.build import build_model, build_task
from trainers.data.splits import Normalisation, Split, Splits
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.engine.fit import train_one_epoch
from trainers.engine.result import EpochMetrics
from trainers.errors import SpecError
from trainers.losses import cross_entropy
from trainers.spec.train_spec import TrainSpec
from trainers.training import RunOptions, run

CPU = RunOptions(device="cpu", num_threads=1)
TICKET: dict[str, Any] = {
    "model": {
        "name": "conv",
        "depth": 2,
        "width": 0.125,
        "in_channels": 1,
        "image_size": 8,
    },
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
    "weights": {"name": "biprop", "keep": 0.4},
    "layers": {"order": "all"},
    "init": {"name": "signed_constant", "scale_fan": True},
    "epochs": 4,
    "seed": 7,
}


def make(**changes: Any) -> TrainSpec:
    return TrainSpec.from_mapping(copy.deepcopy(TICKET) | changes)


def with_norm(**options: Any) -> dict[str, Any]:
    return TICKET["model"] | {"norm": True, "affine": True} | options


def _task(spec: TrainSpec) -> Any:
    task = build_task(spec, data_dir=Path(), device=torch.device("cpu"))
    set_binary(task.model, spec.layers.order)
    return task


def _moved(spec: TrainSpec, *, epochs: int = 1) -> set[str]:
    """Which parameters an epoch changes."""
    task = _task(spec)
    for epoch in range(epochs):
        if task.freezing is not None:
            task.freezing.apply(epoch)
        before = {name: item.detach().clone() for name, item in task.model.named_parameters()}
        train_one_epoch(task, epoch)
    return {
        name
        for name, item in task.model.named_parameters()
        if not torch.equal(item.detach(), before[name])
    }


def _kinds(names: set[str]) -> set[str]:
    """scores, latent, norm weight, norm bias."""
    kinds = {"scores": "scores", "original": "latent"}
    return {kinds.get(name.rsplit(".", 1)[1], f"norm {name.rsplit('.', 1)[1]}") for name in names}


def test_a_ticket_learns_the_digits() -> None:
    result = run(make(epochs=8), options=CPU)
    assert result.last.test is not None
    # Nine in ten are wrong by chance.
    assert result.last.test.error < 0.2
    for name, binarizer in binarizers(result.model):
        weight = result.model.get_submodule(name).weight
        assert isinstance(weight, torch.Tensor)
        kept = (weight != 0).float().mean().item()
        assert kept == pytest.approx(binarizer.keep, abs=0.02)


def test_scores_alone_are_trained_and_weights_stay_as_drawn() -> None:
    assert _kinds(_moved(make())) == {"scores"}
    latent = latent_weights(_task(make()).model)
    for weight in latent.values():
        assert len(weight.abs().unique()) == 1


def test_where_no_layer_is_pruned_weights_are_trained() -> None:
    assert _kinds(_moved(make(layers={"order": []}))) == {"norm weight"}
    # That is: `weight` of a layer without a binarizer.
    assert "conv1.weight" in _moved(make(layers={"order": []}))


@pytest.mark.parametrize(
    ("batch_norm", "kinds"),
    [
        ({}, {"scores", "norm weight", "norm bias"}),
        ({"learn": "none"}, {"scores"}),
        ({"learn": "bias"}, {"scores", "norm bias"}),
        ({"tuned_from": 0}, {"norm weight", "norm bias"}),
        ({"tuned_from": 0, "learn": "bias"}, {"norm bias"}),
    ],
)
def test_normalisations_learn_what_they_shall(batch_norm: dict[str, Any], kinds: set[str]) -> None:
    assert _kinds(_moved(make(model=with_norm(), batch_norm=batch_norm))) == kinds


def test_normalisations_are_tuned_after_the_scores() -> None:
    spec = make(model=with_norm(), batch_norm={"tuned_from": 2})
    assert _kinds(_moved(spec, epochs=2)) == {"scores"}
    assert _kinds(_moved(spec, epochs=3)) == {"norm weight", "norm bias"}


def test_normalisations_need_not_decay() -> None:
    optimizer = {"name": "sgd", "lr": 0.1, "weight_decay": 0.01}
    spec = make(model=with_norm(), optimizer=optimizer, batch_norm={"decay": False})
    groups = _task(spec).optimizer.param_groups
    assert [group["weight_decay"] for group in groups] == [0.01, 0.0]
    # Conv1, conv2, fc3 and fc4 are normalised.
    assert [len(group["params"]) for group in groups] == [5, 8]


def test_normalisations_begin_as_they_are_told() -> None:
    batch_norm = {"weight": "uniform", "bias": 0.25}
    model = _task(make(model=with_norm(), batch_norm=batch_norm)).model
    assert 0 <= model.bn1.weight.min() <= model.bn1.weight.max() <= 1200**-0.5
    assert model.bn4.bias.unique().tolist() == [0.25]


def test_a_random_subnet_is_measured_as_it_was_drawn() -> None:
    spec = make(weights={"name": "biprop", "keep": 0.4, "train_scores": False}, epochs=2)
    assert _moved(spec) == set()
    result = run(spec, options=CPU)
    assert result.last.validation.accuracy < 0.5


def test_one_batch_is_learned_by_heart() -> None:
    spec = make(data=TICKET["data"] | {"one_batch": True}, epochs=60)
    task = build_task(spec, data_dir=Path(), device=torch.device("cpu"))
    assert len(task.splits.train) == 64
    result = run(spec, options=CPU)
    assert result.last.train.accuracy == 1.0


def test_gradients_are_clipped_element_by_element() -> None:
    optimizer = {"name": "sgd", "lr": 1.0}
    task = _task(make(optimizer=optimizer, clip_gradient=1e-6, data={"name": "digits"}))
    steps = 15  # 1437 images, 100 at a time
    before = [binarizer.scores.detach().clone() for _, binarizer in binarizers(task.model)]
    train_one_epoch(task, 0)
    for (_, binarizer), old in zip(binarizers(task.model), before, strict=True):
        assert (binarizer.scores - old).abs().max() <= steps * 1e-6 * 1.1


GLOBAL = {"name": "biprop_global", "keep": 0.2, "ramp_epochs": 2}


def test_one_threshold_keeps_the_share_of_all_layers_after_the_ramp() -> None:
    result = run(make(weights=GLOBAL), options=CPU)
    assert result.final_from == 2
    assert result.selected.epoch >= 2
    layers = [binarizer for _, binarizer in binarizers(result.model)]
    assert len({layer.threshold.item() for layer in layers}) == 1
    total = sum(layer.scores.numel() for layer in layers)
    kept = sum(layer.num_above for layer in layers)
    assert kept == pytest.approx(0.2 * total, abs=1)
    shares = [layer.num_above / layer.scores.numel() for layer in layers]
    assert max(shares) - min(shares) > 0.1


def test_the_share_comes_down_epoch_by_epoch() -> None:
    kept: list[int] = []

    class Counter:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            kept.append(sum(layer.num_above for _, layer in binarizers(task.model)))

    from trainers.engine.fit import fit

    task = build_task(make(weights=GLOBAL), data_dir=Path(), device=torch.device("cpu"))
    total = sum(layer.scores.numel() for _, layer in binarizers(task.model))
    fit(task, callbacks=[Counter()])
    expected = [0.5, 0.2 + 0.3 / 8, 0.2, 0.2]
    assert [count / total for count in kept] == pytest.approx(expected, abs=1e-3)


def test_a_ramp_that_would_not_end_is_refused() -> None:
    with pytest.raises(SpecError, match=r"weights.ramp_epochs: the final share .* in 4 epochs"):
        make(weights=GLOBAL | {"ramp_epochs": 4})
    # Above a half there is no ramp.
    assert make(weights=GLOBAL | {"ramp_epochs": 4, "keep": 0.6}).final_from == 0


class Stopped(Exception):
    """Stands for whatever ends a process."""


class Stopper:
    def __init__(self, after: int) -> None:
        self.after = after

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        if metrics.epoch == self.after:
            raise Stopped("after epoch")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"weights": GLOBAL},
        {"weights": {"name": "biprop_sampled"}},
        {"model": with_norm(), "batch_norm": {"tuned_from": 2, "decay": False}},
        {
            "model": with_norm(),
            "activations": "approx_sign",
            "optimizer": {"name": "adam", "lr": 0.01},
            "batch_norm": {"tuned_from": 2},
        },
        {"lr_schedule": {"name": "cosine", "warmup": 2}, "clip_gradient": 0.1},
    ],
    ids=["ticket", "global", "sampled", "tuned after", "binary inputs", "cosine"],
)
def test_a_run_that_was_killed_ends_with_the_same_bits(
    changes: dict[str, Any],
    tmp_path: Path,
    untimed: Callable[[EpochMetrics], dict[str, Any]],
) -> None:
    spec = make(**changes)
    whole = run(spec, options=CPU)
    options = RunOptions(
        device="cpu",
        num_threads=1,
        checkpoint_dir=tmp_path,
        checkpoints=CheckpointPolicy(policy="every", every=1),
    )
    with pytest.raises(Stopped, match="after epoch"):
        # The checkpoint of an epoch is written after its callbacks.
        run(spec, [Stopper(2)], options=options)
    again = run(spec, options=options)
    assert again.weights_sha256 == whole.weights_sha256
    assert [untimed(item) for item in again.epochs] == [untimed(item) for item in whole.epochs]


def test_a_run_with_tickets_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    run(make(epochs=1, weights={"name": "biprop_sampled"}), options=CPU)
    assert torch.equal(torch.get_rng_state(), before)


def test_binary_inputs_hang_where_the_spec_says() -> None:
    spec = make(model=with_norm(), activations={"name": "sign", "layers": ["conv2", "fc4"]})
    assert [name for name, _ in activation_binarizers(_task(spec).model)] == ["conv2", "fc4"]
    every = make(model=with_norm(), activations="sign")
    model = _task(every).model
    assert [name for name, _ in activation_binarizers(model)] == list(weight_layers(model)[1:])
    written = make(
        model=with_norm(), activations={"name": "sign", "layers": ["fc5", "fc3", "fc4", "conv2"]}
    )
    assert written.canonical() == every.canonical()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activations": {"name": "sgn"}}, "activations.name: unknown activation binarizer"),
        ({"activations": {"name": "sign", "clip": -1.0}}, "activations.clip: must be positive"),
        ({"activations": {"name": "sign", "layers": ["fc9"]}}, "activations.layers.0: unknown"),
        ({"activations": {"name": "sign", "layers": []}}, "activations.layers: expected diff"),
        ({"weights": {"name": "biprop", "keep": -1.0}}, "weights.keep: must be above 0"),
        ({"weights": {"name": "biprop", "prune_rate": 0.5}}, "weights.prune_rate: unknown opt"),
        ({"init": {"name": "kaiming"}}, "init.name: unknown first weights 'kaiming', did you"),
        (
            {"weights": {"name": "biprop", "keep": 1.0}},
            "init.scale_fan: scales the fan by the share that is not kept",
        ),
        ({"clip_gradient": 0.0}, "clip_gradient: must be positive"),
        ({"batch_norm": {"learn": "some"}}, "batch_norm.learn: unknown value"),
        ({"batch_norm": {"tuned_from": 9}}, "batch_norm.tuned_from: must be below the number"),
        ({"batch_norm": {"tuned_from": 1, "learn": "none"}}, "batch_norm.tuned_from: with"),
        ({"latent_at_eval": "reset"}, "latent_at_eval: overwrites latent weights"),
        (
            {"loss": {"name": "cross_entropy", "jensen_shannon": 12.0}},
            "loss.jensen_shannon: compares views",
        ),
        ({"lr_schedule": {"name": "cosine", "warmup": 4}}, "lr_schedule.warmup: must be 0 or"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make(**changes)


def test_noise_needs_images_that_are_kept_as_bytes() -> None:
    with pytest.raises(SpecError, match="data set 'digits' has no image bytes"):
        make(data=TICKET["data"] | {"augment": {"gaussian": {}}})


@pytest.mark.parametrize("augment", [{"augmix": {}}, {"gaussian": {"std": 0.2}}])
def test_three_views_of_an_image_are_trained_on_together(augment: dict[str, Any]) -> None:
    spec = make(
        model=TICKET["model"] | {"in_channels": 3, "image_size": 8},
        data={
            "name": "image_folder",
            "folder": "none",
            "size": 8,
            "train_images": 60,
            "validation": 10,
            "batch_size": 16,
            "augment": {"crop": 1, "flip": True, **augment},
        },
        loss={"name": "cross_entropy", "jensen_shannon": 12.0},
    )
    source = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (50, 3, 8, 8), generator=source, dtype=torch.uint8)
    normalisation = Normalisation.of((0.5,) * 3, (0.25,) * 3)
    split = Split(images=images, labels=torch.arange(50) % 10, normalisation=normalisation)
    digits = make(model=spec.model.to_mapping() | {"in_channels": 1})
    task = build_task(digits, data_dir=Path(), device=torch.device("cpu"))
    model = build_model("conv", **spec.model.options)
    binarize_weights(model, spec.layers.order, "biprop", keep=0.4)
    set_binary(model, spec.layers.order)
    seen: list[int] = []
    model.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    task = replace(
        task,
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        splits=Splits(train=split, validation=split),
        batch_size=16,
        augment=spec.data.augment,
        loss=cross_entropy(jensen_shannon=12.0),
        num_views=3,
    )
    before = model.fc5.parametrizations.weight[0].scores.detach().clone()
    scores = train_one_epoch(task, 0)
    assert seen[:4] == [48, 48, 48, 6]
    assert 0 <= scores.accuracy <= 1
    assert not torch.equal(model.fc5.parametrizations.weight[0].scores, before)


def test_a_ticket_survives_being_written_down() -> None:
    spec = make(
        model=with_norm(),
        activations={"name": "sign", "clip": 0.5, "layers": ["conv2"]},
        batch_norm={"learn": "bias"},
        clip_gradient=1.0,
        data={
            "name": "image_folder", "folder": "pictures", "size": 8, "channels": 1,
            "mean": [0.5], "std": [0.5], "one_batch": True,
            "augment": {"augmix": {"width": 2}},
        },
    )  # fmt: skip
    assert TrainSpec.from_mapping(spec.to_mapping()) == spec
    assert spec.canonical().canonical() == spec.canonical()


def test_scaling_reaches_the_epochs_of_tickets() -> None:
    spec = make(
        epochs=100,
        weights=GLOBAL | {"ramp_epochs": 10},
        model=with_norm(),
        batch_norm={"tuned_from": 50},
        lr_schedule={"name": "cosine", "warmup": 20},
    )
    scaled = spec.scaled(lambda epochs: max(1, epochs // 10))
    assert (scaled.epochs, scaled.final_from, scaled.batch_norm.tuned_from) == (10, 1, 5)
    assert scaled.weights.options["ramp_epochs"] == 1
    assert scaled.lr_schedule.options == {"warmup": 2}
    steps = make(epochs=100, lr_schedule="xnor").scaled(lambda epochs: max(1, epochs // 10))
    assert steps.lr_schedule.options == {"milestones": (3, 4, 5)}
