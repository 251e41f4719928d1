"""A network to a program for a device, and the proof that both give the same answer."""
