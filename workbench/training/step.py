"""One training step: each optimizer is stepped before the recipe computes its next loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.optim import Optimizer

from workbench.spec import Recipe


def step(
    recipe: Recipe,
    lab: Tensor,
    label: Tensor,
    bf16: bool,
    share: Callable[[Optimizer], None] | None = None,
    answers: Tensor | None = None,
) -> Iterator[tuple[str, Tensor]]:
    """Step every optimizer of a recipe on a batch; yield (optimizer's name, detached loss).

    lab (N, 3, H, W), label (N,); losses are computed under bf16 autocast where asked for;
    share(optimizer) averages its gradients over several processes; answers (N, 1000): the eye's.
    """
    losses = recipe.losses(lab[:, :1], lab[:, 1:], label, answers)
    while True:
        with torch.autocast(lab.device.type, torch.bfloat16, enabled=bf16):
            found = next(losses, None)
        if found is None:
            return
        name, loss = found
        optimizer = recipe.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if share:
            share(optimizer)
        optimizer.step()
        yield name, loss.detach()
