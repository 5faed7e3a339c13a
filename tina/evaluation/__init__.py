"""Held-out problems: what they are, how they are sampled and graded, and the record of every sample."""
