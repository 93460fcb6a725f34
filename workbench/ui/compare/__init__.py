"""Pieces of the page Compare."""
