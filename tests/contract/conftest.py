"""What the suites over all models share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def _on_one_thread(one_thread: None) -> None:
    """Small networks take longer on several."""
