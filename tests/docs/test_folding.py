"""The page on folding is true: its demonstration runs, and prints what the page shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
NUMBER = re.compile(r"\d+\.\d+(?:e[+-]\d+)?")


@pytest.fixture(scope="module")
def output():
    """What the demonstration prints, as a person would run it."""
    command = [sys.executable, "-W", "error", str(DOCS / "lessons" / "folding.py")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def number(output, pattern):
    match = re.search(pattern, output)
    assert match is not None, pattern
    return float(match[1])


def test_folded_equals_unfolded(output):
    trained = number(output, r"trained with normalization: +([\d.]+) %")
    assert trained > 95
    assert number(output, r"folded: +([\d.]+) %") == trained
    assert number(output, r"(?s)1\. folded.*?difference: (\S+)") < 1e-5


def test_unfolded_weights_without_normalization_are_nonsense(output):
    assert number(output, r"bare: +([\d.]+) %") < 35
    assert number(output, r"(?s)2\. the same.*?difference: (\S+)") > 1


def test_the_right_epsilon_is_right_and_each_wrong_one_is_wrong(output):
    rows = re.findall(r"^ +(\S+): +([\d.]+) % right, difference (\S+)$", output, re.MULTILINE)
    assert rows[0][0] == "1e-3"
    assert float(rows[0][2]) < 1e-5
    assert len(rows) == 5
    for name, share, difference in rows[1:]:
        assert float(share) < 90, name
        assert float(difference) > 0.1, name


def test_a_fold_forward_is_wrong_at_the_border_only(output):
    assert number(output, r"inside (\S+),") < 1e-5
    assert number(output, r"at the border (\S+)") > 0.1
    assert "refused: BatchNormalization 'norm1' follows LeakyRelu 'leaky1'" in output


@pytest.mark.parametrize("page", ["folding.md", "folding.ja.md"])
def test_the_page_shows_what_is_printed(output, page):
    """Word for word; numbers within rounding: another BLAS may add in another order."""
    shown = re.search(r"```text\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    assert shown is not None
    assert NUMBER.sub("#", shown[1]) == NUMBER.sub("#", output)
    numbers = zip(NUMBER.findall(shown[1]), NUMBER.findall(output), strict=True)
    for on_page, printed in numbers:
        if float(on_page) < 1e-5:  # rounding itself
            assert float(printed) < 1e-5
        else:
            assert float(printed) == pytest.approx(float(on_page), rel=0.05)
