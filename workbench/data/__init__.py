"""Photographs: where they come from (sources), and how they are kept for training (pictures)."""
