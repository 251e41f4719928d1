"""The text rule's macros and tables: kernels/text.c."""

from __future__ import annotations

import numpy as np

from tatami.rules.text import Tokens
from tatami.ship.c.tasks.base import Macro
from tatami.ship.c.text import defines, filled, number_lines, text
from tatami.types.text import BEGIN, END, TextInput


def text_macros(rule: TextInput) -> list[Macro]:
    """List what a caller of the text rule may want to know."""
    return [
        Macro("VOCABULARY", rule.vocabulary, "tokens that there are"),
        Macro("MAX_SOURCE", rule.max_source, "tokens of a source, what closes it included"),
        Macro("MAX_TARGET", rule.max_target, "tokens of a target, what opens it included"),
        Macro("BEGIN", BEGIN, "opens a target"),
        Macro("END", END, "closes a sentence"),
        Macro("FIRST_SYMBOL", rule.first_symbol, "the token of byte 0"),
    ]


def text_rule(rule: TextInput) -> str:
    """Write the text rule with its tables, under kernels' own names, below text_macros."""
    longest = max(map(len, Tokens(rule).bytes_of))
    macros = {"MERGES": len(rule.merges), "LONGEST": longest, "LOWER": int(rule.lower)}
    # C99 has no arrays without elements: one more, which nobody reads, stands at the end.
    pairs = np.array([*rule.merges, (0, 0)], np.int64)
    order = np.array([*sorted(range(len(rule.merges)), key=rule.merges.__getitem__), 0], np.int64)
    rows = [f"    {{{first}, {second}}}," for first, second in pairs.tolist()]
    return defines(macros) + filled(
        text("text.c"), pairs="\n".join(rows), order="\n".join(number_lines(order))
    )
