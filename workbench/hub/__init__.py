"""The Hugging Face Hub: what goes there and comes from there, and what a model's folder is."""

from workbench.hub.transfer import (
    MOST_BYTES,
    Published,
    PublishResult,
    back_up,
    count_coming,
    fetch,
    list_fetched,
    look_up,
    publish,
    publish_dataset,
    publish_space,
    space_files,
)

__all__ = [
    "MOST_BYTES",
    "PublishResult",
    "Published",
    "back_up",
    "count_coming",
    "fetch",
    "list_fetched",
    "look_up",
    "publish",
    "publish_dataset",
    "publish_space",
    "space_files",
]
