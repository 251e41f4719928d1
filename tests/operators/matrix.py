"""Examples of the rows of graph/operators/matrix.py."""

from __future__ import annotations

from tests.operators.example import Example

EXAMPLES: dict[str, list[Example]] = {}
