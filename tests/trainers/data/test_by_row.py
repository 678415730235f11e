"""Random numbers from a seed and a row."""

import torch

from trainers.data.by_row import uniform


def test_the_numbers_are_those_of_splitmix64() -> None:
    # The reference implementation's first outputs for the seed 1234567.
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    found = uniform(1234567, torch.tensor([0]), num=5)[:, 0]
    assert found.tolist() == [(number >> 11) * 2.0**-53 for number in expected]


def test_a_row_has_its_numbers_in_any_batch() -> None:
    whole = uniform(9, torch.arange(100), num=7)
    rows = torch.tensor([42, 3, 99])
    assert torch.equal(uniform(9, rows, num=7), whole[:, rows])
    assert whole.unique().numel() == 700


def test_the_numbers_are_spread_evenly() -> None:
    numbers = uniform(2**62 + 5, torch.arange(20_000), num=4)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert torch.allclose(numbers.mean(1), torch.tensor(0.5, dtype=torch.float64), atol=0.01)
    correlations = torch.corrcoef(numbers) - torch.eye(4, dtype=torch.float64)
    assert correlations.abs().max() < 0.03
