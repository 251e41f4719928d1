"""Damaged files are imported or refused in one line, whatever their damage: see hostile.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("hostile.py")
KINDS = ("darknet", "caffe", "ncnn", "torch")


def assert_held(kind: str, seed: int, count: int, folder: Path) -> None:
    """No traceback, no message of several lines, in bounded time and memory."""
    command = [sys.executable, str(WORKER), kind, str(seed), str(count), str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["faults"] == []
    assert found["sound"] >= 1
    assert found["imported"] + found["refused"] == count
    assert found["imported"] > count // 100  # not all damage is told at once
    assert found["refused"] > count // 3


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_imported_or_refused_in_one_line(kind, tmp_path):
    assert_held(kind, 0, 150, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(1, 6))
def test_twenty_thousand_damaged_files(kind, seed, tmp_path):
    assert_held(kind, seed, 1000, tmp_path)
