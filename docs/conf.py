"""The documentation site: Sphinx reads the pages of docs/ as they are; `make docs` builds it."""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from tatami import __version__  # noqa: E402

project = "Tatami"
author = "The Tatami authors"
copyright = f"2026, {author}"
version = release = __version__
extensions = ["myst_parser"]
root_doc = "README"
html_theme = "furo"
html_title = f"Tatami {version}"
html_extra_path = ["site"]
html_copy_source = False
html_show_sourcelink = False
myst_heading_anchors = 4
highlight_language = "none"

CONTENTS = {
    "Start": ("quickstart", "guide/*", "glossary"),
    "Reference": (
        *("api", "operators", "importing", "networks", "darknet-to-c", "rtl", "browser", "studio"),
        *(
            "class-sets",
            "mask-sets",
            "results",
            "search",
            "tree",
            "picture-rule",
            "camera-rule",
            "sound-rule",
            "series-rule",
            "generation-rule",
            "text-rule",
            "translation-rule",
            "segmentation-rule",
            "matching-rule",
            "box-rule",
        ),
        *("metrics-rule", "integer-arithmetic", "winograd"),
    ),
    "Add": ("add/README", "add/*"),
    "Learn": ("lessons/README*", "lessons/*"),
    "Decisions": ("decisions/README", "decisions/0*"),
}
"""What the side of every page lists; the pages themselves stay plain Markdown."""


def _pages(patterns: tuple[str, ...]) -> list[str]:
    """Name the pages that patterns find, each once, English before Japanese."""
    found = list[str]()
    for pattern in patterns:
        for path in sorted(FOLDER.glob(f"{pattern}.md")):
            name = str(path.relative_to(FOLDER).with_suffix(""))
            if name not in found:
                found.append(name)
    return sorted(found, key=lambda name: name.endswith(".ja"))


def _with_contents(app: object, name: str, source: list[str]) -> None:
    """Put the contents behind the front page, where Sphinx looks for them."""
    if name == root_doc:
        for title, patterns in CONTENTS.items():
            names = "\n".join(_pages(patterns))
            source[0] += f"\n```{{toctree}}\n:caption: {title}\n:hidden:\n\n{names}\n```\n"


def setup(app: object) -> None:
    """Tell Sphinx of the contents."""
    app.connect("source-read", _with_contents)  # type: ignore[attr-defined]
