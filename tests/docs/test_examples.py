"""The notebooks in examples/ run from first to last cell, and are stored without outputs."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
SLOW = ("segment", "classify")
"""Those whose steps the others have, too."""


def read(notebook: Path) -> dict[str, Any]:
    content = json.loads(notebook.read_text("utf-8"))
    assert isinstance(content, dict)
    return content


def code_cells(notebook: Path) -> list[str]:
    """The code of each cell, in order."""
    return ["".join(c["source"]) for c in read(notebook)["cells"] if c["cell_type"] == "code"]


def shown(cell: str, namespace: dict[str, Any]) -> Any:
    """Run a cell as a notebook does: lines with ! in a shell; the last expression is its value."""
    if cell.startswith("!"):
        path = str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"]
        subprocess.run(cell[1:], shell=True, check=True, env={**os.environ, "PATH": path})
        return None
    tree = ast.parse(cell)
    last = tree.body[-1]
    if not isinstance(last, ast.Expr) or cell.endswith(";"):
        exec(compile(tree, "cell", "exec"), namespace)
        return None
    tree.body.pop()
    exec(compile(tree, "cell", "exec"), namespace)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)


def test_there_are_five() -> None:
    names = {notebook.stem for notebook in NOTEBOOKS}
    assert names == {"detect", "classify", "segment", "darknet-to-c", "learn"}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_it_is_a_clean_notebook(notebook: Path) -> None:
    content = read(notebook)
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert set(content) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    ids = [cell["id"] for cell in content["cells"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w-]{1,64}", each) for each in ids)
    assert content["cells"][0]["cell_type"] == "markdown"
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
        else:
            assert set(cell) == {"cell_type", "id", "metadata", "source"}


@pytest.mark.parametrize(
    "notebook",
    [pytest.param(one, marks=pytest.mark.slow if one.stem in SLOW else ()) for one in NOTEBOOKS],
    ids=lambda notebook: notebook.stem,
)
def test_it_runs(notebook: Path, tmp_path: Path, one_thread: None) -> None:
    namespace: dict[str, Any] = {}
    drawn = 0
    with contextlib.chdir(tmp_path):
        for cell in code_cells(notebook):
            value = shown(cell, namespace)
            draw = getattr(value, "_repr_html_", None) or getattr(value, "_repr_png_", None)
            drawn += draw is not None and bool(draw())
    assert drawn >= 2, "a notebook shows something"


def test_from_pictures_to_proved_integers_takes_one_import_and_few_lines() -> None:
    (cell,) = (cell for cell in code_cells(EXAMPLES / "detect.ipynb") if "prove" in cell)
    assert len([line for line in cell.splitlines() if line]) <= 15
    assert len(re.findall(r"(?m)^(?:import|from) ", cell)) == 1
    assert {"train", "fold", "quantize", "ship", "prove"} <= set(re.findall(r"tatami\.(\w+)", cell))


def test_an_artifact_and_a_picture_take_three_lines() -> None:
    cells = code_cells(EXAMPLES / "detect.ipynb")
    (cell,) = (cell for cell in cells if "tatami.open" in cell)
    assert len(cell.splitlines()) <= 2, "besides the import"
