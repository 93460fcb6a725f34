"""The user study: plans, questions, votes, and the statistics of the votes."""
