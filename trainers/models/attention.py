"""Channel attention: a weight for each channel of a result, from what the layer was given."""

from torch import Tensor, nn

from trainers.models.linear import Linear
from trainers.models.relu import relu_before


class SqueezeExcitation(nn.Module):
    """A weight between 0 and 1 for each channel, from the means of all channels.

    sigmoid(fc2(relu(fc1(mean of x over the image))))

    Args:
        num_in: Channels of the input.
        num_out: Channels that get a weight.
        reduction: Channels of the input for each hidden unit; there is at least one.

    Source: Hu et al. 2018, arXiv:1709.01507, sec. 3.
    """

    def __init__(self, num_in: int, num_out: int, *, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(num_in // reduction, 1)
        self.fc1 = Linear(num_in, hidden)
        self.fc2 = Linear(hidden, num_out)

    def forward(self, x: Tensor) -> Tensor:
        """Weights, (batch, out, 1, 1), of x, (batch, in, height, width)."""
        hidden = relu_before(self.fc2, self.fc1(x.mean((2, 3))))
        weights: Tensor = self.fc2(hidden).sigmoid()
        return weights[:, :, None, None]
