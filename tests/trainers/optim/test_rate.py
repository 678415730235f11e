"""The learning rate on the device, as long as an epoch lasts."""

import pytest
import torch

from trainers.optim.optimizers import adam, set_lr, sgd
from trainers.optim.rate import capturable, on_device


@pytest.mark.parametrize("make", [adam, sgd])
def test_the_update_reads_the_tensor_and_the_number_comes_back(make: object) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = make([weight], lr=0.5)
    set_lr(optimizer, 0.25)
    rate = torch.zeros(())
    with on_device(optimizer, rate):
        assert optimizer.param_groups[0]["lr"] is rate
        assert rate.item() == 0.25
        rate.fill_(0.0)
        weight.grad = torch.ones(3)
        optimizer.step()
    assert weight.tolist() == [1, 1, 1]
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert isinstance(optimizer.param_groups[0]["lr"], float)


def test_numbers_come_back_after_an_error() -> None:
    optimizer = sgd([torch.nn.Parameter(torch.ones(3))], lr=0.5)
    with pytest.raises(RuntimeError, match="broken"), on_device(optimizer, torch.zeros(())):
        raise RuntimeError("broken")
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_torch_is_told_that_a_graph_records_the_update() -> None:
    one, other = (make([torch.nn.Parameter(torch.ones(3))], lr=0.5) for make in (adam, sgd))
    with capturable(one), capturable(other):
        assert one.param_groups[0]["capturable"]
        assert "capturable" not in other.param_groups[0]
    assert not one.param_groups[0]["capturable"]
