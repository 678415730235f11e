"""Tickets by the share of weights that is kept."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from dashboards.analysis.shares import KEPT, UNTRAINED, share_curves
from dashboards.analysis.trials import ViewError
from dashboards.chosen import chosen
from dashboards.runs import StudyRuns
from orchestrator.study.spec import StudySpec
from trainers.binarize.weights import WEIGHT_BINARIZERS

MakeRuns = Callable[..., StudyRuns]
MakeStudy = Callable[..., StudySpec]

BASE: dict[str, Any] = {
    "model": {"name": "mlp", "widths": [64, 8, 10]},
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "adam", "lr": 0.01},
    "weights": {"name": "biprop"},
    "layers": {"order": "all"},
    "epochs": 2,
}
SEED = {"name": "seed", "seeds": [1, 2]}


@pytest.fixture
def subnets(make_study: MakeStudy) -> StudySpec:
    networks = {
        "dense": {"layers.order": []},
        "ticket-80": {"weights.keep": 0.8},
        "ticket-50": {"weights.keep": 0.5},
        "random-50": {"weights": {"name": "biprop", "keep": 0.5, "train_scores": False}},
    }
    axes = [{"name": "network", "values": networks}, SEED]
    return make_study(base=BASE, axes=axes, matrix={"rows": "network", "over": "seed"})


def test_tickets_stand_beside_random_subnets_and_dense_networks(
    subnets: StudySpec, make_runs: MakeRuns
) -> None:
    errors = {"dense 1": 0.1, "ticket-80 1": 0.25, "ticket-80 2": 0.75, "ticket-50 1": 0.125}
    runs = make_runs({**errors, "random-50 1": 0.5}, subnets)
    curves = share_curves(runs, chosen(runs))
    assert curves[["series", "kind", "keep", "mean", "n"]].to_numpy().tolist() == [
        ["dense", "dense", 1.0, 0.1, 1],
        ["ticket", "ticket", 0.8, 0.5, 2],
        ["ticket", "ticket", 0.5, 0.125, 1],
        ["random", "random", 0.5, 0.5, 1],
    ]


def test_networks_that_differ_in_more_are_series_of_their_own(
    make_study: MakeStudy, make_runs: MakeRuns
) -> None:
    axes = [
        {
            "name": "width",
            "sets": "model.widths",
            "values": {"slim": [64, 4, 10], "fat": [64, 9, 10]},
        },
        {"name": "keep", "sets": "weights.keep", "values": [0.8, 0.2]},
    ]
    study = make_study(base=BASE, axes=axes, matrix={"rows": "width"})
    runs = make_runs({"slim 0.8": 0.5, "slim 0.2": 0.25, "fat 0.2": 0.125}, study)
    curves = share_curves(runs, chosen(runs))
    assert curves[["series", "keep"]].to_numpy().tolist() == [
        ["ticket · fat", 0.2], ["ticket · slim", 0.8], ["ticket · slim", 0.2],
    ]  # fmt: skip


def test_one_share_is_no_curve(subnets: StudySpec, make_runs: MakeRuns) -> None:
    runs = make_runs({"dense 1": 0.1, "ticket-80 1": 0.25, "random-50 1": 0.5}, subnets)
    with pytest.raises(ViewError, match="tiny lacks tickets that keep two shares"):
        share_curves(runs, chosen(runs))


def test_a_share_that_no_trial_names_is_that_of_the_binarizer() -> None:
    found = {name: make(torch.zeros(2, 2)) for name, make in WEIGHT_BINARIZERS.items()}
    kept = {name: one.kept_share for name, one in found.items() if one.kept_share is not None}
    assert kept == KEPT
    assert set(UNTRAINED) <= set(KEPT)
