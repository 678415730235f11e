"""Running out of a device's memory, told with the numbers that a user can change."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainers.errors import OutOfMemoryError

SIGNS = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
"""What torch says where it has no error type of its own: on a CPU, and in CUDA's libraries."""


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
