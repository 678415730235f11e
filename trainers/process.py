"""The device of a trial, and what torch is told for the whole process as long as one runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainers.allocation import reusing_memory
from trainers.errors import SpecError


def device_of(name: str) -> torch.device:
    """Returns the device of a name: "auto" (CUDA if available), "cpu", "cuda", "cuda:1", ...

    Raises:
        SpecError: If it does not exist here.
    """
    has_cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SpecError(f"there is no device '{name}'; known: auto, cpu, cuda, cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise SpecError(f"there is no device '{name}'; known: auto, cpu, cuda, cuda:N")
    if device.type == "cuda" and not has_cuda:
        raise SpecError(f"device '{name}' is not available: torch finds no CUDA GPU here")
    return device


@contextmanager
def process_settings(
    *, tf32: bool = False, num_threads: int | None = None, deterministic: bool = False
) -> Iterator[None]:
    """Sets what holds for the whole process, and restores it afterwards; freed memory is kept.

    Args:
        tf32: On a GPU, multiply float32 numbers with the precision of TF32.
        num_threads: Number of torch's threads; None: unchanged.
        deterministic: Refuse CUDA operations whose result depends on the order of threads.
    """
    threads = torch.get_num_threads()
    tf32_before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    tries_kernels = torch.backends.cudnn.benchmark
    refuses = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    if num_threads is not None:
        torch.set_num_threads(num_threads)
    if deterministic:
        # cuBLAS reads this when it creates its first handle.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # This call makes torch load its compiler, so skip it if nothing changes.
    changes = (deterministic, False) != (refuses, warn_only)
    if changes:
        torch.use_deterministic_algorithms(deterministic)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    # The fastest of several kernels is another one now and then, and rounds in another way.
    torch.backends.cudnn.benchmark = not deterministic
    try:
        with reusing_memory():
            yield
    finally:
        torch.set_num_threads(threads)
        if changes:
            torch.use_deterministic_algorithms(refuses, warn_only=warn_only)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = tf32_before
        torch.backends.cudnn.benchmark = tries_kernels
