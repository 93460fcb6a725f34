"""The user study: who prefers which colours, asked properly and counted openly."""
