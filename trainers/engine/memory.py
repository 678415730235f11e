"""A share of a device's memory; running out of it, told with numbers that a user can change."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainers.data.on_gpu import forget
from trainers.errors import OutOfMemoryError

SIGNS = (
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDA error: out of memory",
)
"""What torch says where it has no error type of its own: on a CPU, in CUDA's libraries, and where
there is no room for the CUDA context."""


@contextmanager
def limited_to(share: float, device: torch.device) -> Iterator[None]:
    """Within the block, torch takes no more than a share of a GPU's memory for this process.

    The CUDA context, some hundreds of megabytes, comes on top. A CPU has no such limit.

    Args:
        share: The share of all of the GPU's memory, in (0, 1]; 1: no limit.
        device: Where the trial runs.
    """
    if device.type != "cuda" or share == 1:
        yield
        return
    before = torch.cuda.get_per_process_memory_fraction(device.index)
    torch.cuda.set_per_process_memory_fraction(share, device.index)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(before, device.index)


def release() -> None:
    """Gives memory that no trial needs any more back to the GPU, for other processes."""
    forget()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        gc.collect()
        torch.cuda.empty_cache()


@contextmanager
def naming_batches(
    device: torch.device, *, batch_size: int, eval_batch_size: int
) -> Iterator[None]:
    """Turns torch's errors about memory into one that names the device and the batch sizes.

    Args:
        device: Where the trial runs.
        batch_size: Images per training batch.
        eval_batch_size: Images per batch in evaluation.

    Raises:
        OutOfMemoryError: If the block runs out of memory.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"{device} has too little memory for data.batch_size {batch_size} and "
            f"data.eval_batch_size {eval_batch_size}; smaller ones may fit"
        ) from error


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch raised it because an allocation failed."""
    return isinstance(error, torch.OutOfMemoryError) or any(sign in str(error) for sign in SIGNS)
