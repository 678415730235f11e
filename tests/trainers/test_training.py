"""One trial from start to end: the same bits every time, interrupted or not."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from trainers.binarize.attach import baked, latent_weights
from trainers.build import load_splits
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.engine.evaluate import evaluate
from trainers.engine.latent import weights_sha256
from trainers.engine.result import EpochMetrics, Scores, TrainResult
from trainers.errors import BadLossError, MissingDataError, OutOfMemoryError, SpecError
from trainers.losses import cross_entropy
from trainers.spec.train_spec import TrainSpec
from trainers.training import RunOptions, run

MakeSpec = Callable[..., TrainSpec]
Untimed = Callable[[EpochMetrics], dict[str, Any]]
CPU = RunOptions(device="cpu", num_threads=1)


class Interrupted(Exception):
    """Stands for whatever ends a process."""


class Listener:
    """Hears every epoch, and raises after one if told to."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.heard: list[EpochMetrics] = []
        self.stop_after = stop_after

    def on_epoch_end(self, metrics: EpochMetrics) -> None:
        self.heard.append(metrics)
        if metrics.epoch == self.stop_after:
            raise Interrupted("after epoch")


@pytest.fixture
def same_result(untimed: Untimed) -> Callable[[TrainResult, TrainResult], bool]:
    """Whether two results agree to the bit in everything that is not a time."""

    def same(left: TrainResult, right: TrainResult) -> bool:
        epochs = [[untimed(metrics) for metrics in each.epochs] for each in (left, right)]
        return (left.weights_sha256, left.final_from, epochs[0]) == (
            right.weights_sha256,
            right.final_from,
            epochs[1],
        )

    return same


SameResult = Callable[[TrainResult, TrainResult], bool]


def test_two_runs_of_a_spec_end_with_the_same_bits(
    make_spec: MakeSpec, same_result: SameResult
) -> None:
    first, second = run(make_spec(), options=CPU), run(make_spec(), options=CPU)
    assert same_result(first, second)
    assert weights_sha256(first.model) == first.weights_sha256


def test_a_run_tells_its_listeners_what_it_returns(make_spec: MakeSpec) -> None:
    listener = Listener()
    result = run(make_spec(), [listener], options=CPU)
    assert tuple(listener.heard) == result.epochs
    assert [metrics.epoch for metrics in result.epochs] == [0, 1, 2, 3, 4]
    assert [metrics.binary for metrics in result.epochs] == [("fc2",)] * 2 + [("fc1", "fc2")] * 3
    assert result.final_from == 2
    assert result.selected.epoch >= 2
    assert result.last is result.epochs[-1]


def test_training_learns_the_digits(make_spec: MakeSpec) -> None:
    result = run(make_spec(epochs=8), options=CPU)
    # Nine in ten are wrong by chance.
    assert result.last.test.error < 0.35
    assert result.last.train.loss < result.epochs[0].train.loss


@pytest.mark.parametrize(
    "change",
    [{"seed": 8}, {"layers": {"order": [1]}}, {"data": {"name": "digits", "batch_size": 63}}],
)
def test_another_spec_ends_elsewhere(change: dict[str, Any], make_spec: MakeSpec) -> None:
    first, second = run(make_spec(), options=CPU), run(make_spec(**change), options=CPU)
    assert first.weights_sha256 != second.weights_sha256


def test_a_run_does_not_depend_on_the_global_generator_and_leaves_it_alone(
    make_spec: MakeSpec, same_result: SameResult
) -> None:
    torch.manual_seed(1)
    first = run(make_spec(), options=CPU)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = run(make_spec(), options=CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert same_result(first, second)


def test_a_run_does_not_depend_on_the_default_dtype(
    make_spec: MakeSpec, same_result: SameResult
) -> None:
    first = run(make_spec(), options=CPU)
    torch.set_default_dtype(torch.float64)
    try:
        second = run(make_spec(), options=CPU)
    finally:
        torch.set_default_dtype(torch.float32)
    assert same_result(first, second)


def test_a_run_does_not_depend_on_what_was_trained_before(
    make_spec: MakeSpec, same_result: SameResult
) -> None:
    first = run(make_spec(), options=CPU)
    for change in ({"precision": "float64"}, {"precision": "bfloat16"}, {"seed": 99}):
        run(make_spec(epochs=3, **change), options=CPU)
    assert same_result(first, run(make_spec(), options=CPU))


def test_specs_that_train_the_same_end_with_the_same_bits(
    make_spec: MakeSpec, same_result: SameResult
) -> None:
    spec = make_spec(layers={"order": [3, 1]})
    assert same_result(run(spec, options=CPU), run(spec.canonical(), options=CPU))


def test_evaluation_is_bit_for_bit_that_of_the_baked_model(
    make_spec: MakeSpec, same_bits: Callable[[Tensor, Tensor], bool]
) -> None:
    spec = make_spec()
    result = run(spec, options=CPU)
    plain = baked(result.model).eval()
    splits = load_splits(spec.data.source, data_dir=Path())
    for split, scores in (
        (splits.validation, result.last.validation),
        (splits.test, result.last.test),
    ):
        again = evaluate(
            plain, split, loss=cross_entropy(), batch_size=1000, autocast=nullcontext()
        )
        assert again == scores
        with torch.no_grad():
            assert same_bits(plain(split.images), result.model.eval()(split.images))


@pytest.mark.parametrize("stop_after", [1, 3])
@pytest.mark.parametrize(
    "policy",
    [
        CheckpointPolicy(policy="last", interval_s=0),
        CheckpointPolicy(policy="every"),
        CheckpointPolicy(policy="every", every=2, keep=1),
        CheckpointPolicy(policy="best", interval_s=1e6),
        CheckpointPolicy(policy="best", interval_s=0),
    ],
    ids=lambda policy: f"{policy.policy}-{policy.every}-{policy.interval_s}",
)
def test_an_interrupted_run_resumes_to_the_same_bits(
    policy: CheckpointPolicy,
    stop_after: int,
    make_spec: MakeSpec,
    same_result: SameResult,
    tmp_path: Path,
) -> None:
    whole = run(make_spec(), options=CPU)
    options = dataclasses.replace(CPU, checkpoint_dir=tmp_path / "trial", checkpoints=policy)
    first, second = Listener(stop_after), Listener()
    with pytest.raises(Interrupted, match="after epoch"):
        run(make_spec(), [first], options=options)
    resumed = run(make_spec(), [second], options=options)
    assert same_result(resumed, whole)
    assert tuple(second.heard) == resumed.epochs
    # The restored epochs are the recorded ones to the millisecond; the others were trained anew.
    restored = [before == after for before, after in zip(first.heard, second.heard, strict=False)]
    assert restored == sorted(restored, reverse=True)
    if policy.interval_s == 0 or (policy.policy, policy.every) == ("every", 1):
        # An epoch is saved before anybody hears of it.
        assert restored == [True] * (stop_after + 1)


def test_a_run_may_be_interrupted_again_and_again(
    make_spec: MakeSpec, same_result: SameResult, tmp_path: Path
) -> None:
    options = dataclasses.replace(
        CPU,
        checkpoint_dir=tmp_path,
        checkpoints=CheckpointPolicy(policy="last", interval_s=0),
    )
    for stop_after in (1, 2, 3, 4):
        with pytest.raises(Interrupted, match="after epoch"):
            run(make_spec(), [Listener(stop_after)], options=options)
    assert same_result(run(make_spec(), options=options), run(make_spec(), options=CPU))


def test_optimizer_state_and_rate_survive_an_interruption(
    make_spec: MakeSpec, same_result: SameResult, tmp_path: Path
) -> None:
    spec = make_spec(
        optimizer={"name": "sgd", "lr": 0.05, "momentum": 0.9},
        lr_schedule={"name": "multistep", "milestones": [2, 4]},
        weights={"name": "sign", "clip": 0.1},
        precision="float64",
    )
    options = dataclasses.replace(
        CPU, checkpoint_dir=tmp_path, checkpoints=CheckpointPolicy(policy="every")
    )
    with pytest.raises(Interrupted, match="after epoch"):
        run(spec, [Listener(3)], options=options)
    assert same_result(run(spec, options=options), run(spec, options=CPU))


THREE = {"order": [3, 1, 2], "epochs_per_layer": 2}
OTHER = {"order": [3, 2, 1], "epochs_per_layer": 2}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {
            "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
            "lr_schedule": {"name": "multistep", "milestones": [1, 3]},
        },
        {"latent_at_eval": "reset"},
        {"weights": {"name": "sign", "clip": 0.1}, "precision": "float64"},
    ],
    ids=["adam", "sgd", "reset", "clip"],
)
def test_a_run_that_begins_with_the_state_of_another_ends_with_the_bits_of_its_own(
    change: dict[str, Any],
    make_spec: MakeSpec,
    untimed: Untimed,
    tmp_path: Path,
) -> None:
    stem, carrier = tmp_path / "stem", make_spec(layers=THREE, epochs=6, **change)
    options = dataclasses.replace(CPU, leave={2: stem}, name="312")
    left = run(carrier, options=options)
    assert left.weights_sha256 == run(carrier, options=CPU).weights_sha256

    spec = make_spec(layers=OTHER, epochs=6, **change)
    alone, listener = run(spec, options=CPU), Listener()
    branch = run(spec, [listener], options=dataclasses.replace(CPU, start=stem))
    assert branch.weights_sha256 == alone.weights_sha256
    assert tuple(listener.heard) == branch.epochs
    assert [metrics.source for metrics in branch.epochs] == ["312"] * 2 + [""] * 4
    unmarked = [untimed(dataclasses.replace(metrics, source="")) for metrics in branch.epochs]
    assert unmarked == [untimed(metrics) for metrics in alone.epochs]
    times = [(metrics.time_ms, metrics.wall_s) for metrics in left.epochs[:2]]
    assert [(metrics.time_ms, metrics.wall_s) for metrics in branch.epochs[:2]] == times


def test_a_branch_goes_on_from_its_own_checkpoint_and_keeps_the_marks(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    stem = tmp_path / "stem"
    run(make_spec(layers=THREE, epochs=6), options=dataclasses.replace(
        CPU, leave={2: stem}, name="312"))  # fmt: skip
    spec = make_spec(layers=OTHER, epochs=6)
    options = dataclasses.replace(
        CPU,
        start=stem,
        checkpoint_dir=tmp_path / "trial",
        checkpoints=CheckpointPolicy(policy="every"),
    )
    first = Listener(3)
    with pytest.raises(Interrupted, match="after epoch"):
        run(spec, [first], options=options)
    shutil.rmtree(stem)
    resumed = run(spec, options=options)
    # The checkpoint of epoch 3 was not written any more.
    assert resumed.epochs[:3] == tuple(first.heard[:3])
    assert [metrics.source for metrics in resumed.epochs] == ["312"] * 2 + [""] * 4
    assert resumed.weights_sha256 == run(spec, options=CPU).weights_sha256
    names = sorted(path.name[:12] for path in (tmp_path / "trial").iterdir())
    assert names == [f"epoch-00000{number}" for number in (2, 3, 4, 5)]


@pytest.mark.parametrize("damage", ["missing", "damaged", "too long"])
def test_a_state_that_cannot_be_begun_with_costs_nothing_but_time(
    damage: str,
    make_spec: MakeSpec,
    same_result: SameResult,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stem, spec = tmp_path / "stem", make_spec(layers=OTHER, epochs=6)
    if damage != "missing":
        after = 7 if damage == "too long" else 2
        run(
            make_spec(layers=THREE, epochs=8),
            options=dataclasses.replace(CPU, leave={after: stem}),
        )
    if damage == "damaged":
        (path,) = stem.iterdir()
        path.write_bytes(path.read_bytes()[:-7])
    begun = run(spec, options=dataclasses.replace(CPU, start=stem))
    assert (f"no usable shared checkpoint in {stem}" in caplog.text) == (damage != "too long")
    assert same_result(begun, run(spec, options=CPU))


def test_a_run_that_was_interrupted_takes_back_what_it_left(
    make_spec: MakeSpec, same_result: SameResult, tmp_path: Path
) -> None:
    # It keeps no checkpoints, but left its state for others.
    spec, first, second = make_spec(layers=THREE, epochs=6), Listener(4), Listener()
    options = dataclasses.replace(CPU, leave={2: tmp_path / "stem"}, name="312")
    with pytest.raises(Interrupted, match="after epoch"):
        run(spec, [first], options=options)
    assert same_result(run(spec, [second], options=options), run(spec, options=CPU))
    restored = [before == after for before, after in zip(first.heard, second.heard, strict=False)]
    assert restored == [True, True, False, False, False]


def test_a_state_is_there_when_its_epoch_is_told(make_spec: MakeSpec, tmp_path: Path) -> None:
    seen: list[bool] = []

    class Watch:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            seen.append(any(tmp_path.glob("stem/*.pt")))

    run(make_spec(), [Watch()], options=dataclasses.replace(CPU, leave={2: tmp_path / "stem"}))
    assert seen == [False, True, True, True, True]


def test_a_state_before_the_first_epoch_cannot_be_left(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="leave counts epochs from 1, got 0"):
        RunOptions(leave={0: tmp_path})


def test_a_finished_run_is_told_again_and_not_trained_again(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    options = dataclasses.replace(
        CPU, checkpoint_dir=tmp_path, checkpoints=CheckpointPolicy(policy="last")
    )
    first = run(make_spec(), options=options)
    listener = Listener()
    second = run(make_spec(), [listener], options=options)
    # Equal times too: nothing of it was measured anew.
    assert second.epochs == first.epochs
    assert tuple(listener.heard) == first.epochs
    assert second.weights_sha256 == first.weights_sha256
    images = load_splits(make_spec().data.source, data_dir=Path()).test.images
    with torch.no_grad():
        assert torch.equal(first.model.eval()(images), second.model.eval()(images))


def test_a_restored_epoch_is_not_written_again_with_a_later_state(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    options = dataclasses.replace(
        CPU, checkpoint_dir=tmp_path, checkpoints=CheckpointPolicy(policy="every")
    )
    run(make_spec(), options=options)
    before = sorted(path.name for path in tmp_path.iterdir())
    run(make_spec(), options=options)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert len(before) == 5


def test_the_checkpoint_of_another_spec_is_not_resumed(
    make_spec: MakeSpec, same_result: SameResult, tmp_path: Path
) -> None:
    options = dataclasses.replace(
        CPU, checkpoint_dir=tmp_path, checkpoints=CheckpointPolicy(policy="every")
    )
    with pytest.raises(Interrupted, match="after epoch"):
        run(make_spec(seed=1), [Listener(2)], options=options)
    assert same_result(run(make_spec(), options=options), run(make_spec(), options=CPU))


def test_an_equal_trial_in_other_words_is_resumed(make_spec: MakeSpec, tmp_path: Path) -> None:
    options = dataclasses.replace(
        CPU, checkpoint_dir=tmp_path, checkpoints=CheckpointPolicy(policy="every")
    )
    first = run(make_spec(layers={"order": [3, 1]}), options=options)
    second = run(make_spec(layers={"order": [1, 3]}), options=options)
    assert second.epochs == first.epochs


def test_the_best_checkpoint_is_of_the_selected_epoch(make_spec: MakeSpec, tmp_path: Path) -> None:
    options = dataclasses.replace(
        CPU, checkpoint_dir=tmp_path, checkpoints=CheckpointPolicy(policy="best")
    )
    result = run(make_spec(), options=options)
    (best,) = tmp_path.glob("best-*.pt")
    assert int(best.name.split("-")[1]) == result.selected.epoch >= result.final_from


def test_a_network_that_is_better_before_it_is_final_hides_no_best_checkpoint(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accuracies = iter([0.9, 0.8, 0.5, 0.7, 0.6])

    def measured(*arguments: object, **more: object) -> Scores:
        return Scores(loss=1.0, accuracy=next(accuracies))

    monkeypatch.setattr("trainers.engine.fit.evaluate", measured)
    options = dataclasses.replace(
        CPU, checkpoint_dir=tmp_path, checkpoints=CheckpointPolicy(policy="best")
    )
    result = run(make_spec(measure_test=False), options=options)
    assert (result.final_from, result.selected.epoch) == (2, 3)
    assert [path.name[:11] for path in tmp_path.glob("best-*.pt")] == ["best-000003"]


def test_without_a_folder_nothing_is_written(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run(make_spec(epochs=3), options=dataclasses.replace(
        CPU, checkpoints=CheckpointPolicy(policy="every")))  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_no_number_is_an_error(make_spec: MakeSpec) -> None:
    spec = make_spec(optimizer={"name": "sgd", "lr": 1e38})
    with pytest.raises(BadLossError, match="the training loss of epoch 1 is nan"):
        run(spec, options=CPU)


@pytest.fixture
def process_settings() -> Iterator[Callable[[], tuple[Any, ...]]]:
    """Reads what torch keeps for the process; puts back what a test changes."""

    def read() -> tuple[Any, ...]:
        return (
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.backends.cuda.matmul.allow_tf32,
            torch.backends.cudnn.allow_tf32,
        )

    before = read()
    yield read
    torch.set_num_threads(before[0])
    torch.use_deterministic_algorithms(before[1], warn_only=before[2])


@pytest.mark.parametrize("fails", [False, True])
def test_settings_of_the_process_are_put_back(
    fails: bool, make_spec: MakeSpec, process_settings: Callable[[], tuple[Any, ...]]
) -> None:
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(fails)
    before = process_settings()
    options = RunOptions(device="cpu", num_threads=1, deterministic=not fails)
    seen: list[tuple[Any, ...]] = []

    class Watch:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            seen.append(process_settings())
            if fails:
                raise Interrupted("after epoch")

    spec = make_spec(precision="tf32", epochs=3)
    if fails:
        with pytest.raises(Interrupted, match="after epoch"):
            run(spec, [Watch()], options=options)
    else:
        run(spec, [Watch()], options=options)
    assert seen[0][0] == 1
    assert seen[0][1] is not fails
    assert seen[0][3:] == (True, True)
    assert process_settings() == before


def test_a_process_that_only_warns_of_nondeterminism_goes_on_only_warning(
    make_spec: MakeSpec, process_settings: Callable[[], tuple[Any, ...]]
) -> None:
    torch.use_deterministic_algorithms(True, warn_only=True)
    before = process_settings()
    run(make_spec(epochs=3), options=RunOptions(device="cpu"))
    assert process_settings() == before


def test_without_a_number_of_threads_they_stay(
    make_spec: MakeSpec, process_settings: Callable[[], tuple[Any, ...]]
) -> None:
    torch.set_num_threads(2)
    seen: list[int] = []

    class Watch:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            seen.append(torch.get_num_threads())

    run(make_spec(epochs=3), [Watch()], options=RunOptions(device="cpu"))
    assert set(seen) == {2}


@pytest.mark.parametrize("precision", ["bfloat16", "float64", "tf32"])
def test_every_precision_trains_to_the_same_bits_twice(
    precision: str, make_spec: MakeSpec, same_result: SameResult
) -> None:
    spec = make_spec(precision=precision, epochs=3)
    first, second = run(spec, options=CPU), run(spec, options=CPU)
    assert same_result(first, second)
    assert first.last.test.error < 0.8


def test_data_lies_where_the_options_or_the_environment_say(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A download that fails, as torchvision reports it when no mirror answers.
    def download(self: object) -> None:
        raise RuntimeError("Error downloading")

    monkeypatch.setattr("torchvision.datasets.MNIST.download", download)
    spec = make_spec(model={"name": "mlp", "widths": [784, 9, 8, 10]}, data="mnist")
    monkeypatch.setenv("BNN_DATA_DIR", str(tmp_path / "of-environment"))
    with pytest.raises(MissingDataError, match="of-environment"):
        run(spec, options=CPU)
    with pytest.raises(MissingDataError, match="of-options"):
        run(spec, options=dataclasses.replace(CPU, data_dir=tmp_path / "of-options"))
    monkeypatch.delenv("BNN_DATA_DIR")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingDataError, match=f"looked in {tmp_path / 'data'} for"):
        run(spec, options=CPU)


def test_a_device_that_torch_does_not_know_is_refused(make_spec: MakeSpec) -> None:
    with pytest.raises(SpecError, match="there is no device 'gpu'; known: auto, cpu, cuda"):
        run(make_spec(), options=RunOptions(device="gpu"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA GPU")
def test_cuda_is_refused_where_there_is_none(make_spec: MakeSpec) -> None:
    with pytest.raises(SpecError, match="device 'cuda:0' is not available: torch finds no"):
        run(make_spec(), options=RunOptions(device="cuda:0"))


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="there is an MPS device")
def test_a_device_of_another_kind_is_refused_where_there_is_none(make_spec: MakeSpec) -> None:
    with pytest.raises(SpecError, match="mps"):
        run(make_spec(), options=RunOptions(device="mps"))


def test_a_trial_that_runs_out_of_memory_says_its_batch_size(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def allocate(*args: object, **kwargs: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    spec = make_spec()
    monkeypatch.setattr("trainers.engine.fit.evaluate", allocate)
    with pytest.raises(OutOfMemoryError, match=rf"batch_size {spec.data.batch_size} "):
        run(spec, options=CPU)


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, float("nan")])
def test_a_share_of_memory_is_more_than_nothing_and_at_most_all(share: float) -> None:
    with pytest.raises(SpecError, match="memory_share must be more than 0 and at most 1, got"):
        RunOptions(memory_share=share)


def test_a_run_is_limited_to_its_share_of_memory(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[float, str]] = []

    def limited_to(share: float, device: torch.device) -> AbstractContextManager[None]:
        asked.append((share, device.type))
        return nullcontext()

    monkeypatch.setattr("trainers.training.limited_to", limited_to)
    half = run(
        make_spec(epochs=1, layers={"order": [1]}),
        options=dataclasses.replace(CPU, memory_share=0.5),
    )
    whole = run(make_spec(epochs=1, layers={"order": [1]}), options=CPU)
    assert asked == [(0.5, "cpu"), (1.0, "cpu")]
    assert half.weights_sha256 == whole.weights_sha256


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_a_run_on_a_gpu_trains_on_the_same_batches_as_on_the_cpu(make_spec: MakeSpec) -> None:
    spec = make_spec(precision="float64", epochs=1, layers={"order": [1]})
    on_gpu = run(spec, options=RunOptions(device="cuda", deterministic=True))
    on_cpu = run(spec, options=CPU)
    assert on_gpu.last.train.loss == pytest.approx(on_cpu.last.train.loss, rel=1e-3)
    assert next(on_gpu.model.parameters()).is_cuda


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
def test_a_run_on_a_gpu_resumes_to_the_same_bits(
    make_spec: MakeSpec, same_result: SameResult, tmp_path: Path
) -> None:
    options = RunOptions(
        device="cuda",
        deterministic=True,
        checkpoint_dir=tmp_path,
        checkpoints=CheckpointPolicy(policy="every"),
    )
    with pytest.raises(Interrupted, match="after epoch"):
        run(make_spec(), [Listener(2)], options=options)
    whole = run(make_spec(), options=RunOptions(device="cuda", deterministic=True))
    assert same_result(run(make_spec(), options=options), whole)


def test_resetting_latent_weights_is_another_trial_but_not_for_a_float_network() -> None:
    mapping: dict[str, Any] = {
        "model": {"name": "mlp", "widths": [64, 12, 10]},
        "data": {"name": "digits", "batch_size": 64},
        "optimizer": {"name": "adam", "lr": 0.02},
        "epochs": 2,
    }

    def digest(**changes: object) -> str:
        return run(TrainSpec.from_mapping({**mapping, **changes})).weights_sha256

    binary = {"order": ["fc1", "fc2"], "epochs_per_layer": 1}
    reset = run(TrainSpec.from_mapping({**mapping, "layers": binary, "latent_at_eval": "reset"}))
    assert reset.weights_sha256 != digest(layers=binary)
    for latent in latent_weights(reset.model).values():
        assert set(latent.unique().tolist()) == {-1.0, 1.0}
    assert digest(latent_at_eval="reset") == digest()


@pytest.mark.parametrize("augment", [{"crop": 1, "flip": True}, {"mixup": {"alpha": 0.5}}])
def test_an_augmented_trial_goes_on_to_the_same_bits(
    augment: dict[str, Any], make_spec: MakeSpec, same_result: SameResult, tmp_path: Path
) -> None:
    spec = make_spec(data={"name": "digits", "batch_size": 64, "augment": augment})
    options = dataclasses.replace(
        CPU, checkpoint_dir=tmp_path, checkpoints=CheckpointPolicy(policy="every")
    )
    with pytest.raises(Interrupted, match="after epoch"):
        run(spec, [Listener(2)], options=options)
    resumed = run(spec, options=options)
    assert same_result(resumed, run(spec, options=CPU))
    assert resumed.weights_sha256 != run(make_spec(), options=CPU).weights_sha256


def test_a_trial_without_the_test_part_trains_the_same_and_survives_a_kill(
    make_spec: MakeSpec, same_result: SameResult, tmp_path: Path
) -> None:
    spec = make_spec(measure_test=False)
    options = dataclasses.replace(
        CPU, checkpoint_dir=tmp_path, checkpoints=CheckpointPolicy(policy="every")
    )
    with pytest.raises(Interrupted, match="after epoch"):
        run(spec, [Listener(2)], options=options)
    resumed, measured = run(spec, options=options), run(make_spec(), options=CPU)
    assert same_result(resumed, run(spec, options=CPU))
    assert resumed.weights_sha256 == measured.weights_sha256
    assert [metrics.test for metrics in resumed.epochs] == [None] * 5
    assert resumed.selected.validation == measured.selected.validation
    with pytest.raises(SpecError, match="measure_test was false"):
        _ = resumed.best_on_test
