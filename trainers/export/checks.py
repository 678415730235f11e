"""Networks that no file could stand for, whatever its format."""

from collections.abc import Mapping

from torch import Tensor, nn

from trainers.binarize.attach import binarizers
from trainers.errors import Fault


def binarizer_faults(model: nn.Module) -> list[Fault]:
    """What the binarizers that are enabled say against a file, such as draws in every pass."""
    return [
        step.export_fault.under(f"{name}.weight")
        for name, step in binarizers(model)
        if step.enabled and step.export_fault is not None
    ]


def finite_faults(plain: Mapping[str, Tensor]) -> list[Fault]:
    """What is no number in a network that has diverged, or lost all weights of a layer.

    Args:
        plain: The network's state dict, binary weights in it.
    """
    faults: list[Fault] = []
    for name, tensor in plain.items():
        wrong = int((~tensor.isfinite()).sum())
        if wrong:
            what = f"{wrong:,} of its {tensor.numel():,} values are no finite numbers"
            hint = "the network gives no classes; train again, at a lower rate"
            faults.append(Fault(name, what, hint))
    return faults
