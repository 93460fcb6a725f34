"""The colorization workbench: published networks, trained, compared and explained."""

__version__ = "0.4.0"
