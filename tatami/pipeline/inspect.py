"""What is in a labeled set, and everything that is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tatami.data.open import repaired
from tatami.data.problems import KINDS, Problem, check_kinds, repairs_of
from tatami.errors import TatamiError
from tatami.files import write_atomically
from tatami.see.contact_sheet import contact_sheet
from tatami.see.embed import as_html, as_jpeg, as_png
from tatami.tasks.inspected import Inspected
from tatami.tasks.table import task_of_data
from tatami.types import Picture, Size
from tatami.types.progress import Progress, quiet
from tatami.types.table import Table

SHEET_PICTURES, SHEET_COLUMNS, SHEET_CELL = 24, 4, Size(320, 240)
ENDINGS = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Inspection:
    """What is in a labeled set, and what is wrong with it.

    Args:
        found: The counts and the problems.
        skip: Kinds of problems that are accepted.
    """

    found: Inspected
    skip: frozenset[str] = frozenset()

    @property
    def refused(self) -> list[Problem]:
        """The problems that are not accepted."""
        return [one for one in self._left if one.kind not in self.skip]

    @property
    def _left(self) -> list[Problem]:
        return [problem for problem in self.found.problems if not problem.repair]

    @property
    def skipped(self) -> Counter[str]:
        """How many problems of each accepted kind there are."""
        kinds = (problem.kind for problem in self._left)
        return Counter(kind for kind in kinds if kind in self.skip)

    def sheet(self) -> tuple[Picture, int]:
        """Draw a contact sheet of some pictures, evenly over the set.

        Returns:
            The sheet, (height, width, 3), and how many pictures are on it.

        Raises:
            TatamiError: For a set without one sound picture.
        """
        cells = self.found.cells()
        if not cells:
            raise TatamiError(
                "no sound picture to draw", hint="fix the set first", file=self.found.root
            )
        count = min(SHEET_PICTURES, len(cells))
        chosen = [cells[at * len(cells) // count]() for at in range(count)]
        sheet = contact_sheet(chosen, self.found.classes, columns=SHEET_COLUMNS, cell=SHEET_CELL)
        return sheet, count

    def draw(self, file: str | Path) -> int:
        """Write the contact sheet as PNG or JPEG, by the file's ending; give how many it shows.

        Raises:
            TatamiError: For another ending, and for a set without one sound picture.
        """
        path = Path(file)
        check_drawing(path)
        sheet, count = self.sheet()
        encode = as_png if path.suffix.lower() == ".png" else as_jpeg
        write_atomically(path, encode(sheet))
        return count

    def to_json(self) -> dict[str, Any]:
        """Give the counts and the problems as plain values."""
        problems = [
            {
                "kind": problem.kind,
                "file": str(problem.file),
                "line": problem.line,
                "reason": problem.reason,
                "mend": problem.hint,
                "skipped": problem.kind in self.skip,
                **({"repaired": problem.repair} if problem.repair else {}),
            }
            for problem in self.found.problems
        ]
        notes = {"notes": list(self.notes)} if self.notes else {}
        return {**self.found.to_json(), **notes, "problems": problems}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was mended, and understood otherwise than may be expected."""
        return (*self.found.notes, *repaired(self.found.problems))

    def heading(self) -> str:
        """Say in one line what the set is."""
        return self.found.heading()

    def tables(self) -> list[Table]:
        """Count classes, splits and sizes."""
        return self.found.tables()

    def lines(self) -> list[str]:
        """List the problems, a line each, and say what their kinds mean."""
        refused, skipped = self.refused, self.skipped
        kinds = Counter(problem.kind for problem in refused)
        found = [str(problem) for problem in refused]
        found += [f"{count} {kind}: {KINDS[kind]}" for kind, count in kinds.items()]
        found += [f"skipped {count} {kind}: {KINDS[kind]}" for kind, count in skipped.items()]
        found += self.notes
        if not refused:
            found.append("nothing else is wrong" if skipped else "nothing is wrong")
        return found

    def _repr_html_(self) -> str:
        """Show a contact sheet in a notebook."""
        return as_html([(self.heading(), self.sheet()[0])])


def inspect(
    data: str | Path,
    *,
    split: str | None = None,
    format: str | None = None,
    skip: Collection[str] = (),
    progress: Progress = quiet,
) -> Inspection:
    """Read all of a labeled set: count it, measure it, find everything that is wrong with it.

    Args:
        data: The set's folder, or the file that describes it.
        split: One split; None: all of them, which are compared with one another.
        format: The name of its format; None: it is recognized.
        skip: Kinds of problems to accept, and repairs to carry out: "clip", "background".
        progress: Takes up how far it is.

    Raises:
        TatamiError: For a set that is not recognized or of which no split can be read, and for a
            kind of problem that there is not.
    """
    check_kinds(skip)
    root = Path(data)
    task = task_of_data(root, format)
    found = task.inspect(
        root, split=split, format=format, repairs=repairs_of(skip), progress=progress
    )
    return Inspection(found, frozenset(skip))


def check_drawing(file: Path) -> None:
    """Raise TatamiError for a file that is not named as a PNG or a JPEG."""
    if file.suffix.lower() not in ENDINGS:
        raise TatamiError("not a name for a picture", hint="name it sheet.png", file=file)


def usual_split(there: Sequence[str]) -> str:
    """Choose the split to look at where none is named: trainval, train or the first."""
    return next((name for name in ("trainval", "train") if name in there), there[0])
