"""Pieces of the page Leaderboard."""
