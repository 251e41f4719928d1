"""Random variations of labeled pictures for training: what is varied, and where pixels go."""

from tatami.data.augment.augmentation import (
    Augmentation,
    Resizing,
    augmented,
    augmented_mask,
    augmented_picture,
)

__all__ = ["Augmentation", "Resizing", "augmented", "augmented_mask", "augmented_picture"]
