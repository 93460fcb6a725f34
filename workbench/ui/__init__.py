"""Pieces of the workbench's pages: what is kept, what is shown, what is taken home."""
