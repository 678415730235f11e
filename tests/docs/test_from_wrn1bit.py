"""Every command that stands beside one of the original's trains what that one trains."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from orchestrator.cli.main import _parser
from orchestrator.cli.options import study_of
from orchestrator.study.expansion import expand
from trainers.binding import Component
from trainers.spec.probe import model_layers

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "from-wrn1bit.md").read_text("utf-8")
COMMANDS = sorted(set(re.findall(r"`(bnn-orchestrate sweep [^`]+)`", PAGE)))
LINES = re.findall(r"^\| `python (main\.py[^`]*)` \| `([^`]+)` \|$", PAGE, flags=re.MULTILINE)


def _parsed(command: str) -> argparse.Namespace:
    program, *arguments = shlex.split(command.replace("\n", " "))
    assert program == "bnn-orchestrate"
    return _parser().parse_args(arguments)


def test_the_page_has_commands_for_both_data_sets_float_and_binary() -> None:
    assert len(LINES) == len({ours for _, ours in LINES}) == 6


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_on_the_page_has_something_to_train(command: str) -> None:
    assert expand(study_of(_parsed(command)))


@pytest.mark.parametrize(("original", "ours"), LINES, ids=[original for original, _ in LINES])
def test_a_line_and_the_command_beside_it_train_the_same(original: str, ours: str) -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("--binarize", action="store_true")
    reader.add_argument("--width", type=float, default=1.0)
    reader.add_argument("--dataset", default="CIFAR10")
    wanted = reader.parse_args(shlex.split(original)[1:])
    [trial] = expand(study_of(_parsed(ours)))
    train = trial.train
    num_classes = 10 if wanted.dataset == "CIFAR10" else 100
    model = {"width": wanted.width, "num_classes": num_classes}
    defaults = {"depth": 20, "width": 1.0, "num_classes": 10}
    assert train.model.name == "wrn"
    assert {**defaults, **train.model.options} == {**defaults, **model}
    assert train.data.source.name == wanted.dataset.lower()
    assert train.data.batch_size == 128
    assert train.data.augment.to_mapping() == {"crop": 4, "flip": True, "padding": "reflect"}
    for name, bytes_of in (("mean", (125.3, 123.0, 113.9)), ("std", (63.0, 62.1, 66.7))):
        numbers = train.data.source.options[name]
        assert numbers == pytest.approx([number / 255 for number in bytes_of], abs=1e-6)
    rates = {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}
    assert train.optimizer == Component("sgd", rates)
    schedule = {"reading": "pytorch041", "restarts": (2, 4, 8, 16, 32, 64, 128)}
    assert train.lr_schedule == Component("warm_restarts", schedule)
    assert train.weights == Component("mcdonnell", {"zero": 0})
    inner = model_layers(train.model)[1:-1] if wanted.binarize else ()
    assert train.layers.order == inner
    assert train.layers.binarized_at(0) == frozenset(inner)
    assert (train.epochs, train.seed) == (256, 1)
