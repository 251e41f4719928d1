"""Write sets of vectors and series as CSV files, for the figures of docs/results.md.

    python benchmarks/series.py OUT [FSDD]

Three of scikit-learn's sets as tables, OUT/iris.csv, OUT/wine.csv and OUT/digits.csv; and, where
the folder of the Free Spoken Digit Dataset is given, its sounds as series of 13 channels, the
cosine coefficients of the sound rule (docs/sound-rule.md), a row 20 ms:
OUT/spoken/SPLIT/DIGIT/*.csv, the numbers 10 and more to learn from.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sklearn.datasets import load_digits, load_iris, load_wine

from tatami.data.sounds import read_sound, sounds_in
from tatami.rules.sound import features_of
from tatami.types import SoundInput

LOADERS = {"iris": load_iris, "wine": load_wine, "digits": load_digits}
RULE = SoundInput(8000, window=320, step=160, bands=40, low=20, high=4000, coefficients=13)
FIRST = 10
"""The least number of a sound to learn from."""


def write_table(name: str, file: Path) -> None:
    """Write one of scikit-learn's sets as a table of vectors."""
    found = LOADERS[name]()
    names = [*found.feature_names, "class"]
    lines = [",".join(names)]
    for numbers, label in zip(found.data.tolist(), found.target.tolist(), strict=True):
        lines.append(",".join(map(repr, numbers)) + f",{found.target_names[label]}")
    file.write_text("\n".join(lines) + "\n")


def write_spoken(sounds: Path, out: Path) -> None:
    """Write the features of every sound, its digit being its class."""
    names = ",".join(f"c{at}" for at in range(RULE.features))
    for path in sounds_in(sounds):
        digit, _, number = path.stem.split("_")
        folder = out / ("train" if int(number) >= FIRST else "test") / digit
        folder.mkdir(parents=True, exist_ok=True)
        rows = features_of(read_sound(path), RULE).tolist()
        lines = [names, *(",".join(map(str, row)) for row in rows)]
        (folder / f"{path.stem}.csv").write_text("\n".join(lines) + "\n")


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name in LOADERS:
        write_table(name, out / f"{name}.csv")
    for sounds in sys.argv[2:]:
        write_spoken(Path(sounds), out / "spoken")


if __name__ == "__main__":
    main()
