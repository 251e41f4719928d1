"""Translation through the pipeline: a tiny language is learned, written, opened and measured."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from tatami.cli.main import main
from tatami.errors import TatamiError
from tatami.models.table import model_named
from tatami.pipeline.artifact import open_artifact
from tatami.pipeline.evaluate import evaluate
from tatami.pipeline.inspect import inspect
from tatami.pipeline.predict import predict
from tatami.pipeline.ship import ship
from tatami.pipeline.train import train
from tatami.rules.text import Tokens
from tatami.see.attention import attention_map, by_word
from tatami.tasks.translating import Graphs, SearchTranslator
from tatami.tasks.translation import TRANSLATION, TranslationSettings, grouped, looked
from tatami.train.batches import like_lengths
from tatami.train.recipe import Recipe
from tatami.types import Size
from tatami.types.search import Search
from tatami.types.text import END, TextInput

WORDS = {"dog": "Hund", "cat": "Katze", "man": "Mann", "bus": "Bus", "sees": "sieht", "and": "und"}


def sentences(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Draw sentences of 2 to 5 words, and their translations: the words in reverse."""
    rng = np.random.default_rng(seed)
    drawn = [rng.choice(list(WORDS), rng.integers(2, 6)).tolist() for _ in range(count)]
    return (
        [" ".join(one) for one in drawn],
        [" ".join(WORDS[word] for word in reversed(one)) for one in drawn],
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("text")
    for seed, (split, count) in enumerate((("train", 1500), ("val", 20))):
        for language, lines in zip(("en", "de"), sentences(count, seed), strict=True):
            (root / f"{split}.{language}").write_text("".join(f"{one}\n" for one in lines))
    return root


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(
        "transformer",
        data,
        tmp_path_factory.mktemp("run") / "run",
        size="8x8",
        width=0.125,
        epochs=10,
        batch=32,
        learning_rate=5e-3,
        settings=TranslationSettings(merges=60, dropout=0.0),
        format="en-de",
        threads=1,
    ).path


def test_it_learns(run: Path, data: Path) -> None:
    found = evaluate(run)
    assert found.result.to_json()["bleu"] > 90
    assert found.lines()[0] == "20 sentences"
    beam = evaluate(run, options={"beam": 3})
    assert beam.result.to_json()["bleu"] > 90
    artifact = open_artifact(run)
    assert isinstance(artifact.predictor, SearchTranslator)
    assert artifact.predictor.translate("Cat sees DOG") == "hund sieht katze"


def test_its_two_graphs_translate_as_torch_does(run: Path, data: Path) -> None:
    torch_, numpy_ = open_artifact(run).predictor, open_artifact(run / "network.onnx").predictor
    assert isinstance(torch_, SearchTranslator)
    assert isinstance(numpy_, SearchTranslator)
    assert isinstance(numpy_.networks, Graphs)
    for text in (data / "val.en").read_text().splitlines():
        assert numpy_.found(text).tolist() == torch_.found(text).tolist()


def test_attention_is_drawn_over_words(run: Path) -> None:
    predictor = open_artifact(run).predictor
    assert isinstance(predictor, SearchTranslator)
    drawn = looked(predictor, "man sees dog", None)
    assert drawn.shape[2] == 3
    assert min(drawn.shape[:2]) > 4 * 28  # a row and a column for each of three words and the end
    known = Tokens(TextInput((), languages=("de",)))
    words = grouped(known.source("ab c", "de"), known)
    assert words == [("<2de>", [0]), ("ab", [1, 2, 3]), ("c", [4, 5]), ("<end>", [6])]
    assert known.source("ab c", "de")[-1] == END
    weights = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]], np.float32)
    merged = by_word(weights, [[0, 1]], [[0], [1, 2]])
    np.testing.assert_allclose(merged, [[0.3, 0.7]], rtol=1e-6)
    dark, light = (attention_map(np.array([[one]], np.float32), ["x"], ["y"]) for one in (1, 0))
    assert dark[-10, -10].sum() < light[-10, -10].sum()


def test_a_text_file_is_translated(run: Path, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("man and\ndog\n")
    found = open_artifact(run).predict(tmp_path / "one.txt")
    assert found.content["source"] == "man and dog"
    assert found.line == found.content["translation"] == "hund und mann"


def test_a_beam_is_asked_for(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tatami(*typed: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["tatami", *map(str, typed)])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.err if ended.value.code else told.out

    file, own = tmp_path / "one.txt", open_artifact(run).predictor
    assert isinstance(own, SearchTranslator)
    file.write_text("man and dog sees cat\n")
    for beam, penalty in ((3, 1.5), (1, 0.0)):
        found = predict(run, file, beam=beam, penalty=penalty)
        search = Search(beam, penalty)
        assert found.heading["search"] == search.to_json()
        expected = own.translate("man and dog sees cat", search=search)
        assert found.pictures[0].content["translation"] == expected
        measured = evaluate(run, options={"beam": beam, "penalty": penalty}).result.to_json()
        code, out = tatami("evaluate", run, "--beam", beam, "--penalty", penalty, "--json")
        assert (code, json.loads(out)["bleu"]) == (0, measured["bleu"])
    code, out = tatami("predict", run, file, "--out", tmp_path / "out", "--beam", 2, "--json")
    assert (code, json.loads(out)["search"]) == (0, {"beam": 2, "penalty": 0.6})
    for typed in (("evaluate", run), ("predict", run, file)):
        code, said = tatami(*typed, "--beam", 17)
        assert code == 2
        assert "a beam of 17" in said


@pytest.mark.slow
def test_a_beam_is_asked_for_of_the_shipped_program(run: Path, tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    file, shipped = tmp_path / "one.txt", ship(run / "network.onnx", tmp_path / "c").path
    file.write_text("man and dog sees cat\n")
    for beam in (None, 2):
        found = predict(shipped, file, beam=beam)
        expected = predict(run / "network.onnx", file, beam=beam)
        assert found.heading == expected.heading
        assert found.pictures[0].line == expected.pictures[0].line
    with pytest.raises(TatamiError, match=r"the program searches with a penalty of 0\.6"):
        predict(shipped, file, beam=2, penalty=1.0)


def test_several_directions_share_one_network(data: Path) -> None:
    row, ways = model_named("transformer"), "en-de,de-en"
    opened = TRANSLATION.open(data, split="val", format=ways).data
    spec, _ = TRANSLATION.plan(
        row, opened, Recipe(size=Size(16, 16)), TranslationSettings(merges=9)
    )
    assert spec.input.languages == ("de", "en")
    single, _ = TRANSLATION.plan(
        row,
        TRANSLATION.open(data, split="val", format="en-de").data,
        Recipe(size=Size(16, 16)),
        TranslationSettings(merges=9),
    )
    assert single.input.merges == spec.input.merges  # each sentence counts once
    translator = SearchTranslator(spec, Graphs.__new__(Graphs))
    assert translator.source("dog", "en")[0] == translator.source("dog", "de")[0] + 1
    with pytest.raises(TatamiError, match="does not translate into 'fr'"):
        translator.source("dog", "fr")


def test_a_sentence_told_again_is_corrupted_each_time_and_not_evaluated(data: Path) -> None:
    opened = TRANSLATION.open(data, split="val", format="en-de,de-en,de-de").data
    settings = TranslationSettings(merges=9)
    spec, _ = TRANSLATION.plan(
        model_named("transformer"), opened, Recipe(size=Size(64, 64)), settings
    )
    examples = TRANSLATION.examples(opened, cast(Any, SimpleNamespace(spec=spec)))
    rng = np.random.default_rng(0)
    again = [place for place, pair in enumerate(opened.pairs) if pair.told_again]
    for place in (0, again[0]):
        drawn = [examples.draw(place, Size(64, 64), False, rng) for _ in range(20)]
        sources = {tuple(source) for (source, _), _ in drawn}
        told = Tokens(spec.input).encode(opened.pairs[place].target)
        assert all(target == [*told, END] for _, target in drawn)
        assert all(one[0] == drawn[0][0][0][0] and one[-1] == END for one in sources)
        assert (len(sources) > 1) == (place in again)
        if place in again:
            assert all(set(one[1:-1]) <= set(told) for one in sources)

    class Copy:
        spec = SimpleNamespace(search=Search(), input=SimpleNamespace(languages=("de", "en")))

        def translate(self, text: str, language: str, search: Search) -> str:
            return text

    result = TRANSLATION.evaluate(cast(Any, Copy()), opened)
    assert list(result.result.directions) == ["en-de", "de-en"]
    assert len(result.answers) == len(opened) - len(again)


def test_what_is_in_the_set(data: Path) -> None:
    found = inspect(data)
    assert "1,520 sentences in de, en" in found.heading()
    with pytest.raises(TatamiError, match="is there in de, en"):
        train("transformer", data, "nowhere")


def test_batches_hold_sentences_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 4000)
    order = np.random.default_rng(1).permutation(4000)
    found = like_lengths(order, lengths, 50)
    assert sorted(found.tolist()) == [*range(4000)]
    spread = lengths[found].reshape(-1, 50)
    assert (spread.max(1) - spread.min(1)).max() <= 4
