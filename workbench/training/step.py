"""One training step: each optimizer is stepped before the recipe computes its next loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from workbench.spec import Recipe


def step(
    recipe: Recipe,
    lab: Tensor,
    label: Tensor,
    bf16: bool,
    share: Callable[[Optimizer], None] | None = None,
    answers: Tensor | None = None,
    *,
    parts: int = 1,
    clip: float = 0.0,
) -> Iterator[tuple[str, Tensor]]:
    """Step every optimizer of a recipe on a batch; yield (optimizer's name, detached loss).

    lab (N, 3, H, W), label (N,); losses are computed under bf16 autocast where asked for;
    share(optimizer) averages its gradients over several processes; answers (N, 1000): the eye's.
    parts: the batch is computed in so many, their gradients added up; clip: the largest norm of
    an optimizer's gradients, 0 for none.
    """
    parts = max(1, min(parts, len(lab) // 2))  # batch norm wants 2 pictures
    labs, labels = lab.chunk(parts), label.chunk(parts)
    told = answers.chunk(parts) if answers is not None else [None] * len(labs)
    running = [
        recipe.losses(x[:, :1], x[:, 1:], y, z) for x, y, z in zip(labs, labels, told, strict=True)
    ]
    weights = [len(x) / len(lab) for x in labs]
    while True:
        name, total = "", None
        for losses, weight in zip(running, weights, strict=True):
            with torch.autocast(lab.device.type, torch.bfloat16, enabled=bf16):
                found = next(losses, None)
            if found is None:
                continue
            name, loss = found
            if total is None:
                recipe.optimizers[name].zero_grad(set_to_none=True)
            loss = loss * weight if len(running) > 1 else loss
            loss.backward()
            total = loss.detach() if total is None else total + loss.detach()
        if total is None:
            return
        optimizer = recipe.optimizers[name]
        if share:
            share(optimizer)
        if clip:
            trained = [value for group in optimizer.param_groups for value in group["params"]]
            nn.utils.clip_grad_norm_(trained, clip)
        optimizer.step()
        yield name, total


def set_rates(recipe: Recipe, seen: int, warm_up: int) -> None:
    """The learning rates of the next step: the recipe's schedule, risen over `warm_up`.

    Set anew at every step, so that a run that goes on has those of an uninterrupted one.
    """
    share = min(1.0, (seen + 1) / (warm_up + 1))
    for optimizer in recipe.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"])
    recipe.schedule(seen)
    for optimizer in recipe.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] *= share
