"""Options that count epochs, and shrink with them."""

from collections.abc import Sequence
from typing import Annotated

import pytest

from trainers.binding import Value, options_of
from trainers.optim.epochs import Epochs, epoch_options, shrunk
from trainers.optim.optimizers import LR_SCHEDULES, lr_schedule


def _tenth(number: int) -> int:
    return number // 10


def test_every_policy_marks_what_counts_its_epochs() -> None:
    marked = {name: set(epoch_options(entry)) for name, entry in LR_SCHEDULES.items()}
    counting = {"milestones"}
    assert marked == {
        "constant": {"warmup"},
        "cos_multi": {"milestones", "cosine_from", "warmup"},
        "cosine": {"warmup"},
        "decay": {"interval"},
        "mpt11_w18_2": counting,
        "mpt11_w18_2_v2": counting,
        "mpt11_w34_2_v2": counting,
        "mpt132_w34_2": counting,
        "multistep": {"milestones", "adjust", "warmup"},
        "warm_restarts": {"restarts"},
        "xnor": counting,
    }


@pytest.mark.parametrize("name", LR_SCHEDULES)
def test_no_whole_number_of_a_policy_goes_unmarked(name: str) -> None:
    numbers = {
        key
        for key, option in options_of(LR_SCHEDULES[name]).items()
        if option.annotation in (int, int | None, Sequence[int], Sequence[int] | None)
    }
    assert numbers == set(epoch_options(LR_SCHEDULES[name]))


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("constant", {}, {}),
        ("constant", {"warmup": 20}, {"warmup": 2}),
        # No longer than the trial.
        ("cosine", {"warmup": 300}, {"warmup": 9}),
        ("xnor", {}, {"milestones": (3, 4, 5)}),
        # As many as there are factors, though two fall together.
        ("xnor", {"milestones": (30, 32, 54)}, {"milestones": (3, 3, 5)}),
        (
            "cos_multi",
            {},
            {"milestones": (3, 4, 5), "cosine_from": 5},
        ),
        ("decay", {}, {"interval": 5}),
        ("multistep", {"gamma": 0.5}, {"gamma": 0.5, "adjust": 2}),
        # Two drops by the same factor that fall together count as one.
        ("multistep", {"milestones": (30, 32, 54)}, {"milestones": (3, 5)}),
        # Drops by factors of their own stay as many as there are factors.
        (
            "multistep",
            {"milestones": (30, 32, 54), "gammas": (0.5, 0.1, 0.2)},
            {"milestones": (3, 3, 5), "gammas": (0.5, 0.1, 0.2)},
        ),
        # That of nothing but milestones.
        ("multistep", {"milestones": (30,), "adjust": 7}, {"milestones": (3,)}),
        ("multistep", {"milestones": (4, 30)}, {"milestones": (1, 3)}),
        (
            "multistep",
            {"milestones": (4, 30), "early": True},
            {"milestones": (2, 3), "early": True},
        ),
        ("multistep", {"early": True, "adjust": 4}, {"early": True, "adjust": 2}),
        ("warm_restarts", {"lr_min": 0.01}, {"lr_min": 0.01}),
        ("warm_restarts", {"restarts": (20, 21, 40)}, {"restarts": (2, 4)}),
    ],
)
def test_what_counts_epochs_shrinks_and_nothing_else(
    name: str, options: dict[str, Value], expected: dict[str, Value]
) -> None:
    assert shrunk(LR_SCHEDULES[name], options, _tenth, epochs=10) == expected
    lr_schedule(name, lr=0.1, epochs=10, **expected)


def test_a_new_policy_marks_its_options_where_it_declares_them() -> None:
    def plateau(
        lr: float, *, length: Annotated[int, Epochs()] = 50, depth: int = 30
    ) -> object: ...

    assert epoch_options(plateau) == {"length": Epochs()}
    assert shrunk(plateau, {"depth": 40}, _tenth, epochs=10) == {"length": 5, "depth": 40}
