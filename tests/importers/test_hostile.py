"""Damaged files are imported or refused in one line, whatever their damage: see hostile.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="it writes the states that are damaged")
pytest.importorskip("flatbuffers", reason="Google's writer is not here")

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"darknet": 60, "caffe": 60, "ncnn": 60, "torch": 80, "onnx": 150, "tflite": 100}
"""How many of each are read in the usual suite."""
MANY = {"darknet": 3000, "caffe": 3000, "ncnn": 3000, "torch": 3000, "onnx": 5000, "tflite": 3000}
"""Twenty thousand."""


def assert_held(kind: str, seed: int, count: int, folder: Path) -> None:
    """No traceback, no message of several lines, in bounded time and memory."""
    command = [sys.executable, "-m", "tests.importers.hostile", kind, str(seed), str(count)]
    run = subprocess.run(
        [*command, str(folder)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    at = (folder / "number").read_text()
    assert run.returncode == 0, f"at {at}: {run.stderr[-2000:]}"
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["faults"] == []
    assert found["imported"] + found["refused"] == count
    assert found["imported"] > count // 100  # not all damage is told at once
    assert found["refused"] > count // 3


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_imported_or_refused_in_one_line(kind, tmp_path):
    assert_held(kind, 0, KINDS[kind], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MANY)
def test_twenty_thousand_damaged_files(kind, tmp_path):
    assert sum(MANY.values()) == 20_000
    assert_held(kind, 1, MANY[kind], tmp_path)
