"""A data set lies on a GPU once; the device `meta` stands in for one."""

from collections.abc import Callable

import torch

from trainers.data.on_gpu import forget, on_gpu
from trainers.data.splits import Split, Splits
from trainers.engine.memory import release

META = torch.device("meta")


def test_the_last_data_set_is_there_already_until_it_is_forgotten(
    make_split: Callable[..., Split],
) -> None:
    one, other = (Splits(train=make_split(4), validation=make_split(2)) for _ in range(2))
    first = on_gpu(one, META, torch.float32)
    assert first.train.images.device.type == "meta"
    assert on_gpu(one, META, torch.float32) is first
    assert on_gpu(one, META, torch.float64) is not first
    again = on_gpu(one, META, torch.float32)
    assert again is not first
    assert on_gpu(other, META, torch.float32) is not again
    forget()
    last = on_gpu(one, META, torch.float32)
    assert last is not again
    # A process that gives its memory back holds no data set either.
    release()
    assert on_gpu(one, META, torch.float32) is not last
    forget()
