"""The disk that a sweep needs: each estimate beside what is really written."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from orchestrator.planning import disk
from orchestrator.planning.disk import need, num_kept, state_bytes
from orchestrator.planning.planning import plan
from orchestrator.study.checkpointing import Checkpointing
from orchestrator.study.spec import StudySpec
from trainers.engine.checkpoint import CheckpointPolicy, Checkpoints
from trainers.engine.result import EpochMetrics
from trainers.models import MODELS
from trainers.optim.optimizers import OPTIMIZERS
from trainers.spec.probe import model_layers
from trainers.spec.train_spec import TrainSpec

MakeStudy = Callable[..., StudySpec]
ADAM = {"name": "adam", "lr": 0.01}
MLP = {"name": "mlp", "widths": [784, 300, 100, 10]}


def _spec(model: object, optimizer: object, *, epochs: int, **more: object) -> TrainSpec:
    name = "mnist" if model == MLP else "cifar10"
    return TrainSpec.from_mapping(
        {"model": model, "data": name, "optimizer": optimizer, "epochs": epochs, **more}
    )


@pytest.fixture
def written(tmp_path: Path, make_metrics: Callable[..., EpochMetrics]) -> Callable[..., int]:
    """Bytes of a real checkpoint of a trial after its last epoch."""

    def write(spec: TrainSpec) -> int:
        dtype = torch.float64 if spec.precision == "float64" else torch.float32
        model = MODELS[spec.model.name](**spec.model.options).to(dtype)
        optimizer = OPTIMIZERS[spec.optimizer.name](model.parameters(), **spec.optimizer.options)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        layers = model_layers(spec.model)
        statistics = make_metrics(0).latent["fc1"]
        history = [
            replace(
                make_metrics(epoch, validation=1 / 3, test=1 / 7, binary=layers),
                latent=dict.fromkeys(layers, replace(statistics, near_zero=1 / 3)),
            )
            for epoch in range(spec.epochs)
        ]
        Checkpoints(tmp_path, policy=CheckpointPolicy(policy="every"), identity="").save(
            model=model, optimizer=optimizer, history=history, best=False, last=True
        )
        [file] = tmp_path.iterdir()
        return file.stat().st_size

    return write


@pytest.mark.parametrize(
    "spec",
    [
        _spec(MLP, ADAM, epochs=450),
        _spec(MLP, {"name": "sgd", "lr": 0.1}, epochs=3),
        _spec(MLP, {"name": "sgd", "lr": 0.1, "momentum": 0.9}, epochs=3),
        _spec(MLP, ADAM, epochs=3, precision="float64"),
        _spec("resnet20", ADAM, epochs=200),
        _spec("resnet20", ADAM, epochs=1),
    ],
    ids=["adam", "sgd", "momentum", "double", "many layers", "one epoch"],
)
def test_the_size_of_a_checkpoint_is_known_before_there_is_one(
    spec: TrainSpec, written: Callable[..., int]
) -> None:
    assert state_bytes(spec) == pytest.approx(written(spec), rel=0.2)


@pytest.mark.parametrize(
    ("options", "num"),
    [
        ({"policy": "none"}, 0),
        ({"policy": "last"}, 2),
        ({"policy": "best"}, 3),
        ({"policy": "every"}, 10),
        ({"policy": "every", "every": 4}, 3),
        ({"policy": "every", "every": 4, "keep": 2}, 2),
        ({"policy": "every", "keep": 50}, 10),
    ],
)
def test_a_policy_says_how_many_stay(options: dict[str, Any], num: int) -> None:
    assert num_kept(Checkpointing(**options), 10) == num


@pytest.fixture
def _round_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each checkpoint is 1000 bytes, records are none."""
    monkeypatch.setattr(disk, "state_bytes", lambda train: 1000)
    monkeypatch.setattr(disk, "_record_bytes", lambda train, is_embedded: 0)
    monkeypatch.setattr(disk, "HOME_BYTES", 7)


@pytest.mark.usefixtures("_round_numbers")
def test_what_is_left_is_added_up_and_one_more_is_written_before_one_goes(
    make_study: MakeStudy,
) -> None:
    study = make_study(checkpoint={"policy": "last", "upload": "last"})
    todo = plan(study)
    assert len(todo.todo) == 8
    wanted = need(todo, is_embedded=True)
    assert wanted.checkpoints == 8 * 2 * 1000 + 1000
    assert wanted.home == 7 + 8 * 1000
    assert need(todo, is_embedded=False).home == 7
    one = plan(study, finished=[cell.id for cell in todo.todo[1:]])
    assert need(one, is_embedded=True).checkpoints == 3000
    assert need(plan(make_study()), is_embedded=True).checkpoints == 0


@pytest.mark.usefixtures("_round_numbers")
def test_a_stage_before_keeps_its_best_checkpoint_too(make_study: MakeStudy) -> None:
    def wanted(policy: str) -> int:
        study = make_study(checkpoint={"policy": policy})
        base = {**study.base_mapping, "before": {"epochs": 5}}
        staged = replace(study, base_mapping=base)
        return need(plan(staged), is_embedded=True).checkpoints

    assert wanted("last") == 8 * (2 + 3) * 1000 + 1000
    assert wanted("none") == 0


@pytest.mark.usefixtures("_round_numbers")
def test_of_a_search_every_sample_counts(make_search: MakeStudy) -> None:
    todo = plan(make_search(checkpoint={"policy": "last"}), finished=["a"])
    assert need(todo, is_embedded=True).checkpoints == 4 * 2 * 1000 + 1000


@pytest.mark.usefixtures("_round_numbers")
def test_shared_beginnings_need_room_too(make_study: MakeStudy) -> None:
    base = make_study().base.to_mapping() | {
        "model": {"name": "mlp", "widths": [64, 8, 8, 10]},
        "layers": {"order": [1, 2, 3], "epochs_per_layer": 4},
        "epochs": 12,
    }
    axes = [
        {"name": "order", "sets": "layers.order", "permutations": "all"},
        {"name": "seed", "seeds": [1, 2]},
    ]
    study = make_study(base=base, axes=axes)
    # Six orders begin with one of three layers, for each of two seeds.
    assert need(plan(study), is_embedded=True).checkpoints == 6 * 1000
    assert need(plan(study, share=False), is_embedded=True).checkpoints == 0


def test_records_are_counted_by_their_points(make_study: MakeStudy) -> None:
    few, many = (plan(make_study(), finished=()) for _ in range(2))
    embedded, served = (need(few, is_embedded=kind).home for kind in (True, False))
    assert served < embedded
    # 8 cells of 2 epochs, 15 curves and 3 of each of 2 layers, 22 summaries, 12 in percent too.
    assert embedded - served == 8 * (2 * (15 + 6) + 22 + 12) * disk.DATABASE_BYTES
    assert need(many, is_embedded=True).home == embedded
