"""Files that are whole or absent: a kill, a full disk or a power cut leaves the last good one."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tatami.errors import TatamiError


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file beside ``path``, flush it to the disk, then rename it into place.

    Folders that are missing are made.

    Args:
        path: Where the file belongs.
        content: Bytes, or text to be written in UTF-8.

    Raises:
        OSError: For a full disk, a read-only folder and the like; it names ``path``, which is
            untouched, and nothing is left over.
    """
    data = content.encode() if isinstance(content, str) else content
    with _beside(path) as workshop:
        temporary = workshop / "content"
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    _flush_folder(path.parent)


def read_text(path: Path, most: int, hint: str) -> str:
    """Read the text of a small file, without its byte order mark.

    Args:
        path: The file.
        most: The largest number of bytes that is read.
        hint: What an error says to do.

    Raises:
        TatamiError: If the file has more than ``most`` bytes, or a line that is not UTF-8.
        OSError: If it cannot be read.
    """
    size = path.stat().st_size
    if size > most:
        raise TatamiError(
            f"the text has {size} bytes, more than {most}: it is too large", hint=hint, file=path
        )
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TatamiError("not UTF-8 text", hint=hint, file=path, line=line) from None


def parse_json(content: bytes, file: Path) -> Any:
    """Give the value of a JSON text.

    Args:
        content: The text, in UTF-8.
        file: Where it was read from, for errors.

    Raises:
        TatamiError: If it is malformed; the error names the line.
    """
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise TatamiError(
            f"malformed JSON: {error.msg}", hint="export it again", file=file, line=error.lineno
        ) from error
    except (ValueError, RecursionError) as error:  # not UTF-8, endless digits, nested without end
        raise TatamiError(f"malformed JSON: {error}", hint="export it again", file=file) from error


@contextmanager
def folder_written_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary folder to fill; on success it becomes ``path``, on failure it is removed.

    Folders that are missing above it are made. An older folder at ``path`` is replaced only at the
    end. An OSError or TatamiError that comes of the temporary folder names ``path`` in its place.
    """
    with _beside(path) as workshop:
        new, old = workshop / "new", workshop / "old"
        if path.exists() and not path.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        new.mkdir()
        yield new
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except BaseException:
            if old.exists():
                old.rename(path)
            raise
    _flush_folder(path.parent)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Make a hidden folder to work in, on the same disk as ``path``; it is gone afterwards.

    Whatever is made in it has the permissions that it would have at ``path``: only the hidden
    folder itself is private.
    """
    made: list[Path] = []
    workshop = None
    try:
        _make_folders(path.parent, made)
        workshop = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name[:40]}."))
        yield workshop
        shutil.rmtree(workshop, ignore_errors=True)
    except BaseException as error:
        if workshop is not None:
            shutil.rmtree(workshop, ignore_errors=True)
        for folder in reversed(made):
            with suppress(OSError):  # somebody else has put something there meanwhile
                folder.rmdir()
        _name_what_the_user_knows(error, path, workshop)
        raise


def _make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and those above it; ``made`` lists them, the highest first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    for each in reversed(missing):
        each.mkdir(exist_ok=True)
        made.append(each)


def _name_what_the_user_knows(error: BaseException, path: Path, workshop: Path | None) -> None:
    """Put ``path`` in place of the temporary names in an error that passes by."""
    if isinstance(error, OSError):
        named = error.filename if isinstance(error.filename, str) else None
        if workshop is None:
            foreign = named is not None and Path(named).exists()  # a file where a folder is wanted
        else:
            foreign = named is not None and not named.startswith(str(workshop))
        if not foreign:  # a full disk comes without any name
            error.filename = str(path)
    elif isinstance(error, TatamiError) and workshop is not None:
        if error.file is not None and error.file.is_relative_to(workshop):
            error.file = path
        error.reason = error.reason.replace(str(workshop / "new"), str(path))


def _flush_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
