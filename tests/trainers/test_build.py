"""From a spec to the task the engine trains."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainers.binarize.attach import binarizers, latent_weights
from trainers.build import _memory_format, build_model, build_task, load_splits
from trainers.engine.fit import train_one_epoch
from trainers.engine.freezing import normalisations
from trainers.engine.task import Task
from trainers.errors import SpecError, UnknownNameError
from trainers.spec.train_spec import TrainSpec

MakeSpec = Callable[..., TrainSpec]
NOWHERE = Path("no", "folder", "is", "needed")


def _task(spec: TrainSpec) -> Task:
    return build_task(spec, data_dir=NOWHERE, device=torch.device("cpu"))


def _same_weights(left: nn.Module, right: nn.Module) -> bool:
    pairs = zip(left.parameters(), right.parameters(), strict=True)
    return all(torch.equal(first, second) for first, second in pairs)


def test_build_model_gives_a_plain_network() -> None:
    model = build_model("mlp", widths=[6, 4, 3])
    assert list(binarizers(model)) == []
    assert model(torch.randn(2, 1, 2, 3)).shape == (2, 3)


def test_build_model_refuses_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match="unknown model 'mlpp', did you mean 'mlp'"):
        build_model("mlpp", widths=[6, 3])


def test_a_task_has_what_the_spec_says(make_spec: MakeSpec) -> None:
    spec = make_spec(
        lr_schedule={"name": "multistep", "milestones": [2], "gamma": 0.5},
        data={"name": "digits", "batch_size": 50, "eval_batch_size": 70},
        weights={"name": "sign", "clip": 0.75},
    )
    task = _task(spec)
    assert [name for name, _ in binarizers(task.model)] == ["fc1", "fc2"]
    assert not any(step.enabled for _, step in binarizers(task.model))
    assert [step.clip for _, step in binarizers(task.model)] == [0.75, 0.75]
    assert [task.lr(epoch) for epoch in (0, 1, 2)] == [0.01, 0.01, 0.005]
    assert (task.batch_size, task.eval_batch_size) == (50, 70)
    assert (task.epochs, task.seed, task.schedule) == (5, 7, spec.layers)
    assert isinstance(task.optimizer, torch.optim.Adam)
    assert len(task.splits.train) == 1077
    assert isinstance(task.autocast, nullcontext)


def test_the_optimizer_updates_every_parameter_of_the_model(make_spec: MakeSpec) -> None:
    task = _task(make_spec())
    held = {id(p) for group in task.optimizer.param_groups for p in group["params"]}
    assert held == {id(parameter) for parameter in task.model.parameters()}


def test_first_weights_come_from_the_seed_alone(make_spec: MakeSpec) -> None:
    torch.manual_seed(1)
    first = _task(make_spec()).model
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert _same_weights(first, _task(make_spec()).model)
    assert torch.equal(torch.get_rng_state(), before)
    assert not _same_weights(first, _task(make_spec(seed=8)).model)


def test_first_weights_are_those_of_the_first_recorded_results(make_spec: MakeSpec) -> None:
    # Seed 7, torch 2.15, drawn in single precision: other numbers make every recorded trial
    # another one.
    model = _task(make_spec()).model
    first = latent_weights(model)["fc1"][0, :3].tolist()
    assert first == pytest.approx([0.0757597983, 0.0708505064, 0.0947437584], rel=1e-6)
    last = model.get_parameter("fc3.bias")[:2].tolist()
    assert last == pytest.approx([-0.2282258123, -0.1091921926], rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_first_weights_do_not_depend_on_the_default_dtype(
    dtype: torch.dtype, make_spec: MakeSpec
) -> None:
    expected = _task(make_spec()).model
    standard = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        model = _task(make_spec()).model
    finally:
        torch.set_default_dtype(standard)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert _same_weights(model, expected)


def test_first_weights_do_not_depend_on_which_layers_turn_binary(make_spec: MakeSpec) -> None:
    first = latent_weights(_task(make_spec()).model)
    second = latent_weights(_task(make_spec(layers={"order": [3]})).model)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("float32", torch.float32),
        ("tf32", torch.float32),
        ("bfloat16", torch.float32),
        ("float64", torch.float64),
    ],
)
def test_precision_sets_the_type_of_weights_and_images(
    precision: str, dtype: torch.dtype, make_spec: MakeSpec
) -> None:
    task = _task(make_spec(precision=precision))
    assert {parameter.dtype for parameter in task.model.parameters()} == {dtype}
    assert task.splits.validation.images.dtype == dtype
    with task.autocast:
        assert torch.is_autocast_enabled("cpu") is (precision == "bfloat16")


def test_statistics_move_as_fast_as_the_spec_says_or_as_the_network_does(
    make_spec: MakeSpec,
) -> None:
    def momenta(**parts: object) -> set[float]:
        return {norm.momentum for norm in normalisations(_task(make_spec(**parts)).model)}

    assert momenta() == {0.1}
    assert momenta(batch_norm={"momentum": 0.2}) == {0.2}


def test_a_network_without_normalisation_has_no_momentum(make_spec: MakeSpec) -> None:
    conv = {"name": "conv", "depth": 2, "in_channels": 1, "image_size": 8}
    layers = {"order": ["conv1"]}
    make_spec(model=conv, layers=layers)
    with pytest.raises(SpecError, match=r"batch_norm\.momentum: 'conv' with .* has no batch norm"):
        make_spec(model=conv, layers=layers, batch_norm={"momentum": 0.2})
    make_spec(model={**conv, "norm": True}, layers=layers, batch_norm={"momentum": 0.2})


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_network_gets_its_images_as_the_spec_says(
    channels_last: bool, make_spec: MakeSpec
) -> None:
    conv = {"name": "conv", "depth": 2, "width": 0.125, "in_channels": 1, "image_size": 8}
    spec = make_spec(model=conv, layers={"order": [1]}, channels_last=channels_last)
    expected = torch.channels_last if channels_last else torch.preserve_format
    assert _task(spec).memory_format == expected


@pytest.mark.parametrize(
    ("name", "options", "is_faster"),
    [
        ("resnet20", {}, True),
        ("resnet_cifar", {"depth": 20}, True),
        ("wrn", {"depth": 8, "width": 0.25}, True),
        ("bireal_resnet", {"depth": 18, "width_factor": 0.25}, True),
        ("nin", {}, True),
        ("densenet", {}, True),
        ("mobilenet", {}, True),
        ("conv", {"depth": 4}, True),
        ("vgg5", {}, True),
        ("vgg_small", {}, True),
        ("resnet18_sketch", {}, True),
        ("googlenet", {}, True),
        ("sketchanet", {}, True),
        ("squeezenet", {}, False),
        ("alexnet", {}, False),
    ],
)
def test_a_family_that_was_measured_to_be_faster_so_has_its_channels_innermost(
    name: str, options: dict[str, Any], is_faster: bool, make_spec: MakeSpec
) -> None:
    network, spec = build_model(name, **options), make_spec()
    usual = torch.channels_last if is_faster else torch.preserve_format
    assert _memory_format(spec, network, torch.device("cpu")) == usual
    assert _memory_format(spec, network, torch.device("cuda")) == torch.preserve_format
    off = replace(spec, channels_last=False)
    assert _memory_format(off, network, torch.device("cpu")) == torch.preserve_format


def test_channels_last_wants_convolutions(make_spec: MakeSpec) -> None:
    with pytest.raises(SpecError, match=r"^channels_last: 'mlp' has no convolution; remove it$"):
        make_spec(channels_last=True)


@pytest.mark.parametrize(("name", "more"), [("adam", {}), ("sgd", {"momentum": 0.9})])
def test_gradients_are_centralized_if_the_optimizer_says_so(
    name: str, more: dict[str, object], make_spec: MakeSpec
) -> None:
    options = {"name": name, "lr": 0.01, "grad_centralization": True, **more}
    task = _task(make_spec(optimizer=options, epochs=1, layers={"order": []}))
    before = task.model.get_parameter("fc1.weight").clone()
    train_one_epoch(task, 0)
    moved = task.model.get_parameter("fc1.weight") - before
    assert moved.abs().max() > 1e-4
    if name == "sgd":
        # Without weight decay, the mean of each unit's weights stays.
        assert moved.mean(1).abs().max() < 1e-6


def test_a_data_set_is_read_once_by_a_process(make_spec: MakeSpec) -> None:
    source = make_spec().data.source
    assert load_splits(source, data_dir=NOWHERE) is load_splits(source, data_dir=NOWHERE)


def test_the_rate_grows_with_the_images_of_a_step(make_spec: MakeSpec) -> None:
    data = {"name": "digits", "batch_size": 64}
    assert _task(make_spec(data=data)).lr(0) == 0.01
    assert _task(make_spec(data=data, lr_batch=64)).lr(0) == 0.01
    scaled = make_spec(data={**data, "accumulate": 4}, lr_batch=128)
    assert _task(scaled).lr(0) == pytest.approx(0.02)


def test_steps_of_several_batches_leave_no_room_for_centres(make_spec: MakeSpec) -> None:
    data = {"name": "digits", "accumulate": 2}
    with pytest.raises(SpecError, match=r"center_loss: moves its centres by one batch"):
        make_spec(data=data, center_loss={"weight": 0.1})
    with pytest.raises(SpecError, match=r"data\.accumulate: must be 1 or more, got 0"):
        make_spec(data={"name": "digits", "accumulate": 0})
