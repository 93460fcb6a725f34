"""The colorization workbench: five published networks, trained, compared and explained."""

__version__ = "0.1.0"
