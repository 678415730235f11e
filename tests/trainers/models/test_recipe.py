"""What a network was made with."""

import copy

import torch

from trainers.build import build_model
from trainers.models import Mlp
from trainers.models.recipe import recipe_of, remember


def test_a_model_that_nobody_noted_has_no_recipe() -> None:
    assert recipe_of(Mlp(widths=[4, 3, 2])) is None


def test_name_and_options_stand_side_by_side() -> None:
    model = Mlp(widths=[4, 3, 2])
    remember(model, {"name": "mlp", "widths": [4, 3, 2], "norm": True})
    assert recipe_of(model) == {"name": "mlp", "widths": [4, 3, 2], "norm": True}
    remember(model, {"name": "other"})
    assert recipe_of(model) == {"name": "other"}


def test_a_built_model_carries_its_recipe_into_its_copies_and_not_into_its_state() -> None:
    model = build_model("mlp", widths=[4, 3, 2])
    recipe = {"name": "mlp", "widths": [4, 3, 2]}
    assert recipe_of(model) == recipe_of(copy.deepcopy(model)) == recipe
    assert recipe_of(model.to(torch.float64)) == recipe
    assert model.state_dict().keys() == Mlp(widths=[4, 3, 2]).state_dict().keys()
