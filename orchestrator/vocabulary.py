"""The names of params, metrics and tags in MLflow: constants, no imports.

Curves have one point for each epoch; the step is the epoch, counted from 0. Summaries have one
point, written when a cell is finished. Errors and accuracies are fractions in [0, 1]; losses are
means in nats per image.
"""

from enum import StrEnum

SPLITS = ("train", "validation", "test")
SPLIT_METRICS = ("loss", "accuracy", "error", "top5_accuracy")  # the last with six classes or more
CURVES = (
    *(f"{split}/{metric}" for split in SPLITS for metric in SPLIT_METRICS),
    "lr",  # learning rate used in the epoch
    "binary/layers",  # number of layers with binary weights
    "epoch_s",  # seconds the epoch took, evaluation included
)
LAYER_CURVES = {
    "binary": "binary/{layer}",  # 1 if the layer's weights are binary, else 0
    "signs_flipped": "signs_flipped/{layer}",  # share of latent signs flipped since last epoch
    "near_zero": "near_zero/{layer}",  # share of latent weights below 5 % of the mean magnitude
}
SELECTED = "selected"  # the final network's epoch with the lowest validation error
LAST = "last"  # the last epoch
BEST_ON_TEST = "best_on_test"  # the epoch chosen by the test set, as in the published protocol
SUMMARY_EPOCHS = (SELECTED, LAST, BEST_ON_TEST)
SUMMARIES = (
    *(
        f"{which}/{value}"
        for which in SUMMARY_EPOCHS
        for value in (
            "epoch",
            "train_loss",
            "validation_error",
            "validation_accuracy",
            "test_error",
            "test_accuracy",
        )
    ),
    # The last epoch has none of these: they are the last points of the curves.
    f"{SELECTED}/train_accuracy",
    *(f"{SELECTED}/{split}_top5_accuracy" for split in SPLITS),
)
METRICS = (*SUMMARIES, *CURVES)
PERCENT = "{metric}_percent"  # the same times 100: MLflow's bars show two decimals
IN_PERCENT = tuple(
    f"{which}/{split}_{value}"
    for which in SUMMARY_EPOCHS
    for split in SPLITS[1:]
    for value in ("error", "accuracy")
)
TEST_METRICS = tuple(  # metrics that need the test set
    name for name in METRICS if name.startswith(("test/", BEST_ON_TEST)) or "/test_" in name
)
LAYER_MEASURES = ("rmse", "normalized_rmse", "one_minus_w2")  # see trainers.layer_errors
INHERITED_EPOCHS = "inherited_epochs"  # epochs of a cell's curves that another cell trained
OBJECTIVE = "objective"  # searchers and schedulers minimise it: see orchestrator.launch.metrics
ROW_MEAN = "matrix/{row}"  # on the study's run: the metric's mean over a row's cells

AXIS_PARAM = "axis/{axis}"  # a cell's label on an axis

# Tags. Those of a cell identify its run; those of a study's run identify its cells.
KIND = "bnn.kind"
CELL, PARENT = "cell", "study"
STUDY = "bnn.study"
VARIANT = "bnn.variant"  # StudySpec.variant_id: stays the same if axes get more values
TRIAL = "bnn.trial"  # Cell.id: equal for equal trials, in any study
CELL_KEY = "bnn.cell"  # unique: variant and labels
STATE = "bnn.state"  # one of State
LONGEST_LABELS = 4000  # most characters of all labels in a CELL_KEY; of longer ones it has a hash
LABEL = "bnn.label.{axis}"
ROWS_AXIS = "bnn.matrix.rows"
ROWS = "bnn.matrix.labels"  # JSON: the labels of the rows in the study's order
OVER_AXIS = "bnn.matrix.over"
CONTROL = "bnn.matrix.control"  # the row that others are compared with, if the study names one
CONTROLS = "bnn.matrix.controls"  # JSON: that row, and the controls beside orders
MARGIN = "bnn.matrix.margin"  # how much worse than the control counts as not worse, if named
PLANNED = "bnn.matrix.planned"  # how many values the axis has that rows are compared over
LOOKS = "bnn.matrix.looks"  # JSON: at how many such values verdicts were given
SORT = "bnn.matrix.sort"  # order of the rows: see study.shown.MatrixShape
METRIC_NAME = "bnn.metric"
METRIC_BETTER = "bnn.metric.better"
ALSO = "bnn.matrix.also"
EPOCH_SCALE = "bnn.epoch_scale"
OVERRIDES = "bnn.overrides"
GIVEN = "bnn.given"  # JSON: results taken from an earlier stage of the protocol
AS_PUBLISHED = "bnn.as_published"  # true: the study's key as_published was applied
APART = "bnn.apart"  # the name under which a variant is kept apart
VARIANT_TAGS = (AS_PUBLISHED, OVERRIDES, GIVEN, EPOCH_SCALE, APART)  # how it differs from its file
NOTED = "bnn.noted"  # on the experiment: SHA-256 of the note that we wrote last
UNSET = ("", "[]")  # values of these tags if it does not differ
MANNERS = ("checkpoint", "retries", "together")  # keys of a study that change no trial
STOPPED_EARLY = "bnn.stopped_early"
REASON = "bnn.reason"
INHERITED = "bnn.inherited"  # how many of a cell's epochs other cells trained, and which cells
BEGAN_FROM = "bnn.began_from"  # of a trial in stages: the epoch whose weights each handed on
NOTE = "bnn.note"  # problems that did not stop the cell, such as a damaged checkpoint
COPIED_FROM = "bnn.copied_from"  # id of the run whose results were copied, or its cell's key
WEIGHTS_SHA256 = "bnn.weights_sha256"
DATA_SHA256 = "bnn.data_sha256"
GIT_COMMIT = "bnn.git_commit"
PROCESSES = "bnn.processes"  # if several trained the cell together: how many, the last time
CODE = "bnn.code"  # identifies the code that trained the cell: see orchestrator.fingerprint
ACCEPTED_CODE = "bnn.code.accepted"  # JSON: other code whose results --accept-code let count
AXES = "bnn.axes"  # names of the study's axes, separated by commas
BASE = "bnn.base"  # JSON: what the cells of a variant have in common
HELD = "bnn.held.{holder}"  # JSON: who sweeps the study, and until when the mark is valid
HELD_TRIALS = "bnn.held.{holder}.trials.{part}"  # ids of the trials that this process trains
TRAIN = "bnn.train"  # JSON: the whole trial, from TrainSpec.to_mapping
EXPORT = "bnn.export"  # checksum of the file of the last export
EXPORT_VERIFIED = "bnn.export_verified"  # true: the file's network gave the same logits
TEACHER = "bnn.teacher"  # SHA-256 of the file in which the run's network teaches others

PLAN_ARTIFACT = "plan.json"
STUDY_ARTIFACT = "study.yaml"
ENVIRONMENT_ARTIFACT = "environment.json"
OVERVIEW_ARTIFACT = "cells.json"  # all cells as they are: see mlflow_reader.overview
MATRIX_ARTIFACT = "matrix"
SENSITIVITY_ARTIFACT = "sensitivity"  # layer by learning rate, and the resulting orders
RATES_ARTIFACT = "rates"  # row by learning rate, and each row's best rate
PROTOCOL_ARTIFACT = "protocol"  # the matrix of full runs, with the gaps to both controls
LAYER_ERRORS_ARTIFACT = "layer-errors"  # what binary inputs lose: see orchestrator.results.hybrid
FAILURE_ARTIFACT = "failure.txt"
CHECKPOINT_ARTIFACTS = "checkpoints"  # folder of uploaded checkpoints: see `checkpoint.upload`
UPLOAD = "upload"  # in the journal only: which checkpoints to upload to MLflow
NETWORK_ARTIFACT = "network"  # the name in MLflow of a run's exported network


class State(StrEnum):
    """The state of a cell, or of a sweep of a study; its text is that of the tag."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
