"""A subnet that is given."""

import torch
from torch import nn

from trainers.binarize.attach import binarize_weights, set_binary


def test_a_fixed_subnet_takes_the_state_of_a_ticket() -> None:
    ticket, fixed = (nn.Sequential(nn.Linear(6, 4, bias=False)) for _ in range(2))
    binarize_weights(ticket, ["0"], "biprop", keep=0.25)
    binarize_weights(fixed, ["0"], "biprop_fixed", keep=0.25)
    fixed.load_state_dict(ticket.state_dict())
    set_binary(ticket, ["0"])
    set_binary(fixed, ["0"])
    assert torch.equal(fixed[0].weight != 0, ticket[0].weight != 0)
    assert not any(parameter.requires_grad for parameter in fixed.parameters())
