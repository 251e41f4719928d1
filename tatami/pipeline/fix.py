"""Write a repaired copy of a set with boxes, or say what would be repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tatami.data.convert import WRITERS
from tatami.data.open import format_of
from tatami.data.problems import KINDS, REPAIRS, Problem
from tatami.errors import TatamiError
from tatami.pipeline.convert import ConvertResult, convert
from tatami.pipeline.inspect import inspect
from tatami.types.progress import Progress, quiet

LEFT_OUT = {
    "degenerate-box": "the box is left out",
    "box-outside-picture": "the box is left out: no part of it lies in the picture",
    "duplicate-box": "the second box is left out",
    "missing-picture": "the picture is left out of the set",
    "unreadable-picture": "the picture is left out of the set",
    "orphan-label": "the label is left out",
}
"""What is repaired by leaving out what nobody can learn from, beside the repairs of REPAIRS. Every
other kind needs somebody who looks at it."""


@dataclass(frozen=True)
class FixResult:
    """What was repaired, or would be.

    Args:
        repairs: Every problem with what is done about it.
        written: The copy; None: none was asked for.
        left: The problems that need somebody to look at them.
        accepted: Kinds of these that are left out, as wanted.
    """

    repairs: tuple[tuple[Problem, str], ...]
    written: ConvertResult | None
    left: tuple[Problem, ...] = ()
    accepted: frozenset[str] = frozenset()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Name the kinds and repairs that open the set as it is with the same repairs."""
        return tuple(dict.fromkeys(one.repair or one.kind for one, _ in self.repairs))

    def to_json(self) -> dict[str, Any]:
        """Give the same as plain values."""
        repairs = [
            {"kind": one.kind, "file": str(one.file), "line": one.line, "repair": done}
            for one, done in self.repairs
        ]
        written = {"written": self.written.to_json()} if self.written else {}
        left = [str(one) for one in self.left]
        return {"repairs": repairs, "skip": list(self.kinds), "left": left, **written}

    def lines(self) -> list[str]:
        """List every repair, and what was written."""
        found = [
            f"{Problem(one.kind, one.file, one.line, one.reason, done)}"
            for one, done in self.repairs
        ]
        counts = Counter(done for _, done in self.repairs)
        verb = "repaired" if self.written else "would repair"
        found += [f"{verb} {count}: {done}" for done, count in counts.items()]
        found += [
            f"{'left out' if one.kind in self.accepted else 'not repaired'}: {one}"
            for one in self.left
        ]
        if self.written is not None:
            found += [*self.written.notes, self.written.lines()[-1]]
        return found


def fix(
    data: str | Path,
    out: str | Path | None = None,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
    progress: Progress = quiet,
) -> FixResult:
    """Repair what can be repaired in a set with boxes: into a new folder, the set stays as it is.

    Boxes are cut at the picture's edge, pictures without a label become background, and what holds
    nothing to learn from is left out: boxes without area, boxes twice, pictures that cannot be
    read. The copy has the set's own form where that is written, otherwise COCO's.

    Args:
        data: The set's folder, or the file that describes it.
        out: The folder to write; None: only what would be repaired is said.
        split: One split; None: all of them.
        format: The name of the set's format; None: it is recognized.
        skip: Kinds of problems beside these to leave out.
        progress: Takes up how far it is.

    Raises:
        TatamiError: Where there is nothing to repair, where problems are left that need somebody
            to look at them, for one split with a folder to write, and as for ``convert``.
    """
    root = Path(data)
    if out is not None and split is not None:
        raise TatamiError("a copy has every split", hint="leave it out", setting="split")
    found = inspect(
        root, split=split, format=format, skip={*skip, *REPAIRS}, progress=progress
    ).found
    repairs = [
        (one, REPAIRS[one.repair][1] if one.repair else LEFT_OUT[one.kind])
        for one in found.problems
        if one.repair or one.kind in LEFT_OUT
    ]
    left = [one for one in found.problems if not one.repair and one.kind not in LEFT_OUT]
    if not repairs:
        reason, hint = "nothing is wrong: there is nothing to repair", "use the set as it is"
        if left:
            reason, hint = f"nothing can be repaired: {_counted(left)}", "inspect the set, mend it"
        raise TatamiError(reason, hint=hint, file=root)
    if out is None:
        return FixResult(tuple(repairs), None, tuple(left), frozenset(skip))
    refused = [one for one in left if one.kind not in skip]
    if refused:
        first = refused[0]
        raise TatamiError(
            f"{first.kind}: {first.reason}; {_counted(refused)} cannot be repaired",
            hint=f"{first.hint}, or skip {first.kind} to leave such out",
            file=first.file,
            line=first.line,
        )
    name = format_of(root, format)
    written = convert(
        root,
        out,
        to=name if name in WRITERS else "coco",
        format=format,
        skip={*skip, *REPAIRS, *LEFT_OUT},
        progress=progress,
    )
    return FixResult(tuple(repairs), written, tuple(left), frozenset(skip))


def _counted(problems: Collection[Problem]) -> str:
    counts = Counter(one.kind for one in problems)
    return ", ".join(f"{count} {kind} ({KINDS[kind]})" for kind, count in counts.items())
