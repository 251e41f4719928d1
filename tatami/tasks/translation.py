"""Translation: a sentence in another language."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

from tatami.data.augment import Augmentation
from tatami.data.augment.texts import corrupted
from tatami.data.fingerprint import text_fingerprint
from tatami.data.inspect_texts import inspect_texts
from tatami.data.open import open_texts, text_splits
from tatami.errors import TatamiError
from tatami.evaluate.bleu import Bleu, corpus_bleu
from tatami.models.table import Model
from tatami.rules.text import Tokens, learn_merges
from tatami.see.attention import attention_map, by_word
from tatami.see.plots import Panel
from tatami.see.report import Drawing, Report
from tatami.ship.c.tasks.translation import TRANSLATION_IN_C
from tatami.tasks.base import Answer, Difference, Evaluated, Merit, Opened, Task
from tatami.tasks.inspected import Inspected
from tatami.tasks.inspected_texts import InspectedTexts
from tatami.tasks.settings import number, read_settings, refuse_variations
from tatami.tasks.structure import Structure
from tatami.tasks.style import Style
from tatami.tasks.translating import TRANSLATING, SearchTranslator
from tatami.tasks.walk import timed
from tatami.train.recipe import Recipe
from tatami.types import Float32, Forward, Int64, Picture, Size
from tatami.types.datasets import LabeledTexts, TextPair
from tatami.types.progress import Progress, quiet, tracked
from tatami.types.search import Search
from tatami.types.specs import TranslationSpec
from tatami.types.table import Table, numbers, words
from tatami.types.text import BEGIN, END, PAD

if TYPE_CHECKING:  # torch is heavy: it is imported where training really starts
    from torch import Tensor, nn

    from tatami.train.batches import Examples
    from tatami.train.run import Run

SHOWN = 6
"""Sentences whose attention is on a report's page."""
PANELS = (
    Panel("Loss, nats a token", ("loss",)),
    Panel("Learning rate", ("learning_rate",)),
    Panel("BLEU", ("BLEU",)),
)


@dataclass(frozen=True)
class TranslationSettings:
    """Say what is particular to a translator's training.

    Args:
        label_smoothing: The share of every target that is spread over all tokens (Vaswani et al.
            2017, section 5.4).
        dropout: The share of the numbers that every sub-layer drops.
        merges: How many pairs of symbols are merged (docs/text-rule.md, section 6).
    """

    label_smoothing: float = 0.1
    dropout: float = 0.1
    merges: int = 4000

    def __post_init__(self) -> None:
        for name, high in (("label_smoothing", 0.999), ("dropout", 0.9), ("merges", 60_000)):
            value = getattr(self, name)
            if not number(value) or not 0 <= value <= high:
                raise TatamiError(
                    f"{name} {value} is out of range", hint=f"give 0 to {high}", setting=name
                )


@dataclass(frozen=True)
class TranslationOptions:
    """Say what may be set of a translator's evaluation.

    Args:
        beam: Translations that are followed at once; None: as the network says.
        penalty: How much longer ones are favored; None: as the network says.
    """

    beam: int | None = None
    penalty: float | None = None

    def __post_init__(self) -> None:
        self.search(Search())  # raises TatamiError for what is out of range

    def search(self, usual: Search) -> Search:
        """Give the search that is asked for."""
        return Search(
            usual.beam if self.beam is None else self.beam,
            usual.penalty if self.penalty is None else self.penalty,
        )


@dataclass(frozen=True)
class TranslationFigures:
    """How good translations are.

    Args:
        whole: BLEU of all, without regard to case, by the 13a tokenizer, in percent.
        directions: The same of each direction.
        sentences: How many there are of each direction.
    """

    whole: Bleu
    directions: Mapping[str, Bleu]
    sentences: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        """Give the metrics as plain values."""
        return {
            "bleu": self.whole.score,
            "brevity_penalty": self.whole.brevity_penalty,
            "precisions": list(self.whole.precisions),
            "sentences": sum(self.sentences.values()),
            "directions": {
                name: {"bleu": one.score, "sentences": self.sentences[name]}
                for name, one in self.directions.items()
            },
        }


class Translation(Task[LabeledTexts, SearchTranslator, TranslationFigures]):
    """Translate a sentence."""

    name = "translate"
    noun = "translator"
    measure = "BLEU"
    specs = (TranslationSpec,)
    augmentation = Augmentation.none()
    styles: ClassVar[Mapping[str, Style]] = {
        "paper": Style(
            Recipe(
                epochs=16,
                batch=128,
                learning_rate=3e-3,
                warmup_epochs=2.0,
                optimizer="adamw",
                weight_decay=1e-4,
                clip_norm=1.0,
                closing_epochs=0,
                multi_scale=0.0,
            )
        )
    }
    settings = TranslationSettings
    options = TranslationOptions
    labels = "texts"
    doing = "Translating"
    units = "sentences"
    rule = "text rule"
    finds = "translations"
    merits = (
        Merit(
            "bleu", "bleu", "BLEU, without case", "BLEU", lambda result: result.whole.score / 100
        ),
    )
    c = TRANSLATION_IN_C
    answers_file = "translations.json"

    # Data ----------------------------------------------------------------------------------------

    def splits(self, root: Path, format: str | None) -> tuple[str, ...]:
        """Name the splits of parallel text."""
        return text_splits(root, format)

    def open(
        self, root: Path, *, split: str | None, format: str | None, skip: Collection[str] = ()
    ) -> Opened[LabeledTexts]:
        """Open one split of parallel text."""
        opened = open_texts(root, split=split, format=format, skip=skip)
        return Opened(opened.texts, opened.skipped, opened.notes)

    def fingerprint(self, data: LabeledTexts) -> str:
        """Give one number for the directions and all letters of a split."""
        return text_fingerprint(data)

    def select(self, data: LabeledTexts, places: Int64) -> LabeledTexts:
        """Give the sentences at these places as a split."""
        return data.select(places)

    def picture(self, data: LabeledTexts, place: int) -> Any:
        """Give the sentence at a place, with its translation."""
        return data.pairs[place]

    def identity(self, data: LabeledTexts, place: int) -> str:
        """Name the sentence at a place by its line."""
        return f"{data.split} {data.pairs[place].line}"

    def is_input(self, file: Path) -> bool:
        """Tell whether a file's name is a text's."""
        return file.suffix.lower() == ".txt" and not file.name.startswith(".")

    def read(self, file: Path, spec: Any) -> Any:
        """Read a file as one sentence, which nobody has translated.

        Raises:
            TatamiError: For a file that cannot be read or is no UTF-8.
        """
        try:
            return TextPair(1, file.read_text(encoding="utf-8"), "", "", "")
        except (OSError, UnicodeDecodeError) as error:
            raise TatamiError(
                f"cannot be read: {error}", hint="give a text in UTF-8", file=file
            ) from error

    def inspect(
        self,
        root: Path,
        *,
        split: str | None,
        format: str | None,
        repairs: Collection[str] = (),
        progress: Progress = quiet,
    ) -> Inspected:
        """Read all of a set of parallel text, and find everything that is wrong with it."""
        told = None if format == "parallel" else format
        return InspectedTexts(inspect_texts(root, split=split, format=told, progress=progress))

    # Training ------------------------------------------------------------------------------------

    def check_training(
        self,
        model: Model[Any],
        recipe: Recipe,
        settings: TranslationSettings,
        augmentation: Augmentation,
    ) -> None:
        """Refuse variations: a sentence is learned as it is."""
        refuse_variations(augmentation, "sentences have no")

    def plan(
        self,
        model: Model[Any],
        data: LabeledTexts,
        recipe: Recipe,
        settings: TranslationSettings,
        progress: Progress = quiet,
    ) -> tuple[TranslationSpec, TranslationSettings]:
        """Learn the merges of all languages together, and name the target languages."""
        spec: TranslationSpec = model.spec((), recipe.size)
        texts = {
            (one.line, language): text
            for one in data.pairs
            for language, text in (
                (one.source_language, one.source),
                (one.target_language, one.target),
            )
        }  # each once, in however many directions it stands
        merges = learn_merges(texts.values(), settings.merges, spec.input.lower)
        targets = data.targets if len(data.targets) > 1 else ()
        rule = replace(spec.input, merges=merges, languages=targets)
        known = Tokens(rule)
        longest = max(len(known.source(one.source)) for one in data.pairs)
        more = max(len(known.encode(one.target)) for one in data.pairs) + 1
        left = sum(not _fits(one, known) for one in data.pairs)
        if left == len(data):
            raise TatamiError(
                f"no sentence fits into {rule.max_source} and {rule.max_target} tokens",
                hint="give a larger size",
                setting="size",
            )
        progress(
            f"{rule.vocabulary} tokens; the longest sentences have {longest} and {more}"
            + (f"; {left} are too long and not learned from" if left else ""),
            0,
            0,
        )
        return replace(spec, input=rule), settings

    def examples(self, data: LabeledTexts, run: Run) -> Examples:
        """Draw a sentence and its translation, which teaches each of its tokens from those before.

        Sentences of like length share a batch, so that little is filled up. A sentence that is
        told again in its own language is corrupted each time that it is drawn.
        """
        import torch

        from tatami.train.batches import Examples

        known = Tokens(cast(TranslationSpec, run.spec).input)
        several = bool(known.rule.languages)
        rows = [
            (
                known.source(one.source, one.target_language if several else None),
                [BEGIN, *known.encode(one.target), END],
                one.told_again,
            )
            for one in data.pairs
            if _fits(one, known)
        ]

        def draw(
            index: int, size: Size, closing: bool, rng: np.random.Generator
        ) -> tuple[tuple[list[int], list[int]], list[int]]:
            source, target, again = rows[index]
            if again:
                begin = 1 if several else 0
                source = [*source[:begin], *corrupted(source[begin:-1], rng), END]
            return (source, target[:-1]), target[1:]

        def filled(lists: Sequence[Sequence[int]]) -> Tensor:
            whole = np.full((len(lists), max(map(len, lists))), PAD, np.int64)
            for row, one in zip(whole, lists, strict=True):
                row[: len(one)] = one
            return torch.from_numpy(whole)

        def images(drawn: Sequence[tuple[list[int], list[int]]], rule: Any) -> tuple[Tensor, ...]:
            return filled([one[0] for one in drawn]), filled([one[1] for one in drawn])

        longest = max(len(source) for source, _, _ in rows) + 1
        lengths = [len(target) * longest + len(source) for source, target, _ in rows]
        return Examples(len(rows), draw, filled, images, np.array(lengths, np.int64))

    def prepare_model(self, model: nn.Module, run: Run) -> None:
        """Let the loss smooth its targets, and the layers drop as much as is asked for."""
        from torch import nn

        from tatami.models.transformer import Transformer

        settings: TranslationSettings = read_settings(self.settings, run.settings)
        cast("Transformer", model).label_smoothing = settings.label_smoothing
        for part in model.modules():
            if isinstance(part, nn.Dropout):
                part.p = settings.dropout

    # Answers -------------------------------------------------------------------------------------

    def structure(self, spec: Any) -> Structure:
        """Say that it is an encoder and a decoder."""
        return TRANSLATING

    def predictor(
        self, spec: Any, forward: Forward, answer: Size | None = None
    ) -> SearchTranslator:
        """Put the text rule and the search around both networks."""
        return TRANSLATING.predictor(spec, (forward,))

    def searching(
        self, predictor: SearchTranslator, beam: int | None, penalty: float | None
    ) -> SearchTranslator:
        """Let a translator follow as many hypotheses as is asked for."""
        return predictor.searching(TranslationOptions(beam, penalty).search(predictor.spec.search))

    def look(self, predictor: SearchTranslator, picture: Any) -> Int64:
        """Give the tokens of a sentence's translation."""
        pair: TextPair = picture
        return predictor.found(pair.source, _target(predictor, pair))

    def answer(
        self, predictor: SearchTranslator, picture: Any, score: float | None = None
    ) -> Answer:
        """Translate a sentence, and draw where each word looks."""
        pair: TextPair = picture
        language = _target(predictor, pair)
        text, seconds = timed(lambda: predictor.translate(pair.source, language))
        content = {
            "size": f"{len(predictor.tokens.encode(pair.source))} tokens",
            "seconds": seconds,
            "source": " ".join(pair.source.split()),
            "translation": text,
        }
        return Answer(looked(predictor, pair.source, language), content, text, seconds)

    def heading(self, spec: Any, score: float | None = None) -> dict[str, Any]:
        """Say what JSON says above the answers: the target languages and the search."""
        return {"languages": list(spec.input.languages), "search": spec.search.to_json()}

    # Metrics -------------------------------------------------------------------------------------

    def evaluate(
        self,
        predictor: SearchTranslator,
        data: LabeledTexts,
        *,
        options: TranslationOptions | None = None,
        skip: Collection[str] = (),
        progress: Progress = quiet,
        stage: str = "",
    ) -> Evaluated[TranslationFigures]:
        """Translate a split, and measure BLEU without regard to case.

        Sentences that are only told again in their own language are left out.
        """
        kept = np.array(
            [place for place, pair in enumerate(data.pairs) if not pair.told_again], np.int64
        )
        data = data.select(kept)
        search = (options or TranslationOptions()).search(predictor.spec.search)
        answers, seconds = [], 0.0
        for pair in tracked(data.pairs, stage or self.doing, progress):
            language = _target(predictor, pair)
            found, taken = timed(partial(predictor.translate, pair.source, language, search))
            answers.append(found)
            seconds += taken
        result = figures(answers, data)
        return Evaluated(result, answers, kept, 0, seconds)

    def figure(self, result: TranslationFigures) -> float:
        """Give BLEU in 0 to 1."""
        return result.whole.score / 100

    def row(self, result: TranslationFigures) -> dict[str, float]:
        """Give BLEU in percent for evaluations.jsonl."""
        return {"BLEU": round(result.whole.score, 3)}

    def tables(self, result: TranslationFigures) -> list[Table]:
        """Lay out a row a direction."""
        rows = tuple(
            (
                name,
                f"{result.sentences[name]:,}",
                f"{one.score:.2f}",
                *(f"{each:.1f}" for each in one.precisions),
                f"{one.brevity_penalty:.3f}",
            )
            for name, one in result.directions.items()
        )
        heads = numbers("sentences", "BLEU", "1-grams", "2-grams", "3-grams", "4-grams", "brevity")
        return [Table((words("direction", flexible=True), *heads), rows)]

    def lines(self, result: TranslationFigures) -> list[str]:
        """Say BLEU over all sentences."""
        one = result.whole
        return [
            f"{sum(result.sentences.values()):,} sentences",
            f"BLEU {one.score:.2f}, without case   brevity penalty {one.brevity_penalty:.3f}   "
            f"{one.length:,} of {one.reference_length:,} words",
        ]

    def page(
        self,
        page: Report,
        predictor: SearchTranslator,
        data: LabeledTexts,
        evaluated: Evaluated[TranslationFigures],
    ) -> Report:
        """Add the figures, and the attention of some sentences."""
        drawings = []
        for place in range(0, len(data), max(1, len(data) // SHOWN)):
            pair = data.pairs[place]
            caption = f"{pair.source} - {evaluated.answers[place]} (reference: {pair.target})"
            drawn = looked(predictor, pair.source, _target(predictor, pair))
            drawings.append(Drawing(caption, drawn))
        result = evaluated.result
        return replace(
            page,
            measure=self.measure,
            summary={"BLEU": f"{result.whole.score:.2f}", **page.summary},
            drawings=drawings[:SHOWN],
            drawings_note="Mean attention of the last layer's heads: a row a word that is written, "
            "a column a word that is read.",
            panels=PANELS,
        )

    def compare(
        self, predictor: Any, reference: SearchTranslator, pictures: Sequence[Any]
    ) -> Difference:
        """Count the tokens by which the translations of two forms differ."""
        apart = 0
        for pair in pictures:
            found, expected = (self.look(one, pair).tolist() for one in (predictor, reference))
            differ = sum(one != other for one, other in zip(found, expected, strict=False))
            apart = max(apart, differ + abs(len(found) - len(expected)))
        return Difference("tokens", float(apart), "", 0.0)


TRANSLATION = Translation()


def figures(answers: Sequence[str], data: LabeledTexts) -> TranslationFigures:
    """Measure translations of a split, all together and each direction by itself."""
    rows: dict[str, list[tuple[str, list[str]]]] = {name: [] for name in data.directions}
    for answer, pair in zip(answers, data.pairs, strict=True):
        rows[f"{pair.source_language}-{pair.target_language}"].append((answer, [pair.target]))
    kept = {name: each for name, each in rows.items() if each}

    def bleu(each: Sequence[tuple[str, list[str]]]) -> Bleu:
        return corpus_bleu([one[0] for one in each], [one[1] for one in each], lower=True)

    return TranslationFigures(
        bleu([one for each in kept.values() for one in each]),
        {name: bleu(each) for name, each in kept.items()},
        {name: len(each) for name, each in kept.items()},
    )


def looked(predictor: SearchTranslator, text: str, language: str | None) -> Picture:
    """Draw which words of a sentence the words of its translation look at: the last layer's mean.

    Args:
        predictor: What translates.
        text: The sentence.
        language: The target language, for a network that knows several.

    Returns:
        (height, width, 3); one white pixel where the networks do not say it.
    """
    attention = getattr(getattr(predictor, "networks", None), "attention", None)
    if attention is None:
        return np.full((1, 1, 3), 255, np.uint8)
    source = predictor.source(text, language)
    source = source[source != PAD]
    found = predictor.found(text, language).tolist()
    weights: Float32 = attention(source, [BEGIN, *found])[-1].mean(axis=0)  # (T, S)
    written, read = ([*found, END], source.tolist())
    rows, columns = (grouped(one, predictor.tokens) for one in (written, read))
    shown = by_word(weights, [places for _, places in rows], [places for _, places in columns])
    return attention_map(shown, [word for word, _ in rows], [word for word, _ in columns])


def grouped(tokens: Sequence[int], known: Tokens) -> list[tuple[str, list[int]]]:
    """Put the tokens of a sentence together to words, each with the places of its tokens."""
    found: list[tuple[bytes, list[int]]] = []
    first = known.rule.first_symbol
    for place, token in enumerate(tokens):
        if token < first:
            languages = known.rule.languages
            name = f"<2{languages[token - END - 1]}>" if token > END else "<end>"
            found.append((name.encode(), [place]))
            continue
        text = known.bytes_of[token - first]
        if found and not text.startswith(b" ") and tokens[found[-1][1][-1]] >= first:
            found[-1] = (found[-1][0] + text, [*found[-1][1], place])
        else:
            found.append((text, [place]))
    return [(text.decode(errors="replace").strip(), places) for text, places in found]


def _fits(pair: TextPair, known: Tokens) -> bool:
    rule = known.rule
    begins = 1 if rule.languages else 0
    return (
        len(known.source(pair.source)) + begins <= rule.max_source
        and len(known.encode(pair.target)) + 1 <= rule.max_target
    )


def _target(predictor: SearchTranslator, pair: TextPair) -> str | None:
    """Give the language that a pair is to be translated into, where a network knows several."""
    languages = predictor.spec.input.languages
    return (pair.target_language or languages[0]) if languages else None
