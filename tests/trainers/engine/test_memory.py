"""A share of a device's memory, and running out of it; no GPU is here, so torch.cuda is played."""

import pytest
import torch

from trainers.engine.memory import limited_to, naming_batches, release
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
        RuntimeError("CUDA error: out of memory"),
    ],
)
def test_cuda_and_its_libraries_say_it_in_four_ways(error: RuntimeError) -> None:
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


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int | None]]:
    """Each limit that torch's GPU, which is not here, was given; at first there is none."""
    limits: list[tuple[float, int | None]] = []

    def limit(share: float, index: int | None) -> None:
        limits.append((share, index))

    def limit_of(index: int | None) -> float:
        return limits[-1][0] if limits else 1.0

    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", limit)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", limit_of)
    return limits


def test_a_share_of_a_gpu_is_a_limit_until_the_end_of_the_block(
    limits: list[tuple[float, int | None]],
) -> None:
    with limited_to(0.25, torch.device("cuda")):
        assert limits == [(0.25, None)]
    with pytest.raises(KeyError), limited_to(0.5, torch.device("cuda:1")):  # noqa: PT012
        assert limits[-1] == (0.5, 1)
        raise KeyError
    assert limits[1:] == [(1.0, None), (0.5, 1), (1.0, 1)]


@pytest.mark.parametrize(("share", "device"), [(1.0, "cuda"), (0.5, "cpu")])
def test_a_whole_gpu_and_a_cpu_have_no_limit(
    share: float, device: str, limits: list[tuple[float, int | None]]
) -> None:
    with limited_to(share, torch.device(device)):
        pass
    assert limits == []


def test_memory_is_given_back_only_by_a_process_that_uses_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    for is_used in (False, True):
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda is_used=is_used: is_used)
        release()
    assert emptied == [True]
