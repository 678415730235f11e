"""Exports a network as ONNX: binary weights as floats, normalisations folded into the layers."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from trainers.binarize.attach import baked
from trainers.errors import Fault, SpecError
from trainers.export.checks import binarizer_faults, finite_faults
from trainers.paths import expanded

INPUT, OUTPUT = "images", "logits"
NEEDS = ("onnx", "onnxscript")


def export_onnx(
    model: nn.Module,
    path: Path | str,
    metadata: Mapping[str, object] | None = None,
    *,
    shape: tuple[int, int, int],
) -> None:
    """Writes a network in evaluation mode; ONNX has no binary weights, so the file is not small.

    The exported network takes `images`, (n, channels, height, width), for any n, and returns
    `logits`, (n, classes). Normalisations are folded into the layers before them, so logits are
    equal up to rounding, not bit by bit. Binary inputs stay signs: if rounding moves a value
    across 0, its sign flips and logits differ more.

    Args:
        model: Any network, with or without binarizers.
        path: The file; an existing one is replaced.
        metadata: Stored in the file as JSON, under `bnn`.
        shape: Channels, height, width of an image.

    Raises:
        SpecError: If its weights are drawn anew in every forward pass or are not finite, or a
            package that torch's exporter needs is not installed.
        OSError: If the file cannot be written.
    """
    plain = baked(model).eval().cpu()
    if faults := [*binarizer_faults(model), *finite_faults(plain.state_dict(), model=model)]:
        raise SpecError(*faults)
    dtype = next(plain.parameters()).dtype
    # Two images: with one, the exporter would fix the batch size at 1.
    images = torch.zeros(2, *shape, dtype=dtype)
    try:
        program = torch.onnx.export(
            plain,
            (images,),
            dynamo=True,
            verbose=False,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("n")},),
        )
    # For a missing package torch raises ImportError, or its own error with that as the cause.
    except (ImportError, torch.onnx.OnnxExporterError) as error:
        if not _misses_package(error):
            raise
        what = f"needs the packages {', '.join(NEEDS)}, which are not installed here"
        hint = "install them: pip install 'bnn-orchestrate[onnx]'"
        raise SpecError(Fault("format", f"onnx {what}", hint)) from error
    assert program is not None
    program.model.metadata_props["bnn"] = json.dumps(dict(metadata or {}))
    program.save(expanded(path))


def _misses_package(error: BaseException | None) -> bool:
    return error is not None and (
        isinstance(error, ImportError) or _misses_package(error.__cause__)
    )
