"""Where the parts of a trial are looked up, and what is read from a binarizer's options."""

import pytest

from trainers.binarize.weights import WEIGHT_BINARIZERS
from trainers.binding import Component
from trainers.spec.tables import COMPONENTS, DEFAULT_INIT, PLAIN, kept_share, option_of, ramp_of
from trainers.spec.train_spec import KEYS


def test_every_table_and_every_plain_value_is_a_key_of_a_trial() -> None:
    assert set(KEYS) >= COMPONENTS.keys() | PLAIN.keys()
    assert not COMPONENTS.keys() & PLAIN.keys()
    assert DEFAULT_INIT.name in COMPONENTS["init"][1]


def test_an_option_has_its_default_until_it_is_set() -> None:
    assert option_of(Component("biprop_global"), "ramp_epochs") == 10
    assert option_of(Component("biprop_global", {"ramp_epochs": 3}), "ramp_epochs") == 3
    assert option_of(Component("sign"), "ramp_epochs") is None
    assert option_of(Component("sign", {"clip": 0.5}), "clip") == 0.5


@pytest.mark.parametrize("name", sorted(WEIGHT_BINARIZERS))
def test_only_binarizers_that_leave_weights_out_have_a_share(name: str) -> None:
    share = 0.5 if name in ("biprop", "biprop_global", "biprop_fixed") else None
    assert kept_share(Component(name)) == share


def test_the_share_is_the_one_that_was_set() -> None:
    assert kept_share(Component("biprop", {"keep": 0.25})) == 0.25


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
    assert ramp_of(weights) == epochs
