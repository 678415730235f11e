"""Where tensors are made; the meta device stands in for a GPU."""

import torch
from on_device import OnDevice

from trainers.build import build_model
from trainers.optim.optimizers import OPTIMIZERS
from trainers.seeding import generator

META = torch.device("meta")


def test_tensors_of_a_test_and_its_networks_are_on_the_device() -> None:
    with OnDevice(META):
        assert torch.zeros(2).device == META
        assert torch.tensor([1, 2]).device == META
        assert torch.arange(3).double().sin().device == META
        model = build_model("vgg5")
        assert {tensor.device for tensor in model.state_dict().values()} == {META}
        assert torch.zeros(2, device="cpu").device.type == "cpu"
    assert torch.zeros(2).device.type == "cpu"


def test_draws_stay_on_the_cpu_where_their_generators_are() -> None:
    with OnDevice(META):
        assert torch.randperm(3, generator=generator(1, "order")).device.type == "cpu"
        assert torch.rand(3, generator=generator(1, "order")).device.type == "cpu"
        # A draw in place would be refused: the generator is of another device.
        weight = torch.empty(2, 2)
        assert weight.uniform_(0, 1, generator=generator(1, "init")) is weight


def test_the_rest_of_trainers_says_itself_where_its_tensors_are() -> None:
    with OnDevice(META):
        parameter = torch.nn.Parameter(torch.zeros(2, device="cpu"))
        parameter.grad = torch.ones(2, device="cpu")
        optimizer = OPTIMIZERS["adam"]([parameter], lr=0.1)
        optimizer.step()
        assert parameter.device.type == "cpu"
        assert generator(1, "order").device.type == "cpu"
