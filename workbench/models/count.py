"""How many parameters a network has, without making its weights."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from torch import nn

from workbench.spec import ModelSpec, stored_elsewhere


def count_stored(net: nn.Module) -> int:
    """Parameters of a network; a pretrained backbone, which is not stored with it, left out."""
    skipped = stored_elsewhere(net)
    return sum(p.numel() for key, p in net.named_parameters() if not key.startswith(skipped))


@cache
def _of(spec: ModelSpec, width: float, options: tuple) -> int:
    return count_stored(spec.outline(width, **dict(options)))


def parameters(
    spec: ModelSpec, width: float = 1.0, options: Mapping[str, Any] | None = None
) -> int:
    """Parameters of a model of the registry at this width, with these options of `build`."""
    return _of(spec, width, tuple(sorted((options or {}).items())))
