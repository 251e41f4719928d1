"""The colors of classes, in pictures, plots and pages."""

from __future__ import annotations

Color = tuple[int, int, int]

# Okabe and Ito, "Color universal design" (2008), distinct with any kind of color vision, and three
# that are as far from these, and from each other, as the nearest two of these (in Oklab, and as
# people without red or green cones see them). The lining of a box makes the dark ones show on a
# dark photo, and the light ones on a light one.
COLORS: tuple[Color, ...] = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (240, 228, 66),  # yellow
    (0, 114, 178),  # blue
    (213, 94, 0),  # vermilion
    (204, 121, 167),  # reddish purple
    (120, 60, 255),  # violet
    (165, 0, 90),  # plum
    (125, 80, 0),  # brown
)


def class_color(label: int) -> Color:
    """Give the color of a class; it repeats after ten, so a label names the class too."""
    return COLORS[label % len(COLORS)]
