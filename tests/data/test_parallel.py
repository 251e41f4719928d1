"""Parallel text: what is read, what is refused, what is found in it."""

import gzip
from pathlib import Path

import pytest

from tatami.data.formats.parallel import Direction, Directions
from tatami.data.inspect_texts import inspect_texts
from tatami.data.open import kind_of, open_texts, text_splits
from tatami.errors import TatamiError

EN = ["A dog.", "Two men", "A bus", "", "ein Wort", "A dog."]
DE = ["Ein Hund.", "Zwei Männer", "Ein Bus", "leer", "ein Wort", "Ein Hund."]


def written(root: Path, split: str, language: str, lines: list[str], packed: bool = False) -> None:
    content = "".join(f"{line}\n" for line in lines).encode()
    name = root / f"{split}.{language}{'.gz' if packed else ''}"
    name.write_bytes(gzip.compress(content) if packed else content)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    written(tmp_path, "train", "en", EN, packed=True)
    written(tmp_path, "train", "de", DE)
    written(tmp_path, "val", "en", ["A cat.", "A dog."])
    written(tmp_path, "val", "de", ["Eine Katze.\r", "Ein Hund."])
    written(tmp_path, "val", "fr", ["Un chat.", "Un chien."])
    return tmp_path


def test_a_direction_is_a_format(root: Path) -> None:
    assert kind_of(root) == kind_of(root, "en-de") == "texts"
    assert text_splits(root, "en-de") == ("train", "val")
    assert text_splits(root, "fr-en") == ("val",)
    opened = open_texts(root, split="train", format="de-en", skip=["empty-text"])
    assert opened.skipped == {"empty-text": 1}
    first = opened.texts.pairs[0]
    assert (first.source, first.target, first.line) == ("Ein Hund.", "A dog.", 1)
    assert open_texts(root, split="val", format="en-de").texts.pairs[0].target == "Eine Katze."


def test_several_directions_and_parts_of_the_lines(root: Path) -> None:
    found = Directions.parse("en-de@2/3,de-en")
    assert found is not None
    assert found.directions == (Direction("en", "de", 2, 3), Direction("de", "en"))
    texts = open_texts(root, split="train", format="en-de@2/3,de-en", skip=["empty-text"]).texts
    assert texts.targets == ("de", "en")
    lines = [(one.line, one.target_language) for one in texts.pairs]
    assert lines == [(2, "de"), (5, "de"), *((at, "en") for at in (1, 2, 3, 5, 6))]
    for wrong in ("en-en", "en-de@3/2", "en", "en-de,", "EN-de"):
        assert Directions.parse(wrong) is None


def test_a_sentence_told_again_in_its_own_language(root: Path) -> None:
    texts = open_texts(root, split="val", format="en-de,de-de").texts
    assert texts.directions == ("en-de", "de-de")
    assert [one.told_again for one in texts.pairs] == [False, False, True, True]
    assert (texts.pairs[2].source, texts.pairs[2].target) == ("Eine Katze.", "Eine Katze.")


def test_what_is_refused(root: Path) -> None:
    with pytest.raises(TatamiError, match="'train' is there in de, en") as caught:
        open_texts(root, split="train")
    assert "as en-de" in caught.value.hint
    with pytest.raises(TatamiError, match="empty-text: the sentence is empty") as caught:
        open_texts(root, split="train", format="en-de")
    assert (caught.value.line, caught.value.file) == (4, root / "train.en.gz")
    with pytest.raises(TatamiError, match="no split has cs and en"):
        open_texts(root, split="train", format="en-cs")
    (root / "val.de").write_bytes(b"Eine Katze.\n\xff\n")
    with pytest.raises(TatamiError, match="not UTF-8") as caught:
        open_texts(root, split="val", format="en-de")
    assert caught.value.line == 2
    (root / "val.de").write_bytes(b"Eine Katze.\n")
    with pytest.raises(TatamiError, match="1 lines, where another language has 2"):
        open_texts(root, split="val", format="en-de")
    (root / "train.en.gz").write_bytes(b"\x1f\x8bno")
    with pytest.raises(TatamiError, match="cannot be read"):
        open_texts(root, split="train", format="en-de")


def test_what_is_found(root: Path) -> None:
    found = inspect_texts(root, format="en-de")
    english = found.splits["train"]["en"]
    assert (english.lines, english.empty, english.repeated) == (6, 1, 1)
    assert english.words == (0, 2, 2)
    assert found.identical["train"] == {"de-en": 1}
    assert found.shared == {"train": 0, "val": 1}
    kinds = [problem.kind for problem in found.problems]
    assert sorted(kinds) == ["duplicate-text", "empty-text"]
    assert inspect_texts(root).languages == ("de", "en", "fr")
