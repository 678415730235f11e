"""Names of params, metrics and tags as MLflow shows them: constants, no imports.

Curves have one point an epoch; the step is the epoch, counted from 0. Summaries have one point,
written when a cell is finished. Errors and accuracies are fractions in [0, 1]; losses are means in
nats an image.
"""

SPLITS = ("train", "validation", "test")
SPLIT_METRICS = ("loss", "accuracy", "error", "top5_accuracy")  # the last of six classes or more
CURVES = (
    *(f"{split}/{metric}" for split in SPLITS for metric in SPLIT_METRICS),
    "lr",  # learning rate used in the epoch
    "binary/layers",  # how many layers computed with binary weights
    "epoch_s",  # seconds the epoch took, evaluation included
)
LAYER_CURVES = {
    "binary": "binary/{layer}",  # 1 where the layer computed with binary weights, else 0
    "signs_flipped": "signs_flipped/{layer}",  # share of latent signs flipped since last epoch
    "near_zero": "near_zero/{layer}",  # share of latent weights below 5 % of the mean magnitude
}
SELECTED = "selected"  # the epoch of lowest validation error, all of its layers binary
LAST = "last"  # the last epoch
BEST_ON_TEST = "best_on_test"  # chosen by the test set, as the published protocol did
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
    # Those of the last epoch are the ends of the curves.
    f"{SELECTED}/train_accuracy",
    *(f"{SELECTED}/{split}_top5_accuracy" for split in SPLITS),
)
METRICS = (*SUMMARIES, *CURVES)
TEST_METRICS = tuple(  # those that a trial without the test part does not have
    name for name in METRICS if name.startswith(("test/", BEST_ON_TEST)) or "/test_" in name
)
INHERITED_EPOCHS = "inherited_epochs"  # epochs of a cell's curves that another cell trained
OBJECTIVE = "objective"  # what searchers and schedulers compare: see orchestrator.launch.metrics
ROW_MEAN = "matrix/{row}"  # on the parent run: the metric's mean over a row's cells

AXIS_PARAM = "axis/{axis}"  # a cell's label on an axis

# Tags. Those of a cell find its run again; those of a parent find its cells.
KIND = "bnn.kind"
CELL, PARENT = "cell", "study"
STUDY = "bnn.study"
VARIANT = "bnn.variant"  # the study's base and epoch scale, hashed; the axes' values may grow
TRIAL = "bnn.trial"  # content hash: equal wherever the same thing is trained
CELL_KEY = "bnn.cell"  # unique: variant and labels
STATE = "bnn.state"
FINISHED, FAILED, RUNNING, INTERRUPTED = "finished", "failed", "running", "interrupted"
LABEL = "bnn.label.{axis}"
ROWS_AXIS = "bnn.matrix.rows"
ROWS = "bnn.matrix.labels"  # JSON: the labels of the rows in the study's order
OVER_AXIS = "bnn.matrix.over"
METRIC_NAME = "bnn.metric"
METRIC_BETTER = "bnn.metric.better"
ALSO = "bnn.matrix.also"
EPOCH_SCALE = "bnn.epoch_scale"
OVERRIDES = "bnn.overrides"
GIVEN = "bnn.given"  # JSON: what the study took over from an earlier stage of its protocol
AS_PUBLISHED = "bnn.as_published"  # true: changed as the study's key as_published says
APART = "bnn.apart"  # the name under which a variant is kept apart
VARIANT_TAGS = (AS_PUBLISHED, OVERRIDES, GIVEN, EPOCH_SCALE, APART)  # in what it differs
UNSET = ("", "[]")  # what these tags say where it does not
STOPPED_EARLY = "bnn.stopped_early"
REASON = "bnn.reason"
INHERITED = "bnn.inherited"  # where a cell has epochs of others: how many, and whose
NOTE = "bnn.note"  # what went wrong and was done without, such as a checkpoint
COPIED_FROM = "bnn.copied_from"  # run id, where another study had trained the trial already
WEIGHTS_SHA256 = "bnn.weights_sha256"
DATA_SHA256 = "bnn.data_sha256"
GIT_COMMIT = "bnn.git_commit"
CODE = "bnn.code"  # what the code that trained is known by: see orchestrator.fingerprint
ACCEPTED_CODE = "bnn.code.accepted"  # JSON: that of other cells, which --accept-code let count
AXES = "bnn.axes"  # names of the study's axes, commas between
BASE = "bnn.base"  # JSON: what the cells of a variant have in common
HELD = "bnn.held.{holder}"  # JSON: who sweeps the study, and until when
HELD_TRIALS = "bnn.held.{holder}.trials.{part}"  # ids of what is trained there
TRAIN = "bnn.train"  # JSON: the trial in full, as TrainSpec.to_mapping gives it
EXPORT = "bnn.export"  # the checksum of the file its network was last exported to
EXPORT_VERIFIED = "bnn.export_verified"  # true: its network gave the same logits, bit by bit

PLAN_ARTIFACT = "plan.json"
STUDY_ARTIFACT = "study.yaml"
ENVIRONMENT_ARTIFACT = "environment.json"
MATRIX_ARTIFACT = "matrix"
SENSITIVITY_ARTIFACT = "sensitivity"  # layer by learning rate, and the orders it gives
RATES_ARTIFACT = "rates"  # row by learning rate, and the best rate of each
PROTOCOL_ARTIFACT = "protocol"  # the matrix of the full runs with the gaps to both controls
FAILURE_ARTIFACT = "failure.txt"
CHECKPOINT_ARTIFACTS = "checkpoints"  # a folder: what the study's `checkpoint.upload` asks for
UPLOAD = "upload"  # in the journal only: which checkpoints MLflow is still to get
NETWORK_ARTIFACT = "network"  # what MLflow calls the exported network of a run
