"""The three stages of iterative training for each network, as published: arXiv:2111.07046."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from orchestrator.study.catalog import load_study, study_files
from orchestrator.study.cells import Cell
from orchestrator.study.expansion import expand
from orchestrator.study.orders import named_order
from orchestrator.study.spec import StudySpec
from trainers.binding import Component
from trainers.spec.probe import model_layers

NAMED = ("forward", "reverse", "ascend", "descend", "random")
MLP_ORDERS = ("forward", "reverse", "132", "213", "231", "312")
SEEDS = ["316", "317", "318", "319", "320"]
RATES = ["0.1", "0.01", "0.001"]


@dataclass(frozen=True, kw_only=True)
class Published:
    """What was published of a network.

    Args:
        layers: How many.
        sensitivity: Epochs of a sensitivity run.
        full: Epochs of a full run.
        per_layer: Epochs between two layers of it.
        batch_size: Training images a batch.
        orders: In which layers turn binary.
        milestones: Of a sensitivity run, and of a full one.
        rates: Learning rates that are tried.
    """

    layers: int
    sensitivity: int
    full: int
    per_layer: int
    batch_size: int
    orders: Sequence[str]
    milestones: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    rates: Sequence[str] = tuple(RATES)


PUBLISHED = {
    "mnist300": Published(
        layers=3, sensitivity=150, full=450, per_layer=150, batch_size=100, orders=MLP_ORDERS
    ),
    "mnist784": Published(
        layers=3, sensitivity=150, full=450, per_layer=150, batch_size=100, orders=MLP_ORDERS
    ),
    "vgg5": Published(
        layers=5, sensitivity=200, full=750, per_layer=150, batch_size=100, orders=NAMED
    ),
    "vgg9": Published(
        layers=9, sensitivity=450, full=1350, per_layer=150, batch_size=100, orders=NAMED
    ),
    "resnet20": Published(
        layers=20,
        sensitivity=300,
        full=1200,
        per_layer=50,
        batch_size=128,
        orders=NAMED,
        milestones=((200, 250), (1000, 1100)),
    ),
    "resnet21": Published(
        layers=21,
        sensitivity=20,
        full=67,
        per_layer=2,
        batch_size=256,
        orders=("forward", "ascend"),
        milestones=((20,), (42, 57)),
        rates=("0.01",),
    ),
}
SEARCHED = [name for name in PUBLISHED if name != "resnet21"]
every_network = pytest.mark.parametrize("network", PUBLISHED)


def _labels(study: StudySpec, axis: str) -> list[str]:
    return next(list(found.points) for found in study.axes if found.name == axis)


def _check_common(cell: Cell, network: str, milestones: tuple[int, ...] | None) -> None:
    """What all stages of a network share."""
    train, published = cell.train, PUBLISHED[network]
    if published.milestones is None:
        assert (train.optimizer.name, dict(train.optimizer.options).keys()) == ("adam", {"lr"})
        assert train.lr_schedule == Component("constant")
    else:
        options = dict(train.optimizer.options)
        del options["lr"]
        assert train.optimizer.name == "sgd"
        assert options == {"momentum": 0.9, "weight_decay": 1e-4}
        # A factor of 0.1 is the default.
        assert train.lr_schedule == Component("multistep", {"milestones": milestones})
    assert train.data.batch_size == published.batch_size
    assert train.data.eval_batch_size == (256 if network == "resnet21" else 1000)
    assert train.weights == Component("sign")
    assert train.loss == Component("cross_entropy")
    assert train.latent_at_eval == "keep"
    assert len(model_layers(train.model)) == published.layers


def test_every_network_comes_in_all_stages_and_only_resnet21_without_a_search_of_rates() -> None:
    stages = {name: {"sensitivity", "lr", "full"} for name in (*SEARCHED, "digits")}
    stages["resnet21"] = {"sensitivity", "full"}
    for network, names in stages.items():
        found = {name for name in study_files() if name.split("-", 1)[0] == network}
        assert {f"{network}-{stage}" for stage in names} <= found
    assert "resnet21-lr" not in study_files()


@every_network
def test_sensitivity_is_layer_by_rate_with_one_layer_binary_from_the_start(network: str) -> None:
    published, study = PUBLISHED[network], load_study(f"{network}-sensitivity")
    assert (study.matrix.rows, study.matrix.over) == ("layer", "lr")
    assert study.metric.name == "selected/validation_error"
    assert _labels(study, "layer") == [str(n) for n in range(1, published.layers + 1)]
    assert _labels(study, "lr") == list(published.rates)
    forward = model_layers(study.base.model)
    cells = expand(study)
    assert len(cells) == published.layers * len(published.rates)
    for cell in cells:
        _check_common(cell, network, published.milestones and published.milestones[0])
        layer = forward[int(cell.labels["layer"]) - 1]
        assert cell.train.layers.order == (layer,)
        assert cell.train.layers.binarized_at(0) == {layer}
        assert cell.train.epochs == published.sensitivity
        assert cell.train.optimizer.options["lr"] == float(cell.labels["lr"])
        assert (cell.train.seed, cell.train.measure_test) == (316, False)


@pytest.mark.parametrize("network", SEARCHED)
def test_rates_are_tried_in_every_order_without_the_test_set(network: str) -> None:
    published, study = PUBLISHED[network], load_study(f"{network}-lr")
    assert (study.matrix.rows, study.matrix.over) == ("order", "lr")
    assert study.metric.name == "selected/validation_error"
    assert _labels(study, "lr") == list(published.rates)
    for cell in expand(study):
        _check_common(cell, network, published.milestones and published.milestones[1])
        assert (cell.train.seed, cell.train.measure_test) == (316, False)
        assert cell.train.epochs == published.full
    _check_orders(study, network)


@every_network
def test_full_runs_train_every_order_with_five_seeds(network: str) -> None:
    published, study = PUBLISHED[network], load_study(f"{network}-full")
    assert (study.matrix.rows, study.matrix.over) == ("order", "seed")
    assert _labels(study, "seed") == SEEDS
    assert study.checkpoint.policy == "best"
    rate = 0.01 if network == "resnet21" else 0.1
    for cell in expand(study):
        _check_common(cell, network, published.milestones and published.milestones[1])
        assert cell.train.optimizer.options["lr"] == rate
        assert cell.train.epochs == published.full
    _check_orders(study, network)


def _check_orders(study: StudySpec, network: str) -> None:
    published, forward = PUBLISHED[network], model_layers(study.base.model)
    assert _labels(study, "order") == ["float", "binary", *published.orders]
    for cell in expand(study):
        label, layers = cell.labels["order"], cell.train.layers
        if label == "float":
            assert layers.order == ()
        elif label == "binary":
            assert layers.binarized_at(0) == set(forward)
        else:
            numbers = tuple(forward.index(layer) + 1 for layer in layers.order)
            assert numbers == named_order(network, label)
            assert layers.epochs_per_layer == published.per_layer


@pytest.mark.parametrize("network", SEARCHED)
def test_full_runs_report_on_the_test_set(network: str) -> None:
    study = load_study(f"{network}-full")
    assert study.metric.name == "selected/test_error"
    assert study.matrix.also == ("selected/validation_accuracy", "best_on_test/test_error")
    assert study.base.measure_test


def test_imagenet_is_measured_on_its_validation_folder_alone() -> None:
    for study in (load_study("resnet21-sensitivity"), load_study("resnet21-full")):
        assert not study.base.measure_test
        assert study.metric.name.endswith("validation_error")


@pytest.mark.parametrize("network", ["vgg5", "vgg9", "resnet20"])
@pytest.mark.parametrize("stage", ["sensitivity", "lr", "full"])
def test_cifar10_is_varied_and_cut_as_published(network: str, stage: str) -> None:
    def data(*, as_published: bool) -> dict[str, object]:
        study = load_study(f"{network}-{stage}", as_published=as_published)
        return study.base.data.to_mapping()

    ours, theirs = data(as_published=False), data(as_published=True)
    assert ours["name"] == "cifar10"
    assert ours["augment"] == {"crop": 4, "flip": True}
    assert "split" not in ours
    assert theirs == {**ours, "split": {"file": "cifar10_split0613.json"}}


@every_network
@pytest.mark.parametrize("stage", ["sensitivity", "full"])
def test_as_published_differs_where_the_published_code_does(network: str, stage: str) -> None:
    theirs = load_study(f"{network}-{stage}", as_published=True)
    assert theirs.base.weights == Component("sign", {"zero": 0})
    is_imagenet = network == "resnet21"
    assert theirs.base.latent_at_eval == ("keep" if is_imagenet else "reset")
    assert theirs.base.lr_schedule.options.get("early", False) == (network == "resnet20")
    if stage == "full":
        expected = "selected/validation_error" if is_imagenet else "best_on_test/test_error"
        assert theirs.metric.name == expected
    assert {cell.id for cell in expand(theirs)}


@pytest.mark.parametrize("stage", ["sensitivity", "lr", "full"])
def test_the_digits_ask_the_same_in_a_minute(stage: str) -> None:
    digits, mnist = load_study(f"digits-{stage}"), load_study(f"mnist300-{stage}")
    assert [axis.name for axis in digits.axes] == [axis.name for axis in mnist.axes]
    assert (digits.metric, digits.matrix) == (mnist.metric, mnist.matrix)
    assert digits.base.measure_test == mnist.base.measure_test
    assert sum(cell.train.epochs for cell in expand(digits)) <= 2400


def test_stages_of_digits_share_trials_with_the_study_of_orders() -> None:
    orders = {cell.id for cell in expand(load_study("digits-orders"))}
    assert orders < {cell.id for cell in expand(load_study("digits-full"))}


def test_full_runs_of_mnist_share_trials_with_the_study_of_orders() -> None:
    orders = {cell.id for cell in expand(load_study("mnist300-orders"))}
    assert orders < {cell.id for cell in expand(load_study("mnist300-full"))}
