"""A folder of sketches, from the pictures to the scores: uncut, augmented, seen ten times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torchvision import transforms

from tests.support.strokes import draw_sketches
from trainers.engine.checkpoint import CheckpointPolicy
from trainers.engine.result import EpochMetrics
from trainers.errors import SpecError
from trainers.export.load import load_packed, read_packed
from trainers.export.measure import measured
from trainers.export.pack import export_packed
from trainers.spec.train_spec import TrainSpec
from trainers.training import RunOptions, run

DATA: dict[str, Any] = {
    "name": "image_folder",
    "folder": "sketches",
    "size": 28,
    "channels": 1,
    "classes": 4,
    "train_images": 48,
    "validation": 8,
    "mean": [0.06],
    "std": [0.93],
    "shorter_side": 32,
    "views": "ten",
    "invert": True,
    "batch_size": 10,
    "eval_batch_size": 30,
    "augment": {
        "random_resized_crop": {"scale": [0.3, 1]},
        "flip": True,
        "rotation": {"degrees": 10, "interpolation": "bicubic"},
    },
}
TRIAL: dict[str, Any] = {
    "model": {
        "name": "conv",
        "depth": 2,
        "width": 0.25,
        "in_channels": 1,
        "image_size": 28,
        "num_classes": 4,
        "norm": True,
    },
    "data": DATA,
    "optimizer": {"name": "adam", "lr": 0.003},
    "weights": {"name": "dab"},
    "layers": {"published_range": [2, 2]},
    "epochs": 4,
    "seed": 3,
}
MakeOptions = Callable[..., RunOptions]


@pytest.fixture
def options(tmp_path: Path) -> MakeOptions:
    draw_sketches(tmp_path / "sketches", train=12, test=5, classes=4)

    def make(**changes: Any) -> RunOptions:
        return RunOptions(device="cpu", num_threads=1, data_dir=tmp_path, **changes)

    return make


def _by_torchvision(model: torch.nn.Module, folder: Path) -> tuple[float, float]:
    """Loss and accuracy of the test part by torchvision's transforms, picture by picture."""
    seen = transforms.Compose([transforms.Resize(32), transforms.TenCrop(28)])
    to_tensor, normalise = transforms.ToTensor(), transforms.Normalize((0.06,), (0.93,))
    losses: list[Tensor] = []
    hits: list[bool] = []
    for label in range(4):
        for path in sorted((folder / "val" / str(label)).iterdir()):
            with Image.open(path) as picture:
                windows = torch.stack([normalise(1 - to_tensor(part)) for part in seen(picture)])
            with torch.no_grad():
                average = model(windows).log_softmax(1).mean(0)
            losses.append(functional.nll_loss(average[None], torch.tensor([label])))
            hits.append(average.argmax().item() == label)
    return torch.stack(losses).mean().item(), sum(hits) / len(hits)


def test_training_learns_and_ten_windows_are_averaged_as_published(
    options: MakeOptions, tmp_path: Path
) -> None:
    spec = TrainSpec.from_mapping(TRIAL | {"epochs": 12})
    result = run(spec, options=options())
    assert result.last.train.loss < result.epochs[0].train.loss
    assert result.last.test is not None
    # Three in four are wrong by chance.
    assert result.last.test.error < 0.6
    loss, accuracy = _by_torchvision(result.model.eval(), tmp_path / "sketches")
    assert result.last.test.loss == pytest.approx(loss, rel=1e-5)
    assert result.last.test.accuracy == pytest.approx(accuracy)


def test_an_interrupted_run_resumes_to_the_same_bits(options: MakeOptions, tmp_path: Path) -> None:
    class Stop:
        def on_epoch_end(self, metrics: EpochMetrics) -> None:
            if metrics.epoch == 1:
                raise KeyboardInterrupt("after two epochs")

    spec = TrainSpec.from_mapping(TRIAL)
    whole = run(spec, options=options())
    kept = options(checkpoint_dir=tmp_path / "kept", checkpoints=CheckpointPolicy(policy="every"))
    with pytest.raises(KeyboardInterrupt, match="after two"):
        run(spec, [Stop()], options=kept)
    resumed = run(spec, options=kept)
    assert resumed.weights_sha256 == whole.weights_sha256
    assert resumed.last.test == whole.last.test
    other = run(TrainSpec.from_mapping(TRIAL | {"seed": 4}), options=options())
    assert other.weights_sha256 != whole.weights_sha256


@pytest.mark.parametrize("size", [1, 17, 1000])
def test_windows_at_a_time_change_only_rounding(size: int, options: MakeOptions) -> None:
    small = TRIAL | {"epochs": 1}
    usual = run(TrainSpec.from_mapping(small), options=options())
    spec = TrainSpec.from_mapping(small | {"data": DATA | {"eval_batch_size": size}})
    found = run(spec, options=options())
    assert found.weights_sha256 == usual.weights_sha256
    assert found.last.test is not None
    assert usual.last.test is not None
    assert found.last.test.loss == pytest.approx(usual.last.test.loss, rel=1e-6)
    assert found.last.test.accuracy == usual.last.test.accuracy


def test_an_exported_network_is_measured_with_the_same_windows(
    options: MakeOptions, tmp_path: Path
) -> None:
    spec = TrainSpec.from_mapping(TRIAL | {"epochs": 1})
    result = run(spec, options=options())
    path = tmp_path / "net.bnn"
    export_packed(result.model.eval(), path, metadata={"spec": spec.to_mapping()})
    scores = measured(read_packed(path), data_dir=tmp_path)
    assert result.last.test is not None
    assert scores["test"].accuracy == result.last.test.accuracy
    assert scores["test"].loss == pytest.approx(result.last.test.loss, rel=1e-6)
    images = torch.randn(2, 1, 28, 28)
    with torch.no_grad():
        assert torch.equal(load_packed(path)(images), result.model(images))


def test_a_network_trained_on_random_windows_is_tested_at_another_scale(
    options: MakeOptions, tmp_path: Path
) -> None:
    scales = {"views": "centre", "eval_shorter_side": 40, "augment": {"random_window": True}}
    spec = TrainSpec.from_mapping(TRIAL | {"epochs": 1, "data": DATA | scales})
    result = run(spec, options=options())
    chain = transforms.Compose([transforms.Resize(40), transforms.CenterCrop(28)])
    losses: list[float] = []
    for label in range(4):
        for path in sorted((tmp_path / "sketches" / "val" / str(label)).iterdir()):
            with Image.open(path) as picture, torch.no_grad():
                image = (1 - transforms.ToTensor()(chain(picture)) - 0.06) / 0.93
                logits = result.model.eval()(image[None])
            losses.append(functional.cross_entropy(logits, torch.tensor([label])).item())
    assert result.last.test is not None
    assert result.last.test.loss == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    export_packed(result.model, tmp_path / "net.bnn", metadata={"spec": spec.to_mapping()})
    scores = measured(read_packed(tmp_path / "net.bnn"), data_dir=tmp_path)
    assert scores["test"].loss == pytest.approx(result.last.test.loss, rel=1e-6)
    centred = TrainSpec.from_mapping(
        TRIAL | {"epochs": 1, "data": DATA | scales | {"augment": {}}}
    )
    assert run(centred, options=options()).weights_sha256 != result.weights_sha256


def test_a_random_resized_crop_needs_bytes_as_other_changes_do() -> None:
    data = {"name": "digits", "batch_size": 64, "augment": {"random_resized_crop": {}}}
    model = {"name": "mlp", "widths": [64, 8, 10]}
    with pytest.raises(SpecError, match=r"data\.augment: data set 'digits' has no image bytes"):
        TrainSpec.from_mapping(TRIAL | {"data": data, "model": model, "layers": {"order": []}})
