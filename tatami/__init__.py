"""Tatami: labeled pictures to a convolutional network on small hardware, proved at every step."""

__version__ = "0.2.0"
