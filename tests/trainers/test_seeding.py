"""Generators by seed, purpose and epoch."""

import itertools

import torch

from trainers.seeding import generator


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
