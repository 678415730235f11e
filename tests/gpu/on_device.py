"""Where tensors are made: a mode that puts those of a test on the device under test."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

ROOT = Path(__file__).resolve().parents[2]
TRAINERS, MODELS = ROOT / "trainers", ROOT / "trainers" / "models"
TORCH = Path(torch.__file__).parent

FACTORIES = {
    torch.arange, torch.as_tensor, torch.empty, torch.eye, torch.full, torch.linspace, torch.ones,
    torch.rand, torch.randint, torch.randn, torch.tensor, torch.zeros,
}  # fmt: skip


class OnDevice(TorchFunctionMode):
    """Makes the tensors of tests, and the parameters of networks, on one device.

    A test names no device. What it draws from a generator stays on the CPU, where all generators
    are. The rest of `trainers` is what is tested: it says itself where its tensors are.

    Args:
        device: The device under test.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        is_drawn = kwargs.get("generator") is not None
        if func in FACTORIES and not is_drawn and kwargs.get("device") is None and _is_tests():
            kwargs["device"] = self.device
        elif is_drawn and args and isinstance(args[0], Tensor) and _is_tests():
            # A draw in place, such as `weight.uniform_(0, 1, generator=...)`.
            here = torch.empty_like(args[0], device="cpu")
            return args[0].copy_(func(here, *args[1:], **kwargs))
        return func(*args, **kwargs)


def _is_tests() -> bool:
    """Whether a test asks for a tensor, or a network that it builds."""
    caller = _caller()
    return not caller.is_relative_to(TRAINERS) or caller.is_relative_to(MODELS)


def _caller() -> Path:
    """The file of the innermost frame that is neither torch's nor this one."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        path = Path(frame.f_code.co_filename)
        if path != Path(__file__) and not path.is_relative_to(TORCH):
            return path
        frame = frame.f_back
    return Path()
