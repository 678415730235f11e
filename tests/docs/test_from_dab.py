"""Every trial that stands beside a line of the original's scripts trains what the line says."""

import argparse
import re
import shlex
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import trainers
from orchestrator.cli.main import _parser
from orchestrator.cli.options import study_of
from orchestrator.study.catalog import load_study
from orchestrator.study.expansion import expand, pick
from orchestrator.study.spec import StudySpec
from trainers.binding import Component
from trainers.data import SOURCES
from trainers.spec.probe import model_layers
from trainers.spec.train_spec import TrainSpec

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "from-dab.md").read_text("utf-8")
LINES = re.findall(
    r"^\| ([^|`]*) ?\| `(--dataset [^`]+)` \| `([^`:]+):([^`]+)` \|$", PAGE, flags=re.MULTILINE
)
NETWORKS = {"resnet": "resnet18_sketch"}
SETS = {"sketchyrecognition": "sketchy", "imagenet12": "imagenet"}
SHARED = ["dab-tuberlin", "dab-tuberlin-googlenet", "dab-sketchy", "dab-sketchy-googlenet"]
ROTATION = {"degrees": 10.0, "interpolation": "bicubic"}
ALWAYS: dict[str, Any] = {
    "model": {"name": "bincifar"},
    "optimizer": {"name": "adam", "lr": 0.001},
    "epochs": 2,
}


@lru_cache(maxsize=16)
def _study(name: str) -> StudySpec:
    return load_study(name, as_published=True)


def _wanted(line: str) -> argparse.Namespace:
    reader = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("dataset", "model_def"):
        reader.add_argument(f"--{name}")
    for name in ("batch-size", "testbatchsize", "epochs", "decayinterval", "binEnd", "inpsize"):
        reader.add_argument(f"--{name}", type=int)
    for name in ("maxlr", "minlr"):
        reader.add_argument(f"--{name}", type=float)
    reader.add_argument("--tenCrop", action="store_true")
    return reader.parse_args(shlex.split(line))


def test_every_line_stands_there_once() -> None:
    assert len({line for _, line, _, _ in LINES}) == len({line[1:] for line in LINES}) == 26
    sets = [_wanted(line).dataset for _, line, _, _ in LINES]
    assert {name: sets.count(name) for name in set(sets)} == {
        "tuberlin": 8,
        "sketchy": 6,
        "sketchyrecognition": 7,
        "imagenet12": 3,
        "cifar10": 2,
    }


@pytest.mark.parametrize(
    ("script", "line", "study", "choice"),
    LINES,
    ids=[f"{study}:{choice}" for _, _, study, choice in LINES],
)
def test_a_line_and_the_trial_beside_it_train_the_same(
    script: str, line: str, study: str, choice: str
) -> None:
    wanted, train = _wanted(line), pick(_study(study), choice).train
    # The name that its parser rejects is in one script alone.
    assert (wanted.dataset == "sketchy") == (script.strip() == "run.sh" and "sketchy" in study)
    assert train.data.source.name == SETS.get(wanted.dataset, wanted.dataset)
    _check_network(train, wanted)
    _check_images(train, wanted)
    assert train.optimizer == Component("adam", {"lr": wanted.maxlr})
    given = {"interval": 50, "level": 2.0, "floor": 0.0} | train.lr_schedule.options
    assert train.lr_schedule.name == "decay"
    assert given == {"interval": wanted.decayinterval, "level": 2, "floor": wanted.minlr}
    assert train.weights == Component("dab", {"published": True})
    assert (train.epochs, train.data.batch_size) == (wanted.epochs, wanted.batch_size)
    assert (train.init.name, train.latent_at_eval) == ("default", "keep")


def _check_network(train: TrainSpec, wanted: argparse.Namespace) -> None:
    match = re.fullmatch(r"([a-z]+?)(wbin|fbin|)(18)?", wanted.model_def)
    assert match is not None
    name, form, _ = match.groups()
    assert train.model.name == NETWORKS.get(name, name)
    has_form = form == "fbin" or train.model.name not in ("resnet18_sketch", "bincifar")
    assert train.model.options.get("form", "float") == (form if has_form else "float")
    inputs = None if train.activations is None else train.activations.binarizer
    assert inputs == (Component("sign", {"closed": True}) if form == "fbin" else None)
    # Convolutions are counted, linear layers are not; these networks have one at the end, if any.
    layers = model_layers(train.model)
    convs = layers[:-1] if train.model.name == "googlenet" else layers
    assert train.layers.order == convs[1 : wanted.binEnd]


def _check_images(train: TrainSpec, wanted: argparse.Namespace) -> None:
    data, is_sketch = train.data, wanted.tenCrop
    facts = SOURCES[data.source.name].facts(data.source.options)
    assert facts.shape[1] == (wanted.inpsize or 32)
    if data.source.name == "imagenet":
        assert data.augment.to_mapping() == {"flip": True, "random_resized_crop": {}}
        assert train.model.options.get("in_channels", 3) == 3
        return
    assert data.source.options["validation"] == 1
    if not is_sketch:
        assert data.augment.to_mapping() == {}
        return
    flip = {"flip": True} if data.source.name == "tuberlin" else {}
    assert data.augment.to_mapping() == flip | {"random_resized_crop": {}, "rotation": ROTATION}
    assert data.source.options.get("views", "ten") == "ten"
    assert data.eval_batch_size == 10 * wanted.testbatchsize


@pytest.mark.parametrize("name", [*SHARED, "dab-imagenet", "dab-cifar10"])
def test_as_published_brings_back_the_split_and_the_epoch(name: str) -> None:
    study, usual = _study(name), load_study(name)
    assert study.metric.name == "best_on_test/test_accuracy"
    assert usual.metric.name == "selected/test_accuracy"
    assert "published" not in usual.base.weights.options
    assert len(expand(study)) == len(expand(usual))
    assert study.matrix.rows in ("network", "inputs")


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(data: \{name: [^`]+\})`", PAGE))))
def test_every_data_set_on_the_page_is_known(option: str) -> None:
    [(key, part)] = yaml.safe_load(option.replace("\n", " ")).items()
    assert key == "data"
    assert part["name"] in SOURCES
    more = {"folder": "sketches", "channels": 1, "mean": [0.5], "std": [0.5]}
    is_folder = part["name"] == "image_folder"
    shape = SOURCES[part["name"]].facts(part | (more if is_folder else {})).shape
    assert shape[1:] == ((224, 224) if is_folder else SOURCES[part["name"]].shape[1:])


@pytest.mark.parametrize("option", sorted(set(re.findall(r"`(augment: \{[^`]+\})`", PAGE))))
def test_every_augmentation_on_the_page_is_read_from_a_study(option: str) -> None:
    [augment] = yaml.safe_load(option).values()
    data = {"name": "cifar10", "augment": augment}
    spec = TrainSpec.from_mapping(ALWAYS | {"data": data})
    assert TrainSpec.from_mapping(spec.to_mapping()) == spec


def test_every_option_of_the_original_has_a_row() -> None:
    table = PAGE.split("## Options of opts.py")[1].split("## Where we differ")[0]
    first = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `--")]
    named = re.findall(r"--([\w-]+)", " ".join(first))
    assert len(named) == len(set(named)) == 40
    for option in re.findall(r"`base\.([\w.]+)`", table):
        owner = option.split(".")[0]
        assert owner in TrainSpec.__dataclass_fields__
    for name in re.findall(r"`trainers\.(\w+)`", table):
        assert name in trainers.__all__


@pytest.mark.parametrize(
    "command", sorted(set(re.findall(r"`(bnn-orchestrate sweep [^`]+)`", PAGE)))
)
def test_every_command_on_the_page_has_something_to_train(command: str) -> None:
    assert expand(study_of(_parser().parse_args(shlex.split(command)[1:])))


def test_the_published_results_are_those_of_nineteen_logs() -> None:
    table = PAGE.split("## Published results")[1]
    rows = re.findall(r"^\| (TU-Berlin|Sketchy|CIFAR-\d+) \| .* \| (\d\d\.\d\d) \|", table, re.M)
    assert len(rows) == 19
