"""Which shipped folders this installation can answer for: a shipped folder is a program.

``seal`` writes the checksums of everything in a folder that is compiled or run, in the form of
``sha256sum``, and records their own checksum in a place of this user's. ``check`` opens no folder
whose checksums are not recorded there, or whose files are not those: so nothing of a stranger's is
compiled or run unasked, however the folder came here. See docs/decisions/0019.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from tatami.errors import TatamiError
from tatami.files import write_atomically

SUMS = "SHA256SUMS"
"""The file of checksums, which ``sha256sum -c`` reads, too."""
MAX_SUMS = 2**20
"""Bytes of it that are read."""
RECORDS = "~/.local/state/tatami"
"""Where this user's records are, unless ``$XDG_STATE_HOME`` says otherwise."""
_BUILT = ("", ".wasm")
_COMPILED = (".c", ".h", ".S", ".s", ".bin", ".json")


def records() -> Path:
    """Name the folder of this user's records: ``$XDG_STATE_HOME``, else ``~/.local/state``.

    Raises:
        RuntimeError: Where this user has no home.
    """
    given = Path(os.environ.get("XDG_STATE_HOME") or "")
    return (given if given.is_absolute() else Path.home() / ".local/state") / "tatami" / "shipped"


def seal(folder: Path, files: Iterable[str]) -> bool:
    """Write the checksums of files in a folder, and record that this installation wrote them.

    Args:
        folder: Where the files are.
        files: Their names: what is compiled, what is read to do so, and the built example, whose
            name has no suffix, or a module's. A Makefile is left out: it is the user's, and is
            not run here.

    Returns:
        Whether it could be recorded; if not, opening the folder must be asked for.
    """
    lines = [
        f"{_sum(folder / name)}  {name}\n"
        for name in sorted(files)
        if Path(name).name != "Makefile"
    ]
    content = "".join(lines).encode()
    write_atomically(folder / SUMS, content)
    try:
        record = records() / hashlib.sha256(content).hexdigest()
        record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        record.touch()
    except (OSError, RuntimeError):
        return False
    return True


def check(folder: Path) -> bool:
    """Check that this installation wrote all that would be compiled of a folder.

    Args:
        folder: The shipped folder.

    Returns:
        Whether the built example is what was built then; if not, it must not be run.

    Raises:
        TatamiError: For a folder that is not recorded, and for a file that differs, is missing, is
            a symbolic link, or was added where the compiler would take it; it names the file.
    """
    sums = _recorded(folder)
    names = tuple(Path(name).stem for name in sums if name.endswith(".h"))
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name not in sums and path.suffix in _COMPILED and path.name.startswith(names):
            raise _refused("is none of the files that were shipped", path)
    built = False
    for name, expected in sums.items():
        path = folder / name
        is_file = _is_plain(path)
        if Path(name).suffix in _BUILT:
            built = is_file and _sum(path) == expected
        elif not is_file:
            missing = "is a symbolic link" if path.is_symlink() else "is missing"
            raise _refused(missing, path)
        elif _sum(path) != expected:
            raise _refused("is not as it was shipped", path)
    return built


def _recorded(folder: Path) -> dict[str, str]:
    """Read the checksums of a folder, by file name, where this installation wrote them."""
    path = folder / SUMS
    try:
        if not _is_plain(path) or path.stat().st_size > MAX_SUMS:
            raise OSError
        content = path.read_bytes()
        recorded = (records() / hashlib.sha256(content).hexdigest()).is_file()
    except (OSError, RuntimeError):
        recorded = False
    if not recorded:
        raise _refused("this installation did not ship this folder, and a folder of C is a program",
                       folder)  # fmt: skip
    rows = (line.split("  ", 1) for line in content.decode().splitlines())
    return {name: found for found, name in rows}


def _is_plain(path: Path) -> bool:
    """Say whether there is a file, which is no symbolic link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refused(reason: str, path: Path) -> TatamiError:
    return TatamiError(
        reason,
        hint="ship it again, or trust it if you know who wrote it",
        file=path,
        setting="trust",
    )
