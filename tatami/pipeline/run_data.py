"""What a run knows of its data: the set and the splits that its artifacts use by themselves.

An artifact knows a run where it is a run folder, or lies in one: RUN/network-int8.onnx, RUN/c.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tatami.errors import TatamiError
from tatami.pipeline.artifact import network_file, read_run
from tatami.pipeline.validation import is_part, named
from tatami.tasks.table import task_of
from tatami.train.run import SETTINGS, DataSource, Run

FOLDED, INTEGERS = "network-folded.onnx", "network-int8.onnx"
"""What folding and quantizing a run folder write in it."""


@dataclass(frozen=True)
class UsedData:
    """The part of a labeled set that a stage uses.

    Args:
        root: The set: its folder, or the file that describes it.
        split: The split; None: the only one.
        format: The set's format; None: it is recognized.
        skip: Kinds of problems to leave out.
        hold_out: How many pictures are held out of the only split, as "10000"; None: none.
        validates: Whether what is held out chose the run's weights, and is no test.
        remark: Where the run chose it, what it chose, in words; else "".
    """

    root: Path
    split: str | None
    format: str | None
    skip: tuple[str, ...]
    hold_out: str | None
    validates: bool = False
    remark: str = ""


def run_folder_of(artifact: Path) -> Path | None:
    """Find the run folder that an artifact is, or lies in; None where it is of no run."""
    for folder in (artifact, artifact.absolute().parent):
        if (folder / SETTINGS).is_file():
            return folder
    return None


def is_one_network(run: Run) -> bool:
    """Say whether a run's network is one file: what is in several is folded as it is used."""
    return task_of(run.spec).structure(run.spec).names(run.spec) == ("",)


def folded_of(folder: Path) -> Path:
    """Give the folded network of a run folder; it is made where it is absent or older.

    Raises:
        TatamiError: For a run that is not over.
    """
    from tatami.pipeline.fold import fold

    network, folded = network_file(folder), folder / FOLDED
    if not folded.is_file() or folded.stat().st_mtime_ns < network.stat().st_mtime_ns:
        fold(folder)
    return folded


def measured_on(
    artifacts: Collection[Path],
    data: str | Path | None,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
    hold_out: str | None = None,
) -> UsedData:
    """Say what artifacts are measured on: what is named, else what their run held out.

    Where a run held nothing out, it is what it learned from, and the remark says so.

    Args:
        artifacts: What is measured; the first of a run is asked for its data.
        data: The set; None: the run's own.
        split: Its split; None: for the run's own set, what it was evaluated on.
        format: The set's format; None: it is recognized.
        skip: Kinds of problems to leave out, besides the run's.
        hold_out: How many pictures are held out, as "10000"; None: as the run did.

    Raises:
        TatamiError: Where no set is named and the artifacts know none.
    """
    return _used(artifacts, data, split, format, skip, hold_out, learned=False)


def learned_from(
    artifact: Path,
    data: str | Path | None,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
    hold_out: str | None = None,
) -> UsedData:
    """Say what an artifact is calibrated with: what is named, else what its run learned from.

    Args:
        artifact: What is calibrated.
        data: The set; None: the run's own.
        split: Its split; None: for the run's own set, the one that it learned from.
        format: The set's format; None: it is recognized.
        skip: Kinds of problems to leave out, besides the run's.
        hold_out: How many pictures are left alone, as "10000"; None: as the run did.

    Raises:
        TatamiError: Where no set is named and the artifact knows none.
    """
    return _used([artifact], data, split, format, skip, hold_out, learned=True)


def _used(
    artifacts: Collection[Path],
    data: str | Path | None,
    split: str | None,
    format: str | None,
    skip: Collection[str],
    hold_out: str | None,
    *,
    learned: bool,
) -> UsedData:
    if data is not None:
        return UsedData(Path(data), split, format, tuple(skip), hold_out)
    folders = [folder for folder in map(run_folder_of, artifacts) if folder is not None]
    if not folders:
        raise TatamiError(
            "no labeled set is given, and this is not of a run folder",
            hint="name a set",
            setting="data",
        )
    known = read_run(folders[0]).data
    root = Path(known.root)
    if not root.exists():
        raise TatamiError(
            "the labeled set of the run is not there any more",
            file=root,
            hint="say where it is now",
            setting="data",
        )
    kinds = tuple(dict.fromkeys((*known.skip, *skip)))
    validates = False
    if split is None and hold_out is None:
        split, hold_out, words = _chosen(known, learned=learned)
        validates = hold_out is not None and known.hold_out is None
    elif split is None:
        split, words = known.split, f"split {known.split}"
    else:
        words = f"split {split}"
    remark = f"data of the run: {root}, {words}"
    return UsedData(root, split, format or known.format, kinds, hold_out, validates, remark)


def _chosen(known: DataSource, *, learned: bool) -> tuple[str, str | None, str]:
    """Choose what a run learned from, or held out: the split, the hold-out, and both in words."""
    held, rule = known.hold_out, known.validate
    part = rule if rule is not None and is_part(rule) else None
    if learned:
        held = part if held is None else held
        rest = "" if held is None else f" without the {held} pictures held out"
        return known.split, held, f"split {known.split}{rest}"
    if held is not None:
        return known.split, held, f"{held} pictures held out of split {known.split}"
    if known.test_split is not None:
        return known.test_split, None, f"split {known.test_split}"
    if rule is not None:
        words = f"{named(rule, known.split)}, by which its weights were chosen"
        return (known.split, part, words) if part else (rule, None, words)
    return known.split, None, f"split {known.split}, which it learned from: nothing was held out"
