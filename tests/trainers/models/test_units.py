"""Where ReLU, the normalisation and the sign of a binary input stand."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from trainers import binarize_activations
from trainers.models.forms import Form
from trainers.models.units import Unit

FIRST = Form(norm_before=("unit.conv",), unbiased=("unit.conv",))
Sign = Callable[[Tensor], Tensor]


class Net(nn.Module):
    """A single unit."""

    def __init__(self, form: Form, *, norm_behind: bool = True) -> None:
        super().__init__()
        self.unit = Unit("unit", 3, 4, 3, form=form, norm_behind=norm_behind)

    def forward(self, x: Tensor) -> Tensor:
        """The output of the unit."""
        y: Tensor = self.unit(x)
        return y


X = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))


def test_a_normalisation_in_front_takes_what_relu_gives_and_the_sign_takes_its_output(
    sign: Sign,
) -> None:
    net = Net(FIRST)
    conv, norm = net.unit.conv, net.unit.bn
    assert isinstance(norm, nn.BatchNorm2d)
    assert (norm.num_features, conv.bias) == (3, None)
    assert torch.equal(net(X), conv(norm(X.relu())))
    expected = conv(sign(norm(X.relu())))
    binarize_activations(net, ["unit.conv"], "sign")
    assert torch.equal(net(X), expected)


def test_a_normalisation_behind_leaves_the_sign_in_place_of_relu(sign: Sign) -> None:
    net = Net(Form())
    conv, norm = net.unit.conv, net.unit.bn
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.num_features == 4
    assert torch.equal(net(X), norm(conv(X.relu())))
    expected = norm(conv(sign(X)))
    binarize_activations(net, ["unit.conv"], "sign")
    assert torch.equal(net(X), expected)


def test_a_unit_may_have_no_normalisation_but_in_front() -> None:
    net = Net(Form(), norm_behind=False)
    assert net.unit.bn is None
    assert torch.equal(net(X), net.unit.conv(X.relu()))
    assert Net(FIRST, norm_behind=False).unit.bn is not None
