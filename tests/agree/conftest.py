"""What the tests against independent programs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def any_algorithm() -> Iterator[None]:
    """torch may take any algorithm: training asks it for deterministic ones, for the whole process,
    and has none of unpooling."""
    torch = pytest.importorskip("torch")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(before)
