"""Labeled pictures in: one file a format, and everything that can be wrong with them, by name."""
