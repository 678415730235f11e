"""One cell in a worker: what it reports, and that an interruption changes nothing."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator import vocabulary
from orchestrator.launch import worker
from orchestrator.launch.report import EpochReport, GivenBack
from orchestrator.launch.worker import Job, train_cell
from orchestrator.study.cells import Cell
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.errors import OutOfMemoryError, SpecError


@pytest.fixture
def job(cells: tuple[Cell, ...], tmp_path: Path) -> Job:
    """Two epochs on the digits, the layers turning binary forwards."""
    cell = next(cell for cell in cells if cell.labels["order"] == "forward")
    return Job(
        train=cell.train.to_mapping(),
        data_dir=tmp_path / "data",
        checkpoint_dir=tmp_path / "checkpoints" / cell.id,
        checkpoints=CheckpointPolicy(policy="every"),
        device="cpu",
        num_threads=1,
        report_every_s=0.0,
    )


def _untimed(reports: list[EpochReport]) -> dict[tuple[str, int], float]:
    """Every value of the curves by name and epoch, but for the seconds."""
    return {
        (name, series.step): value
        for report in reports
        for series in report.points
        for name, value in series.values.items()
        if name != "epoch_s"
    }


def test_every_epoch_is_reported_once_and_the_end_with_the_weights(job: Job) -> None:
    reports: list[EpochReport] = []
    train_cell(job, reports.append)
    assert [report.epoch for report in reports] == [1, 2]
    assert [[series.step for series in report.points] for report in reports] == [[0], [1]]
    assert [report.is_last for report in reports] == [False, True]
    assert len(reports[-1].weights_sha256) == 64
    assert reports[0].weights_sha256 == ""
    layers = {
        pattern.format(layer=layer)
        for pattern in vocabulary.LAYER_CURVES.values()
        for layer in ("fc1", "fc2")
    }
    for report in reports:
        assert set(report.points[0].values) == {*vocabulary.CURVES, *layers}


def test_a_worker_may_give_memory_back_before_each_cell(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    trims = list[str]()

    class Noted:
        def trim(self) -> None:
            trims.append("trim")

    monkeypatch.setattr(worker, "TRIMMING", Noted())
    train_cell(job, lambda report: trims.append("report"))
    assert trims == ["trim", "report", "report"]


def test_every_report_has_a_summary_and_an_objective(job: Job) -> None:
    reports: list[EpochReport] = []
    train_cell(job, reports.append)
    for report in reports:
        assert report.summary.step == report.epoch - 1
        percent = {vocabulary.PERCENT.format(metric=name) for name in vocabulary.IN_PERCENT}
        expected = {*vocabulary.SUMMARIES, *percent}
        assert set(report.summary.values) == expected
    last = reports[-1].summary.values
    # The second layer turns binary in epoch 1: only from there on can an epoch be selected.
    assert last["selected/epoch"] == last["last/epoch"] == 1
    assert reports[-1].objective == last["selected/validation_error"]
    errors = [report.points[0].values["validation/error"] for report in reports]
    assert [report.objective for report in reports] == errors


def test_layers_turn_binary_in_their_turn(job: Job) -> None:
    reports: list[EpochReport] = []
    train_cell(job, reports.append)
    values = _untimed(reports)
    assert [values["binary/layers", epoch] for epoch in (0, 1)] == [1, 2]
    assert [values["binary/fc2", epoch] for epoch in (0, 1)] == [0, 1]


def test_epochs_between_two_reports_travel_together(job: Job) -> None:
    reports: list[EpochReport] = []
    four = replace(job, train={**job.train, "epochs": 4}, report_every_s=3600.0)
    train_cell(four, reports.append)
    assert [[series.step for series in report.points] for report in reports] == [[0], [1, 2, 3]]
    assert [report.is_last for report in reports] == [False, True]


@pytest.mark.parametrize("every_s", [0.0, 3600.0])
def test_no_report_holds_the_last_epoch_without_the_end(every_s: float, job: Job) -> None:
    # A scheduler that stopped the trial at such a report would keep its weights from us.
    reports: list[EpochReport] = []
    layers = {"order": ["fc1"], "epochs_per_layer": 0}
    for epochs in (1, 2, 3):
        train = {**job.train, "epochs": epochs, "layers": layers}
        folder = job.checkpoint_dir.with_name(str(epochs))
        train_cell(
            replace(job, train=train, checkpoint_dir=folder, report_every_s=every_s),
            reports.append,
        )
        assert [report.epoch for report in reports if report.is_last] == [epochs]
        assert all(report.epoch < epochs for report in reports[:-1])
        assert reports[-1].is_last
        reports.clear()


def test_reports_travel_as_plain_data(job: Job) -> None:
    reports: list[EpochReport] = []
    train_cell(job, reports.append)
    plain = [report.to_plain() for report in reports]
    assert json.loads(json.dumps(plain)) == plain
    assert [EpochReport.from_result(item) for item in plain] == reports


def _train_until(job: Job, *, epoch: int, report: Callable[[Any], None]) -> None:
    """Trains as far as the report of that epoch, which is never made."""

    def report_or_die(content: EpochReport) -> None:
        if content.epoch == epoch:
            raise KeyboardInterrupt("the worker is gone")
        report(content)

    with pytest.raises(KeyboardInterrupt, match="the worker is gone"):
        train_cell(job, report_or_die)


@pytest.mark.parametrize("policy", ["every", "none"])
def test_an_interrupted_cell_ends_with_the_same_weights(policy: Any, job: Job) -> None:
    whole: list[EpochReport] = []
    train_cell(replace(job, checkpoint_dir=job.checkpoint_dir.with_name("whole")), whole.append)

    job = replace(job, checkpoints=CheckpointPolicy(policy=policy))
    first: list[EpochReport] = []
    _train_until(job, epoch=2, report=first.append)
    assert job.checkpoint_dir.exists() == (policy == "every")
    again: list[EpochReport] = []
    train_cell(job, again.append)

    assert again[-1].weights_sha256 == whole[-1].weights_sha256
    assert _untimed(again) == _untimed(whole)
    # What comes from the checkpoint bears the time at which it was measured.
    same_time = again[0].points[0].time_ms == first[0].points[0].time_ms
    assert same_time == (policy == "every")


def test_a_finished_cell_that_is_asked_for_again_reports_all_without_training(job: Job) -> None:
    whole: list[EpochReport] = []
    train_cell(job, whole.append)
    again: list[EpochReport] = []
    train_cell(job, again.append)
    assert again[-1].weights_sha256 == whole[-1].weights_sha256
    assert [report.points for report in again] == [report.points for report in whole]


@pytest.fixture
def pair(job: Job, tmp_path: Path) -> tuple[Job, Job]:
    """One that leaves its state after two of six epochs, and one that begins with it."""
    model = {"name": "mlp", "widths": [64, 8, 8, 10]}
    carrier, branch = (
        replace(
            job,
            train={
                **job.train,
                "model": model,
                "layers": {"order": order, "epochs_per_layer": 2},
                "epochs": 6,
            },
            checkpoints=CheckpointPolicy(),
            checkpoint_dir=tmp_path / name,
            name=name,
            report_every_s=3600.0,
        )
        for name, order in (("forward", [1, 2, 3]), ("132", [1, 3, 2]))
    )
    stem = tmp_path / "stems" / "a"
    return replace(carrier, leaves={2: stem}), replace(branch, begins_from=stem)


def test_what_is_left_for_others_is_said_at_once(pair: tuple[Job, Job]) -> None:
    reports: list[EpochReport] = []
    train_cell(pair[0], reports.append)
    assert [(report.epoch, report.available) for report in reports] == [
        (1, ()),
        (2, (2,)),
        (6, (2,)),
    ]
    assert all(report.inherited == {} for report in reports)


def test_a_cell_that_begins_with_epochs_of_another_reports_them_all_and_says_whose(
    pair: tuple[Job, Job],
) -> None:
    carrier, branch = pair
    alone: list[EpochReport] = []
    train_cell(replace(branch, begins_from=None), alone.append)
    first: list[EpochReport] = []
    train_cell(carrier, first.append)
    reports: list[EpochReport] = []
    train_cell(branch, reports.append)
    assert reports[-1].weights_sha256 == alone[-1].weights_sha256
    assert _untimed(reports) == _untimed(alone)
    assert reports[-1].inherited == {"forward": 2}
    assert reports[0].points[0] == first[0].points[0]
    assert [EpochReport.from_result(report.to_plain()) for report in reports] == reports


def test_a_cell_whose_beginning_is_not_there_trains_it_and_says_so(pair: tuple[Job, Job]) -> None:
    reports: list[EpochReport] = []
    train_cell(pair[1], reports.append)
    assert reports[-1].inherited == {}
    assert reports[-1].epoch == 6


def test_what_could_not_be_left_is_not_said_to_be_there(
    pair: tuple[Job, Job], tmp_path: Path
) -> None:
    (tmp_path / "a-file").touch()
    reports: list[EpochReport] = []
    train_cell(replace(pair[0], leaves={2: tmp_path / "a-file" / "stem"}), reports.append)
    assert reports[-1].available == ()
    assert reports[-1].epoch == 6


def test_a_job_that_is_no_trial_is_refused(job: Job) -> None:
    with pytest.raises(SpecError, match="epochs: must be 1 or more"):
        train_cell(replace(job, train={**job.train, "epochs": 0}), print)


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device has no memory for the second epoch."""
    usual = worker.run

    class Full:
        def on_epoch_end(self, metrics: Any) -> None:
            if metrics.epoch == 1:
                raise OutOfMemoryError("cuda has too little memory")

    def run(spec: Any, callbacks: Any, **options: Any) -> Any:
        return usual(spec, [Full(), *callbacks], **options)

    monkeypatch.setattr(worker, "run", run)


@pytest.mark.usefixtures("full")
def test_a_cell_without_memory_gives_its_place_back_if_it_may(job: Job) -> None:
    reports: list[Any] = []
    train_cell(replace(job, yields=True), reports.append)
    assert [type(report) for report in reports] == [EpochReport, GivenBack]
    assert reports[-1].reason == "cuda has too little memory"
    reports.clear()
    with pytest.raises(OutOfMemoryError, match="cuda has too little memory"):
        train_cell(job, reports.append)
    assert [type(report) for report in reports] == [EpochReport]


def test_a_cell_trains_with_its_share_of_memory(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    usual = worker.run

    def run(spec: Any, callbacks: Any, *, options: Any, **more: Any) -> Any:
        shares.append(options.memory_share)
        return usual(spec, callbacks, options=options, **more)

    monkeypatch.setattr(worker, "run", run)
    train_cell(replace(job, memory_share=0.5), lambda report: None)
    assert shares == [0.5]


def test_what_went_wrong_travels_with_the_reports(job: Job) -> None:
    reports: list[EpochReport] = []
    train_cell(job, reports.append)
    assert [report.notes for report in reports] == [(), ()]
    newest = max(job.checkpoint_dir.glob("*.pt"))  # type: ignore[union-attr]
    newest.write_bytes(b"damaged")
    reports.clear()
    train_cell(job, reports.append)
    [note] = reports[-1].notes
    assert f"{newest} is damaged" in note
    assert reports[0].notes == (note,)


def test_a_cell_in_stages_reports_all_epochs_and_where_it_began(job: Job) -> None:
    before = {"layers": {"order": []}, "epochs": 2}
    reports: list[EpochReport] = []
    train_cell(replace(job, train={**job.train, "before": before}), reports.append)
    assert [series.step for report in reports for series in report.points] == [0, 1, 2, 3]
    values = _untimed(reports)
    assert [values["binary/layers", epoch] for epoch in range(4)] == [0, 0, 1, 2]
    assert [len(report.began_from) for report in reports] == [0, 1, 1, 1]
    assert reports[-1].is_last
    assert reports[-1].summary.values["selected/epoch"] == 3
