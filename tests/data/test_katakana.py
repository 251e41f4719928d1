"""Katakana from the machine's fonts: what tatami/data/katakana.py promises of the set."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from tatami.data import katakana
from tatami.data.katakana import CHARACTERS, CLASSES, usable_fonts, write_katakana
from tatami.errors import TatamiError


@pytest.fixture(scope="module")
def fonts() -> tuple[Path, ...]:
    try:
        return usable_fonts()
    except TatamiError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def root(fonts: tuple[Path, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("katakana") / "set"
    assert write_katakana(folder, per_class=10, fonts=fonts[:2], seed=4) == fonts[:2]
    return folder


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_a_folder_a_class(root: Path) -> None:
    assert len(CHARACTERS) == len(CLASSES) == 15
    assert (root / "classes.txt").read_text().split() == list(CLASSES)
    for split, count in (("train", 10), ("test", 2)):
        assert sorted(path.name for path in (root / split).iterdir()) == sorted(CLASSES)
        for name in CLASSES:
            assert len(list((root / split / name).glob("*.png"))) == count


def test_pictures_are_dark_on_light(root: Path) -> None:
    for path in root.rglob("*.png"):
        with Image.open(path) as image:
            assert (image.size, image.mode) == ((28, 28), "L")
            pixels = np.asarray(image)
        assert np.median(pixels) > 220
        assert pixels.min() < 150, path
        assert 0.02 < np.mean(pixels < 150) < 0.5, path


def test_no_two_pictures_are_alike(root: Path) -> None:
    contents = [content for name, content in files(root).items() if name.endswith(".png")]
    assert len(set(contents)) == len(contents) == 15 * 12


def test_the_same_seed_gives_the_same_bytes(
    root: Path, fonts: tuple[Path, ...], tmp_path: Path
) -> None:
    again, other = tmp_path / "again", tmp_path / "other"
    write_katakana(again, per_class=10, fonts=fonts[:2], seed=4)
    assert files(again) == files(root)
    write_katakana(other, per_class=3, fonts=fonts[:2], seed=4)
    few = {name: data for name, data in files(other).items() if name.startswith("train")}
    assert len(few) == 45
    assert few.items() <= files(root).items()  # a picture does not depend on how many there are
    write_katakana(other, per_class=3, fonts=fonts[:2], seed=5)  # an older set is replaced
    assert not {name for name in few if files(other)[name] == few[name]}


def test_classes_look_different(root: Path) -> None:
    """The nearest mean of the training pictures names most test pictures: far above chance."""

    def stack(split: str, name: str) -> np.ndarray:
        paths = sorted((root / split / name).iterdir())
        return np.stack([np.asarray(Image.open(path), float).ravel() for path in paths])

    means = np.stack([stack("train", name).mean(axis=0) for name in CLASSES])
    right = [
        np.argmin(((picture - means) ** 2).sum(axis=1)) == label
        for label, name in enumerate(CLASSES)
        for picture in stack("test", name)
    ]
    assert np.mean(right) > 0.3  # chance: 1 in 15


def test_a_font_without_katakana_is_not_used(tmp_path: Path) -> None:
    own = ImageFont.load_default(20)
    assert isinstance(own, ImageFont.FreeTypeFont)
    own.path.seek(0)  # Pillow's own font, which has Latin letters only
    (tmp_path / "latin.ttf").write_bytes(own.path.read())
    (tmp_path / "broken.otf").write_bytes(b"OTTO" + bytes(64))
    with pytest.raises(TatamiError, match=r"no font with katakana in .*fonts-ipafont"):
        usable_fonts([tmp_path])
    with pytest.raises(TatamiError, match="no such font"):
        usable_fonts([tmp_path / "nothing"])


def test_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(TatamiError, match="the folder holds something else"):
        write_katakana(tmp_path, per_class=1)
    with pytest.raises(TatamiError, match="0 pictures a class"):
        write_katakana(tmp_path / "new", per_class=0)


def test_the_strokes_of_a_glyph_are_its_parts(fonts: tuple[Path, ...]) -> None:
    """シ is three strokes that stand alone, ソ two, ク one."""
    for character, strokes in (("シ", 3), ("ソ", 2), ("ク", 1)):
        glyph = katakana._glyph(fonts[0], character)
        assert glyph.part.max() == strokes
        assert glyph.points.shape == (len(glyph.part), 2)
