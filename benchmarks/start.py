"""How long commands take to start: seconds of processor time, the median of several runs.

    python benchmarks/start.py [RUNS]

Time on the clock says more of what else the machine does. The first run of each is left out: it
reads files from the disk.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

COMMANDS = {
    ("--version",): 0.25,
    ("--help",): 0.4,
    ("train", "--help"): None,
    ("see", "features", "--help"): None,
    ("summary", "yolov2-tiny"): 2.0,
    ("summary", "resnet50"): None,
}
"""What is run, and the seconds that it may take; None: it is only measured."""


def seconds(arguments: tuple[str, ...]) -> float:
    """Run the command once and give the processor's time, the system's included."""
    before = os.times()
    command = [sys.executable, "-m", "tatami", *arguments]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    for arguments, most in COMMANDS.items():
        seconds(arguments)
        median = statistics.median(seconds(arguments) for _ in range(runs))
        limit = "" if most is None else f"  at most {most:.2f}"
        print(f"tatami {' '.join(arguments):<24} {median:.2f} s{limit}")


if __name__ == "__main__":
    main()
