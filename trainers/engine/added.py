"""Parts of a training loss that need more than the logits and the labels of a batch."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

from torch import Tensor, nn

from trainers.binarize.attach import weight_layers
from trainers.data.splits import Split
from trainers.engine.ranks import ALONE, Ranks
from trainers.errors import Fault, SpecError


class AddedLoss:
    """A part of the training loss; it has no part in an evaluation.

    It is asked in each batch, after the forward pass, and told when the step is over. What it
    keeps from one batch to the next is its state, which goes into checkpoints.

    If several processes train the trial, each sends a part of the batch through the network: what
    a part of the loss takes from there must be gathered (`ranks`).
    """

    ranks: Ranks = ALONE
    """The processes that train the trial."""

    def watching(self, model: nn.Module) -> AbstractContextManager[object]:
        """Looks into the network as long as the context lasts; by default it does not."""
        return nullcontext()

    def total(self, loss: Tensor, logits: Tensor, batch: Split, images: Tensor) -> Tensor:
        """Returns the loss with this part, a scalar.

        Args:
            loss: The loss so far, a scalar.
            logits: What the network made of the whole batch, (views * batch, classes).
            batch: The batch, with all its labels.
            images: Exactly what the network was given; of several processes, of this one.
        """
        raise NotImplementedError

    def after_step(self) -> None:
        """Hears that the optimizer took its step; by default does nothing."""

    def state(self) -> Mapping[str, Tensor]:
        """Returns what a checkpoint must hold; by default nothing."""
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continues from what `state` returned."""


@contextmanager
def watching(model: nn.Module, parts: Sequence[AddedLoss], ranks: Ranks = ALONE) -> Iterator[None]:
    """Lets all parts look into the network, in each of the processes that train it."""
    with ExitStack() as stack:
        for part in parts:
            part.ranks = ranks
            stack.enter_context(part.watching(model))
        yield


def state_of(parts: Sequence[AddedLoss]) -> dict[str, Tensor]:
    """Returns the state of all parts; each has names of its own."""
    return {name: value for part in parts for name, value in part.state().items()}


class Features:
    """Keeps what a module made of the latest batch.

    Args:
        model: The network.
        layer: A module, whose results are kept; None: what the last layer takes in, before it is
            binarized.

    Raises:
        AttributeError: If there is no such module.
    """

    def __init__(self, model: nn.Module, layer: str | None) -> None:
        self.is_input = layer is None
        self.name = weight_layers(model)[-1] if layer is None else layer
        self.module = model.get_submodule(self.name)
        self._latest: Tensor | None = None

    @property
    def latest(self) -> Tensor:
        """The features of the latest batch, (batch, ...).

        Raises:
            SpecError: If the module has no part in a forward pass, or gives no tensor.
        """
        if self._latest is None:
            raise SpecError(Fault("", f"module '{self.name}' gives no features", "name another"))
        return self._latest

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Keeps features as long as the context lasts."""
        if self.is_input:
            handle = self.module.register_forward_pre_hook(self._take_input, prepend=True)
        else:
            handle = self.module.register_forward_hook(self._take_result)
        try:
            yield
        finally:
            handle.remove()

    # Copies, because what follows in the network may overwrite them.

    def _take_input(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._latest = inputs[0].clone()

    def _take_result(self, module: nn.Module, inputs: object, result: object) -> None:
        self._latest = result.clone() if isinstance(result, Tensor) else None
