"""What was compiled a moment ago is not compiled again; what differs in anything is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tatami.ship.c import build as module
from tatami.ship.c.build import build

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture
def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler that writes a line for each time that it is called."""
    calls, script = tmp_path / "calls", tmp_path / "counting-cc"
    script.write_text(f'#!/bin/sh\necho >> "{calls}"\nexec cc "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("CC", str(script))
    monkeypatch.setattr(module, "_PROGRAMS", module._Programs())
    return calls


def test_the_same_is_compiled_once(
    counted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "c"
    folder.mkdir()
    for name, content in {
        "main.c": '#include "net.h"\nint main(void) { return net() + ADDED; }\n',
        "net.c": '#include "net.h"\nint net(void) { return 1; }\n',
        "net.h": "int net(void);\n",
        "net_weights.c": "extern int nothing;\n",
    }.items():
        (folder / name).write_text(content)

    def answer(added: int = 0, program: str = "one") -> tuple[int, int]:
        build(folder, "net", tmp_path / program, options=(f"-DADDED={added}",))
        said = subprocess.run([tmp_path / program], check=False).returncode
        return said, len(counted.read_text().splitlines())

    assert answer() == (1, 1)
    assert answer() == answer(program="another") == (1, 1)
    assert answer(added=4) == (5, 2)  # another option
    (folder / "net.c").write_text('#include "net.h"\nint net(void) { return 2; }\n')
    assert answer() == (2, 3)  # another file
    monkeypatch.setattr(module, "KEPT_BYTES", 0)
    (folder / "net.h").write_text("int net(void); /* again */\n")
    assert (answer(), answer()) == ((2, 4), (2, 5))  # no room for any
