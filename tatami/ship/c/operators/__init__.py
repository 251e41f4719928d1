"""Kinds of steps in C, one file each: what a step needs, and the call of its kernel."""
