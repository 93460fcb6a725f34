"""How a number is made: metrics, rows of scores, the protocol that turns one into the other."""
