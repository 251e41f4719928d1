"""Passes: each takes a model, changes it in place, and leaves what it computes as it was.

One a file, each with what it needs (pre) and what it gives (post).
"""
