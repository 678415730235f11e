"""Generators by seed, purpose and epoch."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch

from trainers import CheckpointPolicy, RunOptions, TrainSpec, run
from trainers.engine.result import EpochMetrics
from trainers.seeding import generator, global_draws


def test_seeds_are_what_they_were_when_results_were_first_recorded() -> None:
    # Leading 63 bits of SHA-256 of "316/weights/0" and "316/order/3": a change makes every
    # recorded trial another one.
    assert generator(316, "weights").initial_seed() == 3059288673013708200
    assert generator(316, "order", 3).initial_seed() == 3777354544109375682
    drawn = torch.randperm(8, generator=generator(316, "order", 3)).tolist()
    assert drawn == [6, 3, 1, 7, 2, 5, 4, 0]


def test_seed_purpose_and_epoch_each_give_another_generator() -> None:
    arguments = itertools.product((0, 1, 11), ("order", "weights"), (0, 1, 11))
    seeds = [generator(*each).initial_seed() for each in arguments]
    assert len(set(seeds)) == len(seeds) == 18


def test_a_generator_starts_anew_at_each_call_and_leaves_global_state_alone() -> None:
    before = torch.get_rng_state()
    first, second = (torch.rand(4, generator=generator(1, "order", 2)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeds_of_any_size_are_taken() -> None:
    assert generator(10**30, "order").initial_seed() >= 0
    assert all(generator(seed, "order").initial_seed() < 2**63 for seed in range(50))


def test_global_draws_depend_on_the_seed_alone_and_leave_the_global_state_alone() -> None:
    cpu, before = torch.device("cpu"), torch.get_rng_state()
    drawn = []
    for seed, epoch in ((1, 2), (1, 2), (1, 3), (2, 2)):
        with global_draws(seed, "dropout", epoch, device=cpu):
            drawn.append(torch.rand(4).tolist())
        assert torch.equal(torch.get_rng_state(), before)
    assert drawn[0] == drawn[1]
    assert len({tuple(numbers) for numbers in drawn}) == 3


CPU = RunOptions(device="cpu", num_threads=1)


class Interrupted(Exception):
    """Stands for whatever ends a process."""


class Ending:
    """Ends a run after its first epoch."""

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        raise Interrupted("after epoch")


def _spec(**changes: Any) -> TrainSpec:
    """A trial of a network with dropout."""
    net = {"name": "densenet", "depth": 10, "growth": 2, "in_channels": 1, "dropout": 0.3}
    return TrainSpec.from_mapping(
        {
            "model": net,
            "data": {"name": "digits", "batch_size": 256},
            "optimizer": {"name": "adam", "lr": 0.01},
            "epochs": 2,
            "seed": 7,
            **changes,
        }
    )


def test_masks_of_dropout_depend_on_the_seed_alone_and_the_global_state_stays() -> None:
    torch.manual_seed(1)
    first = run(_spec(), options=CPU)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = run(_spec(), options=CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.weights_sha256 == second.weights_sha256
    plain = {**_spec().model.to_mapping(), "dropout": 0.0}
    assert run(_spec(model=plain), options=CPU).weights_sha256 != first.weights_sha256


def test_an_interrupted_trial_goes_on_with_the_masks_it_would_have_had(tmp_path: Path) -> None:
    options = dataclasses.replace(
        CPU, checkpoint_dir=tmp_path, checkpoints=CheckpointPolicy(policy="every")
    )
    with pytest.raises(Interrupted, match="after epoch"):
        run(_spec(), [Ending()], options=options)
    torch.rand(5)
    resumed = run(_spec(), options=options)
    assert resumed.weights_sha256 == run(_spec(), options=CPU).weights_sha256


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_global_draws_on_a_gpu_depend_on_the_seed_alone_too() -> None:
    gpu, before = torch.device("cuda"), torch.cuda.get_rng_state()
    drawn = []
    for seed in (1, 1, 2):
        with global_draws(seed, "dropout", device=gpu):
            drawn.append(torch.rand(4, device=gpu).tolist())
        assert torch.equal(torch.cuda.get_rng_state(), before)
    assert drawn[0] == drawn[1] != drawn[2]
