"""WAV files with one class each: by folder, ROOT/SPLIT/CLASS/*.wav, or by name, CLASS_*.wav.

ROOT/CLASS/*.wav and names in one folder are one split, ``all``. Classes: the lines of
ROOT/classes.txt where there is one, else the names in all splits, sorted. A sound's id is
CLASS/NAME, by name alone NAME. In one folder of files, a file's class is what stands before the
first "_", as in 7_george_3.wav. All sounds have one rate: that of most of them.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from tatami.data.formats.class_folders import class_folders, split_folders
from tatami.data.labels import checked_names, printable, read_class_names
from tatami.data.problems import Problem, SoundReading, in_order
from tatami.data.sounds import read_sound, sound_header, sounds_in
from tatami.errors import TatamiError
from tatami.types import LabeledSounds

LOOKED_FOR = "SPLIT/CLASS/*.wav or CLASS_*.wav"


def recognizes(root: Path) -> bool:
    """Tell whether a folder holds sounds with a class each."""
    return bool(_by_name(root)) or any(sounds_in(path) for _, path in _folders(root))


def splits(root: Path) -> tuple[str, ...]:
    """Name those of the known splits that are there, or ``all``."""
    return tuple(sorted(split_folders(root, sounds_in))) or ("all",)


def read(root: Path, split: str) -> SoundReading:
    """Read one split: the header of every sound.

    Raises:
        TatamiError: Where there are no classes, or no sound.
    """
    found = _found(root)
    if (root / "classes.txt").is_file():
        names = read_class_names(root / "classes.txt")
    else:
        names = checked_names(sorted({name for _, name, _ in found}), root)
    number = {name: label for label, name in enumerate(names)}
    rates = Counter[int]()
    problems: list[Problem] = []
    sound: list[tuple[str, Path, int, int, int]] = []
    for where, name, path in found:
        try:
            header = sound_header(path)
        except TatamiError as error:
            if where == split:
                problems.append(Problem.of("unreadable-sound", error, path))
            continue
        rates[header.rate] += 1
        if where != split:
            continue
        if name not in number:
            reason = f"classes.txt does not name '{name}'"
            problems.append(Problem("unknown-class", path, None, reason, "add it, or move it"))
            continue
        own = path.name if path.parent == root else f"{name}/{path.name}"
        sound.append((own, path, number[name], header.rate, header.samples))
    if not rates:
        raise TatamiError("not one sound can be read", hint="check the files", file=root)
    rate = rates.most_common(1)[0][0]
    kept = [one for one in sound if one[3] == rate and one[4]]
    for _, path, _, other, length in sound:
        if not length:
            reason = "the sound has no samples"
            problems.append(Problem("unreadable-sound", path, None, reason, "record it again"))
        elif other != rate:
            reason = f"{other} samples a second, where most of the set has {rate}"
            problems.append(Problem("other-rate", path, None, reason, "bring it to that rate"))
    paths = [path for _, path, *_ in kept]
    sounds = LabeledSounds(
        root,
        split,
        names,
        tuple(own for own, *_ in kept),
        np.array([label for _, _, label, *_ in kept], np.int64),
        rate,
        lambda index: read_sound(paths[index]),
    )
    return SoundReading(sounds, in_order(problems))


def _found(root: Path) -> list[tuple[str, str, Path]]:
    """List every sound with its split and the name of its class."""
    named = _by_name(root)
    if named:
        return [("all", name, path) for name, path in named]
    return [
        (split, folder.name, path) for split, folder in _folders(root) for path in sounds_in(folder)
    ]


def _folders(root: Path) -> list[tuple[str, Path]]:
    return class_folders(root, sounds_in)


def _by_name(root: Path) -> list[tuple[str, Path]]:
    """List the sounds of a folder whose names begin with their class, where all do."""
    parts = [(path.stem.partition("_"), path) for path in sounds_in(root)]
    if not parts or not all(before and line for (before, line, _), _ in parts):
        return []
    return [(before, path) for (before, _, _), path in parts if printable(before)]
