"""ONNX files, computed by onnxruntime."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainers import SpecError, activated_modules, binarize_activations, export_onnx

pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")

NETWORKS: list[tuple[str, str, dict[str, Any]]] = [
    ("mlp", "sign", {}),
    ("vgg5", "mcdonnell", {}),
    ("wrn", "mcdonnell", {"depth": 8, "apart": ["conv0", "conv_last"]}),
    ("resnet20", "sign", {}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "binarizer", "options"), NETWORKS, ids=[n[0] for n in NETWORKS])
def test_onnxruntime_computes_the_logits_for_any_number_of_images(
    name: str,
    binarizer: str,
    options: dict[str, Any],
    tmp_path: Path,
    trained: Callable[..., nn.Module],
    images: Callable[..., Tensor],
    logits: Callable[..., Tensor],
) -> None:
    model = trained(name, binarizer, **options)
    path = tmp_path / "net.onnx"
    export_onnx(model, path, {"study": "mine"}, shape=tuple(images(name).shape[1:]))
    file = onnx.load(str(path))
    onnx.checker.check_model(file)
    [noted] = [entry.value for entry in file.metadata_props if entry.key == "bnn"]
    assert json.loads(noted) == {"study": "mine"}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for num in (1, 5):
        [found] = session.run(["logits"], {"images": images(name, num).numpy()})
        expected = logits(model, images(name, num))
        scale = expected.abs().max().item()
        torch.testing.assert_close(torch.from_numpy(found), expected, rtol=0, atol=1e-4 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("zero", [1, 0])
def test_binary_inputs_are_signs_in_onnxruntime_too(
    zero: int,
    tmp_path: Path,
    trained: Callable[..., nn.Module],
    images: Callable[..., Tensor],
    logits: Callable[..., Tensor],
) -> None:
    model = trained("conv", "biprop", depth=2, width=0.25, norm=True)
    binarize_activations(model, activated_modules(model), "approx_sign", zero=zero)
    path = tmp_path / "net.onnx"
    export_onnx(model, path, shape=(3, 32, 32))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    [found] = session.run(["logits"], {"images": images("conv", 5).numpy()})
    expected = logits(model, images("conv", 5))
    scale = expected.abs().max().item()
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=0, atol=1e-4 * scale)
    kinds = {node.op_type for node in onnx.load(str(path)).graph.node}
    assert ("Sign" in kinds, "Relu" in kinds) == (zero == 0, False)


def test_a_network_that_is_another_in_every_pass_is_refused(
    tmp_path: Path, trained: Callable[..., nn.Module]
) -> None:
    with pytest.raises(SpecError, match=r"fc1\.weight: is drawn anew in every forward pass"):
        export_onnx(trained("mlp", "biprop_sampled"), tmp_path / "net.onnx", shape=(1, 7, 5))


def test_without_the_packages_it_says_how_to_get_them(
    tmp_path: Path, trained: Callable[..., nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    def export(*arguments: object, **options: object) -> None:
        raise ModuleNotFoundError("No module named 'onnxscript'")

    monkeypatch.setattr("torch.onnx.export", export)
    with pytest.raises(SpecError, match=r"needs the packages onnx, onnxscript.*\[onnx\]"):
        export_onnx(trained("mlp"), tmp_path / "net.onnx", shape=(1, 7, 5))
    assert list(tmp_path.iterdir()) == []
