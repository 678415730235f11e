"""ReLU, skipped where a binarized input replaces it."""

from torch import Tensor, nn


def relu_before(module: nn.Module, x: Tensor) -> Tensor:
    """Applies ReLU to the input of `module`; returns x unchanged if that input is binarized.

    Models apply ReLU just before the module that consumes it. A sign attached to that module
    (`trainers.binarize_activations`) then replaces ReLU: after ReLU, every sign would be +1.

    Args:
        module: The module that consumes x next.
        x: Any shape.
    """
    return x if getattr(module, "input_is_binary", False) else x.relu()
