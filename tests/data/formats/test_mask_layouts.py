"""Masks as tools write them: palettes and colors, with names of classes in every usual file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tatami.data.masks import usual_colors
from tatami.data.open import kind_of, open_masks
from tatami.errors import TatamiError
from tatami.types import VOID

Save = Callable[..., Path]

NUMBERS = np.zeros((10, 20), np.uint8)
NUMBERS[2:8, 5:15] = 1
NUMBERS[1, 5:15] = 255
CVAT = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ndog:250,50,83::\n"


def save_mask(path: Path, kind: str, colors: tuple[tuple[int, int, int], ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = np.zeros((256, 3), np.uint8)
    table[: len(colors)] = colors
    table[255] = (224, 224, 192)
    if kind == "gray":
        Image.fromarray(NUMBERS).save(path)
    elif kind == "palette":
        image = Image.fromarray(NUMBERS)
        image.putpalette(table.tobytes())
        image.save(path)
    else:
        Image.fromarray(table[NUMBERS]).save(path)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("labels.txt", "background\ndog\n"),
        ("labels.txt", "__ignore__\nbackground\ndog\n"),
        ("class_names.txt", "background\r\ndog\r\n"),
        ("classes.txt", "\ufeffbackground\ndog\n"),
        ("labelmap.txt", CVAT),
        ("labelmap.txt", "dog:250,50,83::\nbackground:0,0,0\n"),
    ],
)
@pytest.mark.parametrize("kind", ["gray", "palette", "colors"])
@pytest.mark.parametrize(
    "folders", [("SegmentationClass", "JPEGImages"), ("segmentationclasspng", "images")]
)
def test_masks_of_every_kind_mean_the_same(
    names: str, text: str, kind: str, folders: tuple[str, str], tmp_path: Path, save_picture: Save
) -> None:
    colors = ((0, 0, 0), (250, 50, 83)) if names == "labelmap.txt" else usual_colors(2)
    save_picture(tmp_path / folders[1] / "a.jpg")
    save_mask(tmp_path / folders[0] / "a.png", kind, colors)
    (tmp_path / names).write_text(text, newline="")
    assert kind_of(tmp_path) == "masks"
    found = open_masks(tmp_path).masks
    assert found.classes == ("background", "dog")
    expected = np.where(NUMBERS == 255, VOID, NUMBERS)
    assert np.array_equal(found.read(0)[1], expected)


def test_a_map_of_labels_beside_images_and_masks(tmp_path: Path, save_picture: Save) -> None:
    save_picture(tmp_path / "images" / "a.jpg")
    save_mask(tmp_path / "masks" / "a.png", "colors", ((0, 0, 0), (250, 50, 83)))
    (tmp_path / "labelmap.txt").write_text(CVAT)
    assert open_masks(tmp_path).masks.classes == ("background", "dog")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dog:1,2\n", "is not name:red,green,blue"),
        ("dog:1,2,300::\n", "is not name:red,green,blue"),
        ("dog:1,2,3::\ncat:1,2,3::\n", "'cat' has the color of another class"),
        ("dog:1,2,3::\ndog:1,2,4::\n", "'dog' appears twice"),
        ("# nothing\n", "no class names"),
    ],
)
def test_a_faulty_map_of_labels(text: str, said: str, tmp_path: Path, save_picture: Save) -> None:
    save_picture(tmp_path / "images" / "a.jpg")
    save_mask(tmp_path / "masks" / "a.png", "colors", ((0, 0, 0), (250, 50, 83)))
    (tmp_path / "labelmap.txt").write_text(text)
    with pytest.raises(TatamiError, match=said) as caught:
        open_masks(tmp_path)
    assert caught.value.file == tmp_path / "labelmap.txt"


def test_a_color_that_no_class_has(tmp_path: Path, save_picture: Save) -> None:
    save_picture(tmp_path / "images" / "a.jpg")
    save_mask(tmp_path / "masks" / "a.png", "colors", ((0, 0, 0), (1, 2, 3)))
    (tmp_path / "labelmap.txt").write_text(CVAT)
    with pytest.raises(TatamiError, match=r"60 pixels have the color \(1, 2, 3\)"):
        open_masks(tmp_path)
