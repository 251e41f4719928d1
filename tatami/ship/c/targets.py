"""The machines that a program can be shipped for, and how a proof runs on each.

A target names the kernels that its program may hold, the compiler that makes it, and, where this
machine is another one, the emulator that runs it. Tests and proofs skip or refuse a
target whose compiler or emulator is absent, and say which Debian package brings it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from tatami.errors import TatamiError, choose_from


@dataclass(frozen=True)
class Target:
    """Describe one kind of machine.

    Args:
        name: What it is called.
        what: A line for people.
        variants: The kernel variants that may be in its program, the best first
            (kernels/variant.c).
        compiler: The command; empty is the machine's own ($CC, else cc).
        options: For the compiler, for this processor.
        runner: What runs the program here; empty where this machine runs it itself.
        package: The Debian packages that bring compiler and runner.
        alignment: Bytes to which buffers in the arena are aligned.
        scratch: Bytes that one step may take for itself where it has the choice.
        array: Whether the weights are a C array by default, whatever their size.
        board: Files of kernels/board/ that a machine without an operating system starts with.
        link: For the compiler, where it links a program that starts by itself.
        tools: Commands that the compiler calls and that may be missing beside it.
        framed: Whether the runner takes requests one by one, with their length before them.
    """

    name: str
    what: str
    variants: tuple[str, ...]
    compiler: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    runner: tuple[str, ...] = ()
    package: str = ""
    alignment: int = 64
    scratch: int = 256 * 1024
    array: bool = False
    board: tuple[str, ...] = ()
    link: tuple[str, ...] = ("-static",)
    tools: tuple[str, ...] = ()
    framed: bool = False


def _emulated(board: str) -> tuple[str, ...]:
    """Give the command that runs a program on a board of Arm's that is emulated."""
    return (
        *("qemu-system-arm", "-M", board, "-nographic", "-monitor", "none"),
        *("-serial", "none", "-semihosting-config", "enable=on,target=native", "-kernel"),
    )


BOARDS = Path(__file__).parent / "kernels" / "board"
_X86 = ("amx", "avx512vnni", "avx512", "avx2")
_CORTEX_M7 = Target(
    "cortex-m7",
    "a microcontroller: Arm Cortex-M7 and M33 with the DSP extension",
    ("dsp",),
    ("arm-none-eabi-gcc",),
    ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-d16"),
    _emulated("mps2-an500"),
    "gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm",
    alignment=8,
    scratch=8 * 1024,
    array=True,
    board=("cortex_m.c", "mps2_an500.ld"),
    link=("--specs=rdimon.specs", "-nostartfiles"),
)
_TARGETS = (
    Target(
        "any",
        "every kernel there is, the best chosen at run time",
        (*_X86, "dotprod", "neon", "dsp", "simd128"),
    ),
    Target("portable", "plain C99 alone, on any machine", ()),
    Target("x86-64", "AVX2, AVX-512, AVX-512 VNNI and AMX, chosen at run time", _X86),
    Target(
        "aarch64",
        "64-bit Arm as in Raspberry Pi 3 to 5: NEON, and dotprod chosen at run time",
        ("dotprod", "neon"),
        ("aarch64-linux-gnu-gcc",),
        (),
        ("qemu-aarch64",),
        "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user",
    ),
    Target(
        "armhf",
        "32-bit Arm with NEON, as in Raspberry Pi 2",
        ("neon",),
        ("arm-linux-gnueabihf-gcc",),
        ("-mfpu=neon-vfpv4",),
        ("qemu-arm",),
        "gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user",
        scratch=128 * 1024,
    ),
    Target(
        "riscv64",
        "64-bit RISC-V, plain C99",
        (),
        ("riscv64-linux-gnu-gcc",),
        (),
        ("qemu-riscv64",),
        "gcc-riscv64-linux-gnu libc6-dev-riscv64-cross qemu-user",
    ),
    _CORTEX_M7,
    replace(
        _CORTEX_M7,
        name="cortex-m4",
        what="a smaller one: Arm Cortex-M4, whose floats are single",
        options=("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
        runner=_emulated("mps2-an386"),
    ),
    Target(
        "wasm",
        "a browser: WebAssembly with 128-bit SIMD, run here by Node.js",
        ("simd128",),
        ("clang", "--target=wasm32-wasi"),
        ("-msimd128",),
        ("node", str(BOARDS / "answer.mjs")),
        "clang lld wasi-libc libclang-rt-14-dev-wasm32 nodejs",
        alignment=16,
        board=("memory.c",),
        link=("-nostartfiles", "-Wl,--no-entry,--strip-all,-z,stack-size=1048576"),
        tools=("wasm-ld",),
        framed=True,
    ),
)
TARGETS = {target.name: target for target in _TARGETS}
"""The visible table of targets, by name."""


def target_of(name: str) -> Target:
    """Find a target.

    Raises:
        TatamiError: For a name that there is not, naming those that there are.
    """
    if name not in TARGETS:
        raise TatamiError(f"no target '{name}'", hint=choose_from(name, TARGETS, "give one of"))
    return TARGETS[name]


def missing(target: Target) -> str | None:
    """Name the command that this machine lacks to build and run a target's program, or None."""
    commands = (*target.compiler[:1], *target.tools, *target.runner[:1])
    return next((each for each in commands if shutil.which(each) is None), None)


def check_there(target: Target) -> None:
    """Check that this machine has what builds and runs a target's program.

    Raises:
        TatamiError: Where it lacks a command, naming the packages that bring it.
    """
    lacking = missing(target)
    if lacking is not None:
        raise TatamiError(
            f"there is no '{lacking}' for {target.name}", hint=f"apt-get install {target.package}"
        )


def variants_for(shipped_for: str, machine: str) -> tuple[str, ...]:
    """Name the kinds of kernels that a shipped program may use, the best first.

    Plain C99 is among them everywhere.

    Args:
        shipped_for: The target of the program.
        machine: The target that it runs on.

    Raises:
        TatamiError: For a name that is no target.
    """
    there = target_of(machine).variants
    return (*(each for each in target_of(shipped_for).variants if each in there), "portable")
