"""The Hugging Face Hub: what goes there and comes from there, and what a model's folder is."""

from workbench.hub.transfer import (
    PublishResult,
    back_up,
    fetch,
    list_fetched,
    publish,
    publish_dataset,
    publish_space,
    space_files,
)

__all__ = [
    "PublishResult",
    "back_up",
    "fetch",
    "list_fetched",
    "publish",
    "publish_dataset",
    "publish_space",
    "space_files",
]
