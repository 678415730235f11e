"""Every trial that stands beside a file of BIPROP trains what the file's name says."""

import re
from functools import lru_cache
from pathlib import Path

import pytest

from orchestrator.study.catalog import load_study
from orchestrator.study.cells import Cell
from orchestrator.study.expansion import pick
from orchestrator.study.spec import StudySpec
from trainers.spec.train_spec import TrainSpec

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "from-biprop.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\| `configs/([^`]+)` \| `([^`:]+):([^`]+)` \|$", PAGE, flags=re.MULTILINE)
OWN_RATE = {"resnet50-sc": 0.1, "wideresnet50-ukn": 0.128, "wideresnet50-affine-ukn": 0.128}
# Names that contradict what the files say, which counts.
SCALED = ("resnet34-affine-usc", "resnet34_v2-affine-usc", "wideresnet18_v2-affine-usc")
SLOW_VGG = ("BinAct_kn", "BinAct_sc", "bn_affine", "affine_BinAct")


@lru_cache(maxsize=16)
def _study(name: str) -> StudySpec:
    return load_study(name)


def _trial(study: str, choice: str) -> Cell:
    return pick(_study(study), choice)


def test_every_file_stands_there_once() -> None:
    files = [file for file, _, _ in LINES]
    assert len(files) == len(set(files))
    folders = [file.split("/")[0] for file in files]
    # 170 published files, of which five name a kind of layer that nobody defines.
    assert len(files) == 165
    assert folders.count("largescale") == 59
    assert sum("/fc/" in file for file in files) == 2


@pytest.mark.parametrize(
    ("file", "study", "choice"), LINES, ids=[file.rpartition("/")[2] for file, _, _ in LINES]
)
def test_a_file_and_the_trial_beside_it_train_the_same(file: str, study: str, choice: str) -> None:
    train = _trial(study, choice).train
    name = file.rpartition("/")[2].split(".")[0]
    words = set(re.split(r"[-_]", name))
    is_dense = bool(words & {"dense", "baseline"})
    assert bool(train.layers.order) != is_dense
    assert (train.activations is not None) == ("BinAct" in words)
    if not is_dense:
        assert train.weights.name == "biprop"
        is_affine = "affine" in words or name == "vgg_small_bn_BinAct"
        assert bool(train.model.options.get("affine")) == is_affine
        _check_first_weights(train, name, words)
    large = file.startswith("largescale/")
    assert train.data.source.name == (
        "imagenet" if large else "mnist" if name.startswith("fc") else "cifar10"
    )
    assert train.epochs == (120 if name.endswith("Adam") else 100)
    _check_network(train, name)
    _check_optimizer(train, file, name, words)


def _check_first_weights(train: TrainSpec, name: str, words: set[str]) -> None:
    token = next((word for word in ("ukn", "usc", "kn", "sc") if word in words), "kn")
    assert train.init.name == ("signed_constant" if "sc" in token else "kaiming_normal")
    is_scaled = not token.startswith("u") or name.removesuffix("-unsigned") in SCALED
    assert bool(train.init.options.get("scale_fan")) == is_scaled


def _check_network(train: TrainSpec, name: str) -> None:
    options = train.model.options
    depth = re.search(r"(?:conv|resnet)(\d+)", name)
    if depth:
        assert options["depth"] == int(depth[1])
    widths = {"05": 0.5, "15": 1.5, "20": 2.0}
    width = re.search(r"wide_(\d\d)", name)
    if width:
        assert options["width"] == widths[width[1]]
    factor = re.match(r"wideresnet\d+_(\d)", name)
    if factor:
        expected = {"2": 1.5, "3": 1.75 if "18" in name else 2.0}[factor[1]]
        assert options["width"] == expected
    if name.startswith(("wideresnet50", "wideresnet101")):
        assert options["bottleneck_width"] == 128
    assert ("ordering" in options) == ("v2" in re.split(r"[-_]", name))
    if name.startswith("wide10"):
        assert (options["width"], options["norm"]) == (1.25, "all")


def _check_optimizer(train: TrainSpec, file: str, name: str, words: set[str]) -> None:
    ours = (train.optimizer.name, train.optimizer.options["lr"], train.data.batch_size)
    stem = name.removesuffix("-unsigned")
    schedule = train.lr_schedule.name
    if file.startswith("largescale/"):
        by_adam = "BinAct" in words or stem.startswith("wideresnet18_v2")
        rate = 2e-4 if name.endswith("Adam") else OWN_RATE.get(stem, 0.256)
        expected = ("adam" if by_adam else "sgd", rate, 256)
        assert train.loss.options["label_smoothing"] == 0.1
    elif "baselines" in file:
        by_adam = "adam" in words
        wide = ("densewide" in file and "wide_sgd" not in name) or name.startswith("fc")
        rate = 2e-4 if "conv2" in name else 1.2e-3 if name.startswith("fc") else 3e-4
        expected = ("adam", rate, 60) if by_adam else ("sgd", 0.1 if wide else 0.01, 128)
    elif "/resnet18/" in file:
        expected = ("adam" if "BinAct" in words else "sgd", 0.1, 256)
    elif "/vgg/" in file:
        is_slow = any(part in name for part in SLOW_VGG) and not name.startswith("wide10_vgg_s")
        is_slow = is_slow or "wide10_vgg_small_affine" in name
        expected = ("adam", 2e-4 if is_slow else 0.1, 128)
    else:
        expected = ("adam" if "BinAct" in words else "sgd", 0.1, 128)
    assert ours == expected
    is_constant = name.endswith("Adam") or ("baselines" in file and "adam" in words)
    assert schedule == ("constant" if is_constant else "cosine")


def test_the_sweep_has_six_shares_of_four_networks_with_real_and_binary_inputs() -> None:
    study = _study("biprop-sweep")
    sizes = {axis.name: len(axis.points) for axis in study.axes}
    assert sizes == {"network": 4, "inputs": 2, "keep": 6}
    assert list(study.axes[2].points) == ["0.8", "0.6", "0.5", "0.4", "0.2", "0.1"]


@pytest.mark.parametrize("name", sorted({study for _, study, _ in LINES}))
def test_as_published_brings_back_the_scale_and_the_epoch(name: str) -> None:
    study = load_study(name, as_published=True)
    assert study.metric.name == "best_on_test/test_error"
    assert study.base.weights.options["published_alpha"] is True
    is_small = study.base.model.name == "resnet_cifar"
    assert study.base.model.options.get("published_pool", False) == is_small
    source = study.base.data.source
    assert source.options.get("validation", 0) == (1 if source.name == "cifar10" else 0)
