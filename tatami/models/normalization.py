"""How the pictures of a classifier, and of what is built on one, become numbers."""

from __future__ import annotations

MEAN = (123.675, 116.28, 103.53)
"""The means of ImageNet's red, green and blue, as the weights that others publish expect them."""
SCALE = (1 / 58.395, 1 / 57.12, 1 / 57.375)
"""One over the standard deviations of ImageNet's red, green and blue."""
