"""Cut the objects of a detection set out, a folder a class: what a detector's backbone can learn as
a classifier first, where no set of classes is at hand (YOLOv1's pretraining, its section 2.2).

    python benchmarks/digit_crops.py DIGITS CROPS

Each is a square, half as wide again as the object's longer side, black beyond the picture; one in
ten pictures is for the test split.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tatami.data.open import open_dataset
from tatami.data.pictures import read_picture


def main(root: Path, out: Path) -> None:
    cut(root, "train", lambda number: out / ("test" if number % 10 == 0 else "train"))


def cut(root: Path, split: str, place: Callable[[int], Path]) -> None:
    """Cut the objects of a split out; ``place`` says where those of a picture belong."""
    dataset = open_dataset(root, split=split).dataset
    for number, sample in enumerate(dataset.samples):
        picture = Image.fromarray(read_picture(sample.path))
        for index, (box, label) in enumerate(
            zip(sample.boxes.xyxy.tolist(), sample.boxes.labels.tolist(), strict=True)
        ):
            x1, y1, x2, y2 = box
            half = 0.75 * max(x2 - x1, y2 - y1)
            x, y = (x1 + x2) / 2, (y1 + y2) / 2
            folder = place(number) / dataset.classes[label]
            folder.mkdir(parents=True, exist_ok=True)
            crop = picture.crop(
                (round(x - half), round(y - half), round(x + half), round(y + half))
            )
            crop.save(folder / f"{sample.id}-{index}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
