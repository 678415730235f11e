"""Every shipped study loads and expands; the published ones are what was published."""

from pathlib import Path

import pytest

from orchestrator.cli.options import _seeds
from orchestrator.planning.planning import plan
from orchestrator.study.catalog import config_folder, load_study, study_files
from orchestrator.study.expansion import expand, scaled_scheduler
from orchestrator.study.spec import StudySpec
from orchestrator.study.yaml import read_yaml_file
from trainers.binding import Component

FILES = sorted(path for path in config_folder().rglob("*") if path.suffix in (".yaml", ".yml"))
ORDERS = ["float", "binary", "forward", "reverse", "132", "213", "231", "312"]


def test_there_are_studies_and_all_of_them_are_in_the_catalog() -> None:
    assert FILES
    studies = {path for path in FILES if path.parent.name == "studies"}
    assert studies == set(study_files().values())
    assert len(studies) >= 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_is_readable(path: Path) -> None:
    assert isinstance(read_yaml_file(path), dict)


@pytest.mark.parametrize("name", sorted(study_files()))
def test_every_study_expands_into_cells_of_their_own(name: str) -> None:
    study = load_study(name)
    cells = expand(study)
    assert cells
    assert len({tuple(cell.labels.items()) for cell in cells}) == len(cells)
    # Only what has nothing to reset trains the same whether it is reset or not.
    twins = [cell for cell in cells if cell.labels.get("latent") == "reset"]
    twins = [cell for cell in twins if cell.labels["order"] == "float"]
    assert len({cell.id for cell in cells}) == len(cells) - len(twins)
    assert plan(study).num_todo > 0


def test_the_study_of_latent_resets_trains_its_float_networks_once() -> None:
    todo = plan(load_study("mnist300-latent-reset"))
    assert (todo.num_cells, todo.num_todo, todo.epochs_todo) == (40, 35, 35 * 450)


@pytest.mark.parametrize("name", sorted(study_files()))
def test_every_study_is_named_as_its_file_and_asks_a_question(name: str) -> None:
    study = load_study(name)
    assert study.name == name
    assert study.question.endswith("?")
    assert study.question[0].isupper()


@pytest.mark.parametrize("name", ["digits-orders", "mnist300-orders"])
def test_the_studies_that_people_begin_with_keep_networks_to_export(name: str) -> None:
    assert load_study(name).checkpoint.policy == "best"


@pytest.mark.parametrize("name", sorted(study_files()))
def test_every_study_can_be_tried_in_fewer_epochs(name: str) -> None:
    study = load_study(name)
    full = sum(cell.train.epochs for cell in expand(study))
    scaled = load_study(name, epoch_scale="0.02")
    # Each layer keeps an epoch; ResNet-21 has 21 of them, and 67 epochs in full.
    assert sum(cell.train.epochs for cell in expand(scaled)) < full / 3
    assert scaled.variant_id != study.variant_id


@pytest.fixture
def published() -> StudySpec:
    return load_study("mnist300-orders")


def test_the_published_study_has_the_published_rows(published: StudySpec) -> None:
    assert published.matrix.rows == "order"
    assert [cell.labels["order"] for cell in expand(published)] == ORDERS
    assert {cell.labels["seed"] for cell in expand(published)} == {"316"}


def test_the_published_study_follows_the_published_protocol(published: StudySpec) -> None:
    for cell in expand(published):
        train = cell.train
        assert train.model == Component("mlp", {"widths": (784, 300, 100, 10)})
        assert train.optimizer == Component("adam", {"lr": 0.1})
        assert train.lr_schedule == Component("constant")
        assert train.loss == Component("cross_entropy")
        assert train.weights == Component("sign")
        assert train.data.source.name == "mnist"
        # 5000 is the data set's own default, which is left out of the options.
        assert train.data.source.options.get("validation", 5000) == 5000
        assert (train.data.batch_size, train.epochs, train.seed) == (100, 450, 316)
        assert train.precision == "float32"
    assert published.base_mapping["data"]["validation"] == 5000


def test_the_layers_of_the_published_study_turn_binary_every_150_epochs(
    published: StudySpec,
) -> None:
    cells = {cell.labels["order"]: cell.train.layers for cell in expand(published)}
    assert cells["float"].order == ()
    assert cells["binary"].binarized_at(0) == {"fc1", "fc2", "fc3"}
    for label in ORDERS[2:]:
        assert cells[label].epochs_per_layer == 150
    orders = {label: cells[label].order for label in ORDERS[2:]}
    assert orders == {
        "forward": ("fc1", "fc2", "fc3"),
        "reverse": ("fc3", "fc2", "fc1"),
        "132": ("fc1", "fc3", "fc2"),
        "213": ("fc2", "fc1", "fc3"),
        "231": ("fc2", "fc3", "fc1"),
        "312": ("fc3", "fc1", "fc2"),
    }


def test_a_fiftieth_of_the_published_study_is_nine_epochs() -> None:
    for cell in expand(load_study("mnist300-orders", epoch_scale="0.02")):
        assert cell.train.epochs == 9
        layers = cell.train.layers
        is_control = cell.labels["order"] in ("float", "binary")
        assert layers.epochs_per_layer == (0 if is_control else 3)
        assert len(layers.binarized_at(8)) == len(layers.order)


def test_the_digits_study_asks_the_same_of_a_smaller_network(published: StudySpec) -> None:
    digits = load_study("digits-orders")
    assert [axis.name for axis in digits.axes] == [axis.name for axis in published.axes]
    assert list(digits.axes[0].points) == list(published.axes[0].points) == ORDERS
    assert digits.metric == published.metric
    assert digits.matrix == published.matrix
    assert len(expand(digits)) == 24
    assert {cell.train.data.source.name for cell in expand(digits)} == {"digits"}


def test_the_rate_is_searched_by_optuna_with_asha() -> None:
    study = load_study("mnist300-lr-search")
    assert study.search is not None
    assert study.scheduler is not None
    assert (study.search.name, study.scheduler.name) == ("optuna", "asha")
    [axis] = [axis for axis in study.axes if axis.searched]
    assert axis.sets == "optimizer.lr"
    assert axis.domain is not None
    assert axis.domain.log
    assert axis.domain.low < 0.1 < axis.domain.high
    # The test set has no part in a search.
    assert study.metric.name.endswith("validation_error")


def test_the_search_lets_every_trial_binarize_its_first_layer() -> None:
    study = load_study("mnist300-lr-search", epoch_scale="0.02")
    scheduler = scaled_scheduler(study)
    assert scheduler is not None
    grace = scheduler.options["grace_period"]
    assert isinstance(grace, int)
    assert grace >= study.base.layers.epochs_per_layer * 0.02


def test_the_studies_share_the_published_trial() -> None:
    published = {cell.id for cell in expand(load_study("mnist300-orders"))}
    more = {cell.id for cell in expand(load_study("mnist300-orders", seeds=_seeds("316,317")))}
    assert published < more
    assert len(more) == 16


def test_the_ids_of_recorded_trials_stay_what_they_were() -> None:
    # Whoever trained them before an option came to the language finds them again.
    ids = {
        cell.labels["order"]: cell.id
        for cell in expand(load_study("mnist300-orders"))
        if cell.labels["order"] in ("float", "binary", "forward")
    }
    assert ids == {
        "float": "0f6d34630988bc1a",
        "binary": "c1ce85f03d956d1a",
        "forward": "98efd28cba721f63",
    }
    assert load_study("mnist300-orders").variant_id == "a7a3e42fcebfc140"
    reset = {cell.id for cell in expand(load_study("mnist300-latent-reset"))}
    assert "aa4f2e56e55e47e8" in reset
    digits = {cell.id for cell in expand(load_study("digits-orders"))}
    assert "8388aeab7ec9971d" in digits


def test_an_option_written_with_its_default_makes_no_other_trial() -> None:
    written = ["base.weights.zero=1", "base.lr_schedule.name=multistep"]
    written += ["base.lr_schedule.milestones=[400]"]
    plain = load_study("mnist300-orders", written)
    study = load_study("mnist300-orders", [*written, "base.lr_schedule.early=false"])
    assert [cell.id for cell in expand(study)] == [cell.id for cell in expand(plain)]
    assert study.variant_id == plain.variant_id
