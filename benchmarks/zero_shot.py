"""BLEU of a translator of several directions, also of those that it never learned.

    python benchmarks/zero_shot.py RUN MULTI30K [--unseen de-fr,fr-cs] [--split val] [--json]

RUN is a run folder of several directions, shipped as C (`tatami ship RUN`); its program translates
every sentence greedily. A direction that was never learned is measured three ways: as the token of
the target asks, through English (the source into English, that into the target), and as the source
copied, which is the floor. The language of an answer is told by the n-grams of letters of the
training split. Then the target's token is exchanged for another's, to see what it does.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from tatami.data.formats.parallel import Directions, files_of, read_lines
from tatami.evaluate.bleu import corpus_bleu
from tatami.evaluate.language import Identifier
from tatami.pipeline.artifact import open_artifact
from tatami.train.run import SETTINGS

PIVOT = "en"


def main() -> None:
    """Measure, and print a line a direction or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--unseen", default="de-fr,fr-cs")
    parser.add_argument("--split", default="val")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    told = json.loads((asked.run / SETTINGS).read_text("utf-8"))["data"]["format"]
    ways = Directions.parse(told)
    assert ways is not None
    learned = [one for one in ways.directions if one.source != one.target]
    files = files_of(asked.data, asked.split)
    lines = {language: read_lines(file) for language, file in files.items()}
    train = files_of(asked.data, "train")
    languages = Identifier.of({language: read_lines(file) for language, file in train.items()})
    predictor: Any = open_artifact(asked.run / "c").predictor

    def translated(texts: tuple[str, ...], target: str) -> tuple[str, ...]:
        return tuple(predictor.translate(text, target) for text in texts)

    def score(answers: tuple[str, ...], target: str) -> float:
        return corpus_bleu(answers, [[one] for one in lines[target]], lower=True).score

    def spoken(answers: tuple[str, ...]) -> dict[str, int]:
        return dict(Counter(str(languages.language(text)) for text in answers).most_common())

    found: dict[str, dict[str, object]] = {}
    for one in learned:
        answers = translated(lines[one.source], one.target)
        found[f"{one.source}-{one.target}"] = {
            "BLEU": score(answers, one.target),
            "languages": spoken(answers),
        }
    for direction in asked.unseen.split(","):
        source, target = direction.split("-")
        answers = translated(lines[source], target)
        through = translated(translated(lines[source], PIVOT), target)
        direct, pivot = score(answers, target), score(through, target)
        found[direction] = {
            "BLEU": direct,
            "languages": spoken(answers),
            "pivot": pivot,
            "share": direct / pivot,
            "copied": score(lines[source], target),
            "asked for English": spoken(translated(lines[source], PIVOT)),
        }
    if asked.json:
        print(json.dumps(found, indent=1))
        return
    for direction, row in found.items():
        print(direction, *(f"{name} {value}" for name, value in row.items()), sep="  ")


if __name__ == "__main__":
    main()
