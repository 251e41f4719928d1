"""Make what a release holds, in dist/: the same bytes from the same commit, on any machine.

    python .ci/release.py [OUT]

A wheel, a source distribution, a bill of materials (CycloneDX, every package that constraints.txt
pins) and their SHA-256 sums. The source is that of the commit, not of the folder, and every time in
it is the commit's. `make release` installs what this needs: build, setuptools, cyclonedx-bom.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
SUMS = "SHA256SUMS"


def run(*command: str, epoch: str = "", cwd: Path = PROJECT) -> bytes:
    """Run a program that must succeed, and give what it prints."""
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch} if epoch else None
    return subprocess.run(
        command, cwd=cwd, env=environment, check=True, stdout=subprocess.PIPE
    ).stdout


def normal(source: Path, epoch: int) -> bytes:
    """Pack a source distribution again: in order, of nobody, at one time."""
    unpacked = io.BytesIO()
    with tarfile.open(source) as old, tarfile.open(fileobj=unpacked, mode="w") as new:
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    return gzip.compress(unpacked.getvalue(), mtime=epoch)


def main() -> None:
    """Build, and print each file's sum."""
    out = Path(sys.argv[1] if len(sys.argv) > 1 else "dist").resolve()
    if run("git", "status", "--porcelain"):
        raise SystemExit("release: commit first: what is released is a commit")
    epoch = run("git", "log", "-1", "--format=%ct").decode().strip()
    os.umask(0o022)  # what a file may do stands in the wheel
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        source, made = Path(folder) / "source", Path(folder) / "made"
        source.mkdir()
        with tarfile.open(fileobj=io.BytesIO(run("git", "archive", "HEAD"))) as archive:
            archive.extractall(source, filter="data")
        run(
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            "--outdir",
            str(made),
            epoch=epoch,
            cwd=source,
        )
        for path in sorted(made.iterdir()):
            packed = path.name.endswith(".tar.gz")
            content = normal(path, int(epoch)) if packed else path.read_bytes()
            (out / path.name).write_bytes(content)
    bill = out / "sbom.json"
    run(sys.executable, "-m", "cyclonedx_py", "requirements", "constraints.txt", "--pyproject",
        "pyproject.toml", "--output-reproducible", "--output-file", str(bill))  # fmt: skip
    names = sorted(path.name for path in out.iterdir() if path.name != SUMS)
    sums = [f"{hashlib.sha256((out / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (out / SUMS).write_text("".join(sums), "utf-8")
    print("".join(sums), end="")


if __name__ == "__main__":
    main()
