"""What weight binarizers are told while their network is trained, and that nobody knows them."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Self

import pytest
import torch
from torch import Generator, Tensor, nn

from trainers.binarize.attach import binarize_weights, binarizers, latent_weights, set_binary
from trainers.binarize.hooks import Hooks
from trainers.binarize.ste import sign_ste
from trainers.binarize.weights import WEIGHT_BINARIZERS, WeightBinarizer
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.engine.result import EpochMetrics
from trainers.errors import Fault, SpecError
from trainers.export.pack import export_packed
from trainers.spec.train_spec import TrainSpec
from trainers.training import RunOptions, run

CPU = RunOptions(device="cpu", num_threads=1)


class Centred(WeightBinarizer):
    """Two levels a filter; the latent weight is centred and bounded before each batch.

    It has all that a method may ask for: a state by epoch, a clamp, options that count epochs, a
    group, draws of its own.
    """

    heard: list[str]
    level: Tensor

    def __init__(self, latent: Tensor, *, level: float = 1.0, rise_epochs: int = 2) -> None:
        super().__init__()
        if level <= 0:
            raise SpecError(Fault("level", f"must be positive, got {level}"))
        self.final_from = rise_epochs
        self.register_buffer("level", torch.tensor(level))
        self.heard = []

    @property
    def epoch_options(self) -> Mapping[str, int]:
        return {"rise_epochs": self.final_from}

    def check(self, *, epochs: int) -> None:
        if self.final_from >= epochs:
            raise SpecError(Fault("rise_epochs", f"does not end in {epochs} epochs"))

    @classmethod
    def join(cls, layers: Mapping[str, Self]) -> None:
        heard = [f"join {' '.join(layers)}"]
        for layer in layers.values():
            layer.heard = heard

    def begin_epoch(self, epoch: int, generator: Generator) -> None:
        self.heard.append(f"epoch {epoch}")
        self.level.add_(torch.rand((), generator=generator))

    def before_batch(self, latent: Tensor) -> None:
        self.heard.append("batch" if self.enabled else "batch off")
        if self.enabled:
            latent.sub_(latent.mean(1, keepdim=True)).clamp_(-1, 1)

    def after_step(self, latent: Tensor) -> None:
        self.heard.append("step")

    def before_evaluation(self, latent: Tensor) -> None:
        self.heard.append("evaluation")
        super().before_evaluation(latent)

    def binarize(self, latent: Tensor) -> Tensor:
        high = latent.detach().clamp(min=0).mean(1, keepdim=True) + self.level
        return torch.where(latent >= 0, high, self.level) * sign_ste(latent)


@pytest.fixture
def centred() -> Iterator[str]:
    """Its name, while the table has it."""
    table = dict(WEIGHT_BINARIZERS)
    assert isinstance(WEIGHT_BINARIZERS, dict)
    WEIGHT_BINARIZERS["centred"] = Centred
    yield "centred"
    WEIGHT_BINARIZERS.clear()
    WEIGHT_BINARIZERS.update(table)


def _model(name: str) -> nn.Sequential:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    binarize_weights(model, ["1", "0"], name)
    return model


def _heard(model: nn.Module) -> list[str]:
    return next(step for _, step in binarizers(model) if isinstance(step, Centred)).heard


def test_a_new_binarizer_takes_a_class_and_a_line_in_the_table(
    centred: str, make_mapping: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    mapping = make_mapping(
        weights={"name": centred, "level": 0.5},
        layers={"order": ["fc2", "fc1"], "epochs_per_layer": 1},
        epochs=4,
    )
    spec = TrainSpec.from_mapping(mapping)
    assert spec.final_from == 2
    result = run(spec, options=CPU)
    assert result.final_from == 2
    binary = [step for _, step in binarizers(result.model)]
    # Its state by epoch: four draws, the same for no two layers.
    levels = [step.level.item() for step in binary]
    assert 0.5 < levels[0] < 4.5
    assert levels[0] != levels[1]
    heard = _heard(result.model)
    assert heard[0] == "join fc1 fc2"
    last = heard[heard.index("epoch 3") :]
    num_batches = last.count("step") // 2
    assert num_batches > 10
    batches = num_batches * ["batch", "batch", "step", "step"]
    assert last == ["epoch 3", "epoch 3", *batches, *2 * ["evaluation", "batch"]]
    # Only fc2 is binary in the first epoch.
    assert heard[3:7] == ["batch off", "batch", "step", "step"]
    latent = latent_weights(result.model)["fc1"]
    torch.testing.assert_close(latent.mean(1), torch.zeros(len(latent)), atol=1e-6, rtol=0)
    export_packed(result.model, tmp_path / "net.bnn")


def test_its_state_survives_a_restart(
    centred: str, make_mapping: Callable[..., dict[str, object]], tmp_path: Path
) -> None:
    spec = TrainSpec.from_mapping(
        make_mapping(weights={"name": centred}, layers={"order": "all"}, epochs=4)
    )
    whole = run(spec, options=CPU)
    options = RunOptions(
        device="cpu",
        num_threads=1,
        checkpoint_dir=tmp_path,
        checkpoints=CheckpointPolicy(policy="every", every=1),
    )

    class Stopped(Exception):
        """Stands for whatever ends a process."""

    class Stopper:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            if metrics.epoch == 2:
                raise Stopped("after epoch")

    with pytest.raises(Stopped, match="after epoch"):
        run(spec, [Stopper()], options=options)
    assert run(spec, options=options).weights_sha256 == whole.weights_sha256


def test_what_it_says_of_a_trial_is_told_with_the_trials_faults(
    centred: str, make_mapping: Callable[..., dict[str, object]]
) -> None:
    layers = {"order": "all"}
    with pytest.raises(SpecError, match=r"^weights\.level: must be positive, got -1\.0$"):
        TrainSpec.from_mapping(make_mapping(weights={"name": centred, "level": -1.0}))
    short = make_mapping(weights={"name": centred, "rise_epochs": 5}, layers=layers, epochs=5)
    with pytest.raises(SpecError, match=r"^weights\.rise_epochs: does not end in 5 epochs$"):
        TrainSpec.from_mapping(short)
    spec = TrainSpec.from_mapping(short | {"epochs": 20})
    assert spec.scaled(lambda epochs: epochs // 5).weights.options == {"rise_epochs": 1}


def test_hooks_reach_all_layers_in_forward_order(centred: str) -> None:
    model = _model(centred)
    assert _heard(model) == ["join 0 1"]
    set_binary(model, ["1"])
    hooks = Hooks(model)
    hooks.before_batch()
    hooks.after_step()
    hooks.before_evaluation()
    assert _heard(model)[1:] == ["batch off", "batch", *2 * ["step"], "evaluation", "batch off",
                                 "evaluation", "batch"]  # fmt: skip


def test_a_latent_weight_is_changed_in_place_and_no_gradient_is_recorded(centred: str) -> None:
    model = _model(centred)
    set_binary(model, ["0"])
    before = latent_weights(model)["0"].detach().clone()
    Hooks(model).before_batch()
    latent = latent_weights(model)["0"]
    expected = (before - before.mean(1, keepdim=True)).clamp(-1, 1)
    assert torch.equal(latent, expected)
    assert latent.requires_grad
    assert latent.is_leaf


def test_binarizers_without_hooks_of_their_own_are_not_called() -> None:
    model = _model("mcdonnell")
    before = {name: weight.detach().clone() for name, weight in latent_weights(model).items()}
    hooks = Hooks(model)
    hooks.begin_epoch(0, Generator())
    hooks.before_batch()
    hooks.after_step()
    hooks.before_evaluation()
    assert all(torch.equal(latent_weights(model)[name], before[name]) for name in before)


def test_layers_that_are_attached_later_join_no_earlier_ones(centred: str) -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    binarize_weights(model, ["1"], centred)
    binarize_weights(model, ["0"], centred)
    binarize_weights(model, [], centred)
    assert [step.heard for _, step in binarizers(model)] == [["join 0"], ["join 1"]]
