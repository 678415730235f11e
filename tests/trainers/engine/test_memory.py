"""Running out of a device's memory, told with the numbers that a user can change."""

import pytest
import torch

from trainers.engine.memory import naming_batches
from trainers.errors import OutOfMemoryError

CPU = torch.device("cpu")


def test_an_allocation_that_fails_names_the_device_and_both_batch_sizes() -> None:
    message = r"^cpu has too little memory for data\.batch_size 64 and data\.eval_batch_size 1000;"
    with (
        pytest.raises(OutOfMemoryError, match=message) as caught,
        naming_batches(CPU, batch_size=64, eval_batch_size=1000),
    ):
        # No address space holds as much.
        torch.empty(2**60, dtype=torch.uint8)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
)
def test_cuda_and_its_libraries_say_it_in_three_ways(error: RuntimeError) -> None:
    with (
        pytest.raises(OutOfMemoryError, match="batch_size 8 "),
        naming_batches(CPU, batch_size=8, eval_batch_size=9),
    ):
        raise error


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("no"), KeyError(1)])
def test_every_other_error_stays_as_it_is(error: Exception) -> None:
    with (
        pytest.raises(type(error)) as caught,
        naming_batches(CPU, batch_size=8, eval_batch_size=9),
    ):
        raise error
    assert caught.value is error
