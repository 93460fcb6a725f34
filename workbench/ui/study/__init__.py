"""Pieces of the pages Study, Study results and New study."""
