"""The site is built of the pages without a warning, and every page is in its contents."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    quiet = ("--quiet", "--fail-on-warning", "--keep-going")
    command = ("-m", "sphinx", *quiet, "-b", "html", "-d", tmp_path / "trees")
    done = subprocess.run(
        [sys.executable, *command, DOCS, tmp_path / "site"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    front = (tmp_path / "site" / "README.html").read_text("utf-8")
    pages = [path.relative_to(DOCS) for path in DOCS.rglob("*.md") if path.name != "README.md"]
    assert len(pages) > 40
    assert not [page for page in pages if f'href="{page.with_suffix(".html")}"' not in front]
    assert "README.html" in (tmp_path / "site" / "index.html").read_text("utf-8")
