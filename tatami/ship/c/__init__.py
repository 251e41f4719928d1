"""The C back end: portable C99, one file an operator, each in two halves: decide, then emit."""
