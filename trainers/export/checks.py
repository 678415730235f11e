"""Finds networks that cannot be exported in any format."""

from collections.abc import Mapping

from torch import Tensor, nn

from trainers.binarize.attach import binarizers
from trainers.errors import Fault


def binarizer_faults(model: nn.Module) -> list[Fault]:
    """Returns why enabled binarizers forbid an export, such as random draws in every pass."""
    return [
        step.export_fault.under(f"{name}.weight")
        for name, step in binarizers(model)
        if step.enabled and step.export_fault is not None
    ]


def finite_faults(plain: Mapping[str, Tensor], *, model: nn.Module | None = None) -> list[Fault]:
    """Returns the tensors with NaN or infinite values.

    They come from a network that diverged, or from a layer that lost all its weights.

    Args:
        plain: The network's state dict, with binary weights.
        model: The network; its binarizers say whether a layer collapsed.
    """
    collapsed = {
        f"{name}.weight": fault
        for name, step in binarizers(model or nn.Module())
        if step.enabled and (fault := step.collapse) is not None
    }
    faults: list[Fault] = []
    for name, tensor in plain.items():
        wrong = int((~tensor.isfinite()).sum())
        if wrong:
            what = f"{wrong:,} of its {tensor.numel():,} values are not finite"
            hint = "the network cannot classify; train again with a lower learning rate"
            if name in collapsed:
                what, hint = f"{what}: {collapsed[name].what}", collapsed[name].hint
            faults.append(Fault(name, what, hint))
    return faults
