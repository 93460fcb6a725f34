"""Pieces of the pages Colour, Models and Metric traps."""
