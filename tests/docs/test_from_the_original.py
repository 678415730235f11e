"""Every command that stands beside a line of the original trains what that line trains."""

import argparse
import re
import shlex
from pathlib import Path

import pytest

from orchestrator.cli.main import _parser
from orchestrator.cli.options import study_of
from orchestrator.protocol.stages import STAGES, Changes, load_stage, unmeasured
from orchestrator.study.cells import Cell
from orchestrator.study.expansion import expand, pick
from orchestrator.study.orders import named_order
from orchestrator.study.variant import Variant
from trainers.spec.probe import model_layers

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "from-the-original.md").read_text(encoding="utf-8")
COMMANDS = sorted(set(re.findall(r"`(bnn-orchestrate [^`]+)`", PAGE)))
LINES = re.findall(r"^\| `(\./scripts/[^`]+)` \| `([^`]+)` \|$", PAGE, flags=re.MULTILINE)
# Epochs and epochs per layer of sensitivity and other runs, as the original's scripts say them.
EPOCHS = {
    "mnist300": ((150, 150), (450, 150)),
    "mnist784": ((150, 150), (450, 150)),
    "vgg5": ((200, 200), (750, 150)),
    "vgg9": ((450, 450), (1350, 150)),
    "resnet20": ((300, 300), (1200, 50)),
    "resnet21": ((20, 20), (67, 2)),
}


def _parsed(command: str) -> argparse.Namespace:
    program, *arguments = shlex.split(command)
    assert program == "bnn-orchestrate"
    return _parser().parse_args(arguments)


def _trials(command: str) -> tuple[Cell, ...]:
    args = _parsed(command)
    if hasattr(args, "network"):
        changes = Changes(variant=Variant(as_published=args.as_published))
        given = unmeasured(args.network, changes)
        stages = (load_stage(args.network, stage, changes, given) for stage in STAGES)
        return tuple(trial for stage in stages for trial in expand(stage))
    study = study_of(args)
    return (pick(study, args.trial),) if hasattr(args, "trial") else expand(study)


def test_the_page_has_every_line_of_the_originals_readme() -> None:
    assert len(LINES) == 2 * 19 + 3 * 17 + 7
    assert len({original for original, _ in LINES}) == len(LINES)
    assert len({ours for _, ours in LINES}) == len(LINES)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_on_the_page_has_something_to_train(command: str) -> None:
    assert _trials(command)


@pytest.mark.parametrize(("original", "ours"), LINES, ids=[original for original, _ in LINES])
def test_a_line_and_the_command_beside_it_train_the_same(original: str, ours: str) -> None:
    network, is_sensitivity, order, lr, seed = _read(original)
    [trial] = _trials(ours)
    assert _parsed(ours).as_published
    assert study_of(_parsed(ours)).name.startswith(f"{network}-")
    train = trial.train
    epochs, per_layer = EPOCHS[network][0 if is_sensitivity else 1]
    assert (train.epochs, train.optimizer.options["lr"]) == (epochs, float(lr))
    assert train.seed == int(seed or 316)
    # Lines without a seed are measured on the validation part.
    assert train.measure_test == (seed is not None)
    forward = model_layers(train.model)
    if order == "float":
        expected = [frozenset[str]()] * epochs
    elif order == "binary":
        expected = [frozenset(forward)] * epochs
    else:
        name = "mlp3" if network.startswith("mnist") else network
        layers = [forward[number - 1] for number in named_order(name, order)]
        expected = [frozenset(layers[: epoch // per_layer + 1]) for epoch in range(epochs)]
    assert [train.layers.binarized_at(epoch) for epoch in range(epochs)] == expected


def _read(original: str) -> tuple[str, bool, str, str, str | None]:
    """Network, whether it is a sensitivity run, order, rate and seed of an original's line."""
    script, phase, *arguments = shlex.split(original)
    _, _, folder, *parts = script.split("/")
    variant = parts[-1].removesuffix(".sh")
    if folder == "imagenet":
        *_, lr = arguments
        order = arguments[-2] if variant == "layer" else variant
        return "resnet21", phase == "sensitivity", order, lr, None
    network = f"mnist{parts[0]}" if folder == "mnist" else parts[0]
    order = arguments.pop(0) if variant == "layer" else variant
    lr, *seed, _gpu = arguments
    assert (parts[1] == "sensitivity") == (phase == "sensitivity")
    return network, phase == "sensitivity", order, lr, seed[0] if seed else None


def test_the_page_on_differences_names_what_as_published_changes() -> None:
    page = (ROOT / "docs" / "differences.md").read_text(encoding="utf-8")
    for key in ("latent_at_eval: reset", "zero: 0", "early: true", "file: ", "best_on_test"):
        assert key in page
