"""What is made once before training: a prior, a backbone, the eye's answers."""
