"""Studies on data that the stack's nodes share: MNIST, and photographs on several processes."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stack import Stack

from orchestrator.cli.main import main
from tests.support.photographs import photograph_bytes
from tests.support.releases import release

pytestmark = pytest.mark.slow

ORDERS = ("mnist300-orders", "--scale-epochs", "0.02")
PICTURES = """\
study: pictures
question: Do two processes on two nodes end with the bits of two on one machine?
base:
  model: {name: resnet_imagenet, depth: 18, width: 0.125, num_classes: 3}
  data:
    name: imagenet
    classes: 3
    train_images: 12
    validation: 4
    size: 64
    shorter_side: 73
    batch_size: 4
    eval_batch_size: 6
    augment: {random_resized_crop: {}, flip: true}
  optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
  layers: {order: all}
  epochs: 3
axes:
  - {name: order, sets: layers.order, values: {binary: all, float: []}}
  - {name: seed, seeds: [1, 2]}
metric: {name: selected/test_error}
matrix: {rows: order, over: seed}
"""
TWO = ("--processes-per-trial", "2")


def test_orders_on_mnist_end_with_the_bits_of_a_single_machine(
    stack: Stack, trained_alone: Callable[..., Any], rows_of: Callable[[str], Any]
) -> None:
    folder = Path(os.environ.get("BNN_DATA_DIR", "data")).resolve()
    if not (folder / "MNIST").is_dir():
        pytest.skip(f"no MNIST in {folder}; BNN_DATA_DIR names the folder")
    alone = trained_alone(*ORDERS, flags=("--data-dir", str(folder)))
    assert len(alone) == 8
    stack.put(folder / "MNIST", "MNIST")
    code, said = stack.driver("sweep", *ORDERS)
    assert code == 0, said
    assert "slots     2 at a time" in said
    assert rows_of(stack.driver("results", *ORDERS, "--format", "biprop")[1]) == alone


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """The published archives, with real photographs of three classes; any user may read them."""
    folder = release(tmp_path / "archives", lambda name: photograph_bytes(seed=sum(name.encode())))
    folder.chmod(0o755)
    return folder


def _preparing(source: str, data: str) -> list[str]:
    """The command that prepares the archives in a data folder."""
    words = ["data", "prepare", "imagenet", "--part", "--from", source]
    return [*words, "--to", f"{data}/imagenet"]


def test_photographs_from_archives_are_trained_by_processes_on_two_nodes(
    stack: Stack,
    archives: Path,
    trained_alone: Callable[..., Any],
    rows_of: Callable[[str], Any],
    tmp_path: Path,
) -> None:
    study = tmp_path / "pictures.yaml"
    study.write_text(PICTURES)
    study.chmod(0o644)
    mounts = ("-v", f"{archives}:/archives:ro", "-v", f"{study}:/work/pictures.yaml:ro")
    code, said = stack.driver(*_preparing("/archives", "/data"), flags=mounts)
    assert code == 0, said
    # Each worker has one CPU, so the two processes of a trial are on two nodes.
    code, said = stack.driver("sweep", "pictures.yaml", *TWO, flags=mounts)
    assert code == 0, said
    assert "slots     1 at a time" in said
    results = ("results", "pictures.yaml", "--format", "biprop")
    there = rows_of(stack.driver(*results, flags=mounts)[1])
    assert len(there) == 4
    assert main(_preparing(str(archives), str(tmp_path))) == 0
    assert there == trained_alone(str(study), flags=(*TWO, "--data-dir", str(tmp_path)))
