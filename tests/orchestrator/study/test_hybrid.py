"""The study of a hybrid network and its controls."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.study.cells import Cell
from orchestrator.study.hybrid import (
    Origin,
    hybrid_study,
    name_for,
    own_hybrid,
    published_hybrid,
)
from orchestrator.study.spec import StudySpec
from orchestrator.study.yaml import read_yaml
from trainers import SpecError, TrainSpec
from trainers.binding import Component
from trainers.models.forms import Form, FormedNet
from trainers.spec.hybrids import binary_places, inner_places, published_hybrids
from trainers.spec.probe import shared_model

ORIGIN = Origin(
    study="mine",
    run_id="abc",
    seeds=(1, 2),
    metric={"name": "selected/test_accuracy", "better": "higher"},
)
IMAGES = {"alexnet": (3, 224), "sketchanet": (1, 225), "squeezenet": (1, 64), "bincifar": (3, 32)}
LAST = {"resnet18_sketch": 100, "squeezenet": 100}
"""The last layer with binary weights where it is not the seventh, in the published numbering."""
NAMED = [
    (network, name)
    for network in ("alexnet", "sketchanet", "resnet18_sketch", "squeezenet")
    for name in ("hybrid", "v2", "v3")
    if name in published_hybrids(network)
]


def _spec(network: str, **options: Any) -> TrainSpec:
    """The trial of a network in the form for binary weights and inputs."""
    channels, size = IMAGES.get(network, (1, 32))
    data = {"name": "image_folder", "folder": "mine", "batch_size": 8, "classes": 5}
    data |= {"mean": [0.5] * channels, "std": [0.25] * channels}
    mapping = {
        "model": {"name": network, "form": "fbin", "num_classes": 5} | options,
        "data": data | {"size": size, "channels": channels},
        "optimizer": {"name": "adam", "lr": 0.01},
        "weights": {"name": "dab"},
        "layers": {"published_range": [2, LAST.get(network, 7)]},
        "activations": {"name": "sign", "closed": True},
        "epochs": 2,
        "seed": 2,
    }
    return TrainSpec.from_mapping(mapping)


def _rows(text: str) -> Mapping[str, TrainSpec]:
    """Each row's trial with the seed of the binary network's own."""
    study = StudySpec.from_mapping(read_yaml(text))
    return {cell.labels["inputs"]: cell.train for cell in study.trials if cell.train.seed == 2}


@pytest.mark.parametrize(("network", "name"), NAMED)
def test_a_named_hybrid_binarizes_the_published_inputs_and_no_other(
    network: str, name: str
) -> None:
    spec = _spec(network)
    hybrid = published_hybrid(spec, name)
    rows = _rows(hybrid_study("mine-hybrid", spec, hybrid, ORIGIN))
    assert list(rows) == ["binary", name, "real"]
    published = published_hybrids(network)[name]
    assert binary_places(rows[name]) == published
    assert set(hybrid.real) == set(inner_places(spec.model)) - set(published)
    assert _form_of(rows[name].model) == _form(network, name)


def _form(network: str, name: str) -> Form:
    return _form_of(Component(network, {"form": name}))


def _form_of(model: Component) -> Form:
    made = shared_model(model)
    assert isinstance(made, FormedNet)
    return made.form


@pytest.mark.parametrize(
    ("network", "real_form", "norms"),
    [
        ("alexnet", "wbin", True),
        ("resnet18_sketch", None, True),
        ("bincifar", None, False),
    ],
)
def test_own_layers_stay_real_between_both_controls(
    network: str, real_form: str | None, norms: bool
) -> None:
    spec = _spec(network)
    first, second, *rest = inner_places(spec.model)
    hybrid = own_hybrid(spec, [second, first])
    assert hybrid.real == (first, second)
    rows = _rows(hybrid_study("mine-hybrid", spec, hybrid, ORIGIN))
    assert Cell(train=rows["binary"], labels={}).id == Cell(train=spec, labels={}).id
    assert binary_places(rows[hybrid.label]) == tuple(rest)
    assert rows["real"].activations is None
    # `float` is the default, and is not written.
    assert rows["real"].model.options.get("form") == real_form
    before = {row: _form_of(trial.model).norm_before for row, trial in rows.items()}
    assert before["real"] == ((first, second, *rest) if not norms else ())
    assert before[hybrid.label] == (tuple(rest) if norms else (first, second, *rest))
    assert {trial.weights.name for trial in rows.values()} == {"dab"}


def test_a_network_that_is_normalised_behind_stays_so() -> None:
    spec = _spec("alexnet", form="float")
    rows = _rows(hybrid_study("m", spec, own_hybrid(spec, ["conv3"]), ORIGIN))
    assert {trial.model for trial in rows.values()} == {spec.model}


def test_norms_that_the_trial_names_itself_give_way_to_a_forms() -> None:
    inner = [f"conv{number}" for number in range(2, 8)]
    spec = _spec("alexnet", form="float", norm_before=inner)
    rows = _rows(hybrid_study("m", spec, published_hybrid(spec, "v2"), ORIGIN))
    assert binary_places(rows["v2"]) == tuple(inner[:5])
    assert _form_of(rows["real"].model) == _form("alexnet", "float")
    rows = _rows(hybrid_study("m", spec, own_hybrid(spec, ["conv2"]), ORIGIN))
    assert rows["hybrid-conv2"].model.options["norm_before"] == tuple(inner[1:])


def test_the_study_has_the_seeds_and_the_metric_of_the_binary_networks_own() -> None:
    spec = _spec("bincifar")
    text = hybrid_study("mine-hybrid", spec, own_hybrid(spec, ["conv7"]), ORIGIN)
    study = StudySpec.from_mapping(read_yaml(text))
    assert text.startswith("# The base is the trial of run abc of mine.\nstudy: mine-hybrid\n")
    assert study.name == "mine-hybrid"
    assert "if the inputs of conv7 stay real?" in study.question
    assert list(study.axes[1].points) == ["1", "2"]
    assert (study.metric.name, study.metric.better) == ("selected/test_accuracy", "higher")
    assert (study.matrix.rows, study.matrix.over) == ("inputs", "seed")
    assert study.matrix.control == "binary"
    scaled = replace(ORIGIN, epoch_scale="0.5")
    text = hybrid_study("mine-hybrid", spec, own_hybrid(spec, ["conv7"]), scaled)
    assert "of mine, whose epochs were scaled by 0.5.\n" in text


def test_a_name_that_the_family_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(SpecError, match=r"unknown hybrid of alexnet 'v3', .* known: hybrid, v2"):
        published_hybrid(_spec("alexnet"), "v3")
    with pytest.raises(SpecError, match="'bincifar' has no published hybrid; alexnet: hybrid, v2"):
        published_hybrid(_spec("bincifar"), "v2")


def test_many_layers_make_a_short_label_and_a_valid_name() -> None:
    spec = _spec("squeezenet")
    some, others = (own_hybrid(spec, inner_places(spec.model)[part:9]) for part in (0, 1))
    assert some.label.startswith("hybrid-9-")
    assert len({some.label, others.label, own_hybrid(spec, some.real).label}) == 2
    assert name_for("mine", "hybrid-fire1.squeeze.conv") == "mine-hybrid-fire1-squeeze-conv"
    assert name_for("mine", "v2") == "mine-hybrid-v2"
    assert len(name_for("m" * 60, some.label)) == 60
