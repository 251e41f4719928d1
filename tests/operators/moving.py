"""Examples of the rows of graph/operators/moving.py."""

from __future__ import annotations

from tests.operators.example import Example

EXAMPLES: dict[str, list[Example]] = {}
