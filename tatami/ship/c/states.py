"""What lives from call to call, in C: memory of the program's own, and a function that clears it.

A value of the network that a call finds is what another value of the last call was. The caller
sees neither: both lie in the arena, the first behind all that shares bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

from tatami.program.steps import Program
from tatami.ship.c.operator import c_type, count
from tatami.ship.c.text import in_comment

RESET = """void net_reset(void);

/* Copy all of that out, NET_STATE bytes, and back: to go on from where a call left it. */
#define NET_STATE @bytes@
void net_save(uint8_t *to);
void net_restore(const uint8_t *from);"""

PROVED = "    case 'R': net_reset(); return 1;"
"""What proof.c answers to 'R'."""


def declared(program: Program) -> str:
    """Declare the function that begins anew; nothing where nothing lives from call to call."""
    if not program.states:
        return ""
    lines = [
        "/* Begin anew, as a first call does: these live from call to call, and are zero then."
    ]
    for name in program.states:
        lines.append(f" * {in_comment(name)}, {' x '.join(map(str, program.values[name].shape))}")
    lines[-1] += " */"
    size = sum(program.values[name].bytes for name in program.states)
    return "\n".join(["", "", *lines, RESET.replace("@bytes@", str(size))])


def defined(program: Program, places: Mapping[str, str]) -> str:
    """Write that function.

    Args:
        program: What is computed.
        places: Where each value lies, as C expressions.
    """
    if not program.states:
        return ""
    lines = ["static int net_begun;", "", "void net_reset(void)", "{"]
    lines += [
        f"    memset({places[name]}, {program.zero(name)}, {_bytes(program, name)});"
        for name in program.states
    ]
    lines += ["    net_begun = 1;", "}", ""]
    return "\n".join([*lines, *_copies(program, places), ""])


def _copies(program: Program, places: Mapping[str, str]) -> list[str]:
    """Write the functions that copy what lives from call to call out and back."""
    save = ["void net_save(uint8_t *to)", "{", "    if (!net_begun) net_reset();"]
    restore = ["void net_restore(const uint8_t *from)", "{"]
    at = 0
    for name in program.states:
        size = _bytes(program, name)
        save.append(f"    memcpy(to + {at}, {places[name]}, {size});")
        restore.append(f"    memcpy({places[name]}, from + {at}, {size});")
        at += program.values[name].bytes
    return [*save, "}", "", *restore, "    net_begun = 1;", "}", ""]


def begun(program: Program) -> list[str]:
    """Write what a call does first."""
    return ["    if (!net_begun) net_reset();"] if program.states else []


def kept(program: Program, places: Mapping[str, str]) -> list[str]:
    """Write what a call does last: what it made becomes what the next one finds."""
    return [
        f"    memcpy({places[name]}, {places[made]}, {_bytes(program, name)});"
        for name, made in program.states.items()
        if name != made
    ]


def _bytes(program: Program, name: str) -> str:
    value = program.values[name]
    return f"{count(value.shape)} * sizeof({c_type(value)})"
