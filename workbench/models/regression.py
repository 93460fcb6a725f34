"""The recipe of networks that are trained by one distance between their ab and the truth."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import Parameter
from torch.optim import Optimizer

from workbench import losses
from workbench.spec import Recipe, lower_rates


class RegressionRecipe(Recipe):
    """One distance, one optimizer (`make_optimizer`), a rate that falls at the end.

    decay: the learning rate falls to 0 over this last part of all images; distance: one of
    `losses.REGRESSION`. Raises Problem for a name that is not in it.
    """

    def __init__(
        self,
        net: nn.Module,
        images: int,
        learning_rate: float = 1e-3,
        decay: float = 0.0,
        distance: str = "mse",
    ) -> None:
        super().__init__()
        self.net, self.images, self.decay = net, images, decay
        self.asks = self.asks_of(net)
        self.distance = losses.find_loss(losses.REGRESSION, distance)
        trained = [p for p in net.parameters() if p.requires_grad]
        self.optimizers = {"net": self.make_optimizer(trained, learning_rate)}

    def asks_of(self, net: nn.Module) -> str | None:
        """What the eye is asked about for this network: see `Recipe.asks`."""
        return None

    def make_optimizer(self, trained: list[Parameter], learning_rate: float) -> Optimizer:
        """The optimizer of these parameters."""
        raise NotImplementedError

    def loss(
        self, L: Tensor, ab: Tensor, label: Tensor | None = None, answers: Tensor | None = None
    ) -> Tensor:
        """The one loss."""
        return self.distance(self.net(L), ab)

    def schedule(self, seen: int) -> None:
        """The learning rate falls to 0 over the last `decay` of all images."""
        lower_rates(self.optimizers, seen, self.images, self.decay)
