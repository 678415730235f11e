"""Reading teachers from files."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from trainers import build_model, export_packed
from trainers.errors import MissingDataError, SpecError
from trainers.spec.added import Teacher
from trainers.storage import place_at, write
from trainers.teachers import load_teacher

Named = Callable[..., Teacher]


@pytest.fixture
def named(tmp_path: Path) -> Named:
    """The teacher in a file below the data folder."""

    def make(file: str, **options: object) -> Teacher:
        sha = hashlib.sha256((tmp_path / file).read_bytes()).hexdigest()
        return Teacher.from_mapping({"file": file, "sha256": sha, **options})

    return make


def test_an_exported_network_teaches_with_its_own_logits(tmp_path: Path, named: Named) -> None:
    model = build_model("mlp", widths=[4, 3, 2]).eval()
    export_packed(model, tmp_path / "teacher.safetensors")
    loaded = load_teacher(named("teacher.safetensors"), data_dir=tmp_path, num_classes=2)
    images = torch.randn(5, 1, 2, 2)
    assert torch.equal(loaded(images), model(images))
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_a_network_of_torchvision_comes_from_local_weights(tmp_path: Path, named: Named) -> None:
    from torchvision.models import squeezenet1_1

    original = squeezenet1_1(num_classes=3).eval()
    torch.save(original.state_dict(), tmp_path / "teacher.pth")
    teacher = named("teacher.pth", name="torchvision", model="squeezenet1_1")
    before = torch.get_rng_state()
    loaded = load_teacher(teacher, data_dir=tmp_path, num_classes=3)
    assert torch.equal(torch.get_rng_state(), before)
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded(images), original(images))
    with pytest.raises(SpecError, match=r"file: is no state dict of 'squeezenet1_1' with 4 cla"):
        load_teacher(teacher, data_dir=tmp_path, num_classes=4)
    other = named("teacher.pth", name="torchvision", model="squeezenet1_2")
    with pytest.raises(SpecError, match=r"model: unknown network of torchvision.*did you mean"):
        load_teacher(other, data_dir=tmp_path, num_classes=3)


def test_a_file_that_is_missing_or_another_one_is_refused(tmp_path: Path, named: Named) -> None:
    (tmp_path / "teacher.pth").write_bytes(b"one")
    teacher = named("teacher.pth", name="torchvision", model="resnet18")
    with pytest.raises(SpecError, match="file: is no state dict of 'resnet18' with 10 classes"):
        load_teacher(teacher, data_dir=tmp_path, num_classes=10)
    (tmp_path / "teacher.pth").write_bytes(b"two")
    with pytest.raises(SpecError, match=r"sha256: .*teacher.pth is another file: its SHA-256 is"):
        load_teacher(teacher, data_dir=tmp_path, num_classes=10)
    with pytest.raises(MissingDataError, match=r"file: the teacher cannot be read .*--data-dir"):
        load_teacher(teacher, data_dir=tmp_path / "elsewhere", num_classes=10)


def test_a_teacher_at_a_url_is_the_same_as_in_a_file(tmp_path: Path, named: Named) -> None:
    model = build_model("mlp", widths=[4, 3, 2]).eval()
    export_packed(model, tmp_path / "teacher.safetensors")
    local = named("teacher.safetensors")
    there = replace(local, file="memory://of-teachers/one.safetensors")
    with pytest.raises(MissingDataError, match="file: the teacher cannot be read from memory://"):
        load_teacher(there, data_dir=tmp_path, num_classes=2)
    write(place_at(there.file), (tmp_path / "teacher.safetensors").read_bytes())
    images = torch.randn(5, 1, 2, 2)
    loaded = load_teacher(there, data_dir=tmp_path, num_classes=2)
    assert torch.equal(loaded(images), model(images))


def test_a_run_that_nobody_looked_up_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="run: best:tiny is looked up by a sweep; from Python"):
        load_teacher(Teacher(run="best:tiny"), data_dir=tmp_path, num_classes=2)
