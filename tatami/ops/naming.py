"""How a network's values are called: after the modules that made them."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence


def value_names(made: Sequence[tuple[str, str]]) -> list[str]:
    """Name what each operator of a network makes.

    The module ``conv1.norm`` makes the value ``conv1/norm``. A module that makes several values by
    itself, as the network at the top does, has its operators added: ``max_pool_1``, ``max_pool_2``.

    Args:
        made: The module, "" for the network itself, and the operator of each value, in the order in
            which they are made.
    """
    by_module: dict[str, list[int]] = defaultdict(list)
    for index, (module, _) in enumerate(made):
        by_module[module.replace(".", "/")].append(index)
    names = [""] * len(made)
    for module, indices in by_module.items():
        counts = Counter(made[index][1] for index in indices)
        seen: Counter[str] = Counter()
        for index in indices:
            operator = made[index][1]
            seen[operator] += 1
            names[index] = module
            if not module or len(indices) > 1:
                word = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operator).lower()
                number = f"_{seen[operator]}" if counts[operator] > 1 else ""
                names[index] = f"{module}/{word}{number}".lstrip("/")
    return names
