"""What is made for others to see: model cards, folders of Spaces, the leaderboard as one page."""
