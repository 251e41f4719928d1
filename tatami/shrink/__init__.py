"""Graph in, smaller or faster graph out, with the same answer."""
