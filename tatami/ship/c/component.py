"""What makes a shipped folder a component that other builds take in as it is, and its README.

CMake, ESP-IDF and Zephyr read CMakeLists.txt, PlatformIO library.json, and Arduino
library.properties, which is left out where the assembler includes the weights: Arduino's build
would not find them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tatami import __version__
from tatami.ship.c.emit import NetworkInC, PlanInC
from tatami.ship.c.selftest import MOST_WEIGHTS, selftest
from tatami.ship.c.text import filled, renamed, text

VERSION = "1.0.0"
"""Of a component: whoever ships another network under its name counts up."""


def component(plan: PlanInC) -> Mapping[str, str]:
    """Write the files that are beside those of the program.

    Args:
        plan: What the program is.

    Returns:
        Content by file name.
    """
    name, networks = plan.name, tuple(plan.networks.values())
    files: dict[str, str] = {}
    if len(networks) == 1 and networks[0].weights <= MOST_WEIGHTS:
        tested = selftest(networks[0].program, name)
        if tested is not None:
            files[f"{name}_selftest.c"] = tested
    has_test = bool(files)
    sources = list(dict.fromkeys((f"{name}.c", *(f"{one.name}.c" for one in networks))))
    sources += [one.weights_file for one in networks]
    what = _what(networks)
    threads = plan.options.threads > 1
    example = all(one.task is not None for one in networks) or len(networks) > 1
    files["CMakeLists.txt"] = renamed(
        filled(
            text("component/CMakeLists.txt"),
            sources=" ".join([*sources, *files]),
            threads=" Threads::Threads" if threads else "",
            find="find_package(Threads REQUIRED)\n" if threads else "",
            example=_EXAMPLE if example else "",
            selftest=_SELFTEST if has_test else "",
            name=name,
            upper=name.upper(),
        ),
        name,
    )
    files["zephyr/module.yml"] = f"name: {name}\nbuild:\n  cmake: .\n  kconfig: zephyr/Kconfig\n"
    files["zephyr/Kconfig"] = f'config {name.upper()}\n\tbool "{what}"\n'
    files["idf_component.yml"] = f'version: "{VERSION}"\ndescription: "{what}"\n'
    kept = [f"+<{source}>" for source in (*sources, *files) if source.endswith((".c", ".S"))]
    library = {
        "name": name,
        "version": VERSION,
        "description": what,
        "frameworks": "*",
        "platforms": "*",
        "headers": f"{name}.h",
        "build": {"srcDir": ".", "includeDir": ".", "srcFilter": ["-<*>", *kept]},
    }
    files["library.json"] = json.dumps(library, indent=2) + "\n"
    arduino = all(one.as_array for one in networks)
    if arduino:
        files["library.properties"] = (
            f"name={name}\nversion={VERSION}\nauthor=Tatami\nmaintainer=Tatami\nsentence={what}\n"
            f"paragraph=Written by Tatami {__version__}.\ncategory=Data Processing\nurl=\n"
            f"architectures=*\nincludes={name}.h\n"
        )
    files["README.md"] = _readme(plan, what, sources, arduino, has_test, example)
    return files


_EXAMPLE = """if(NET_ALONE)
    add_executable(net_example main.c)
    target_link_libraries(net_example PRIVATE @name@)
endif()
"""
_SELFTEST = """if(NET_ALONE)
    enable_testing()
    add_executable(net_selftest net_selftest.c)
    target_compile_definitions(net_selftest PRIVATE NET_SELFTEST_MAIN)
    target_link_libraries(net_selftest PRIVATE @name@)
    add_test(NAME net_selftest COMMAND net_selftest)
endif()
"""


def _what(networks: tuple[NetworkInC, ...]) -> str:
    """Say in a line what the program is, without a mark that any of the formats would read."""
    task = networks[0].task
    noun = "network" if task is None else task.noun.partition(" with ")[0]
    classes = () if task is None else task.names(networks[0].program.spec)
    of = f" of {len(classes)} classes" if classes else ""
    return f"A {noun}{of} in C99 that needs no runtime"


def _readme(
    plan: PlanInC, what: str, sources: list[str], arduino: bool, has_test: bool, example: bool
) -> str:
    """Write what a stranger who finds the folder must know."""
    networks = tuple(plan.networks.values())
    classes = networks[0].task.names(networks[0].program.spec) if networks[0].task else ()
    named = ", ".join(classes[:20])
    named += f" and {len(classes) - 20} more" if len(classes) > 20 else ""
    products = sum(
        one.program.multiply_adds(step) for one in networks for step in one.program.steps
    )
    arena, weights = (sum(getattr(one, kind) for one in networks) for kind in ("memory", "weights"))
    rows = [
        ("memory for values (the arena)", f"{arena:,} bytes of RAM, static"),
        ("weights", f"{weights:,} bytes, constant: flash"),
        ("multiply-adds of a call", f"{products:,}"),
        ("threads, at most", str(plan.options.threads)),
        ("written for", plan.options.target),
    ]
    return renamed(
        filled(
            text("component/README.md"),
            what=what,
            version=__version__,
            rows="\n".join(f"| {key} | {value} |" for key, value in rows),
            classes=f"\nClasses: {named}.\n" if named else "",
            example="`main.c` is an example, which `make` builds." if example else "",
            sources=" ".join(sources),
            libraries="-lm -lpthread" if plan.options.threads > 1 else "-lm",
            arduino=_ARDUINO if arduino else _NO_ARDUINO,
            selftest=_TESTED if has_test else _UNTESTED,
            name=plan.name,
            upper=plan.name.upper(),
        ),
        plan.name,
    )


_ARDUINO = "put the folder into `libraries`; `#include <net.h>`"
_NO_ARDUINO = (
    "not this folder: its weights are a file that the assembler includes. "
    "Ship it again with its weights as arrays"
)
_TESTED = (
    "`net_selftest()`, in `@name@_selftest.c`, sends one drawn input through the network and "
    "compares what comes out\nwith what came out where the network was shipped. It gives 0 on a "
    "machine that computes right, else\nthe number of the first output that is wrong, from 1. "
    "Declare it where you call it: `int net_selftest(void);`.\nA linker leaves it out where nobody "
    "calls it."
)
_UNTESTED = "This program has no function that tests it: it is of several networks, or too large."
