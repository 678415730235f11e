"""Where the parts of a trial are looked up, and what a binarizer says of itself."""

from dataclasses import fields

import pytest
import torch

from trainers.binarize.weights import WEIGHT_BINARIZERS
from trainers.binding import Component
from trainers.errors import SpecError
from trainers.spec.reading import keys_of
from trainers.spec.tables import COMPONENTS, binarizer_of
from trainers.spec.train_spec import TrainSpec


def test_every_table_is_a_key_of_a_trial_whose_default_it_has() -> None:
    for field in fields(TrainSpec):
        if field.name in COMPONENTS and field.name not in keys_of(TrainSpec).required:
            assert field.default.name in COMPONENTS[field.name][1]
    assert set(keys_of(TrainSpec).names) >= COMPONENTS.keys()


@pytest.mark.parametrize("name", sorted(WEIGHT_BINARIZERS))
def test_only_binarizers_that_leave_weights_out_have_a_share(name: str) -> None:
    share = 0.5 if name in ("biprop", "biprop_global", "biprop_fixed") else None
    assert binarizer_of(Component(name)).kept_share == share


def test_the_share_is_the_one_that_was_set() -> None:
    assert binarizer_of(Component("biprop", {"keep": 0.25})).kept_share == 0.25
    with pytest.raises(SpecError, match="keep: must be above 0"):
        binarizer_of(Component("biprop", {"keep": -0.25}))


@pytest.mark.parametrize(
    ("weights", "epochs"),
    [
        (Component("biprop_global"), 10),
        (Component("biprop_global", {"keep": 0.2, "ramp_epochs": 4}), 4),
        # Above a half there is no ramp.
        (Component("biprop_global", {"keep": 0.6, "ramp_epochs": 4}), 0),
        (Component("biprop", {"keep": 0.2}), 0),
        (Component("sign"), 0),
    ],
)
def test_only_a_global_share_of_at_most_a_half_comes_down_by_and_by(
    weights: Component, epochs: int
) -> None:
    assert binarizer_of(weights).final_from == epochs


def test_a_look_at_a_binarizer_draws_nothing() -> None:
    before = torch.get_rng_state()
    binarizer_of(Component("biprop_sampled", {"train_scores": False}))
    assert torch.equal(torch.get_rng_state(), before)
