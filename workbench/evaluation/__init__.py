"""How a number is made: metrics, rows of scores, the protocol from one to the other."""
