"""onnxruntime-web: what runs ONNX files in a browser, from npm, checked and kept.

Its WebAssembly is too large for this repository: `copy_runtime` copies it from a folder that
somebody names, from the cache, or from the npm registry (through npm itself, so that its settings
hold).
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from workbench import places
from workbench.errors import Problem

NAME, VERSION = "onnxruntime-web", "1.30.0"
INTEGRITY = (  # of the registry's archive: npm view onnxruntime-web@1.30.0 dist.integrity
    "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
WASM = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
WEBGPU = ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm")
FILES = (*WASM, *WEBGPU)


def copy_runtime(out: Path, given: Path | None = None) -> None:
    """Copy the runtime's files into `out`: from `given`, else the cache, else npm.

    given: the package's folder, or its `dist`. Raises Problem with what to do.
    """
    source = find_runtime() if given is None else _find_in(given)
    out.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(source / name, out / name)


def _find_in(given: Path) -> Path:
    for folder in (given, given / "dist", given / NAME / "dist"):
        if all((folder / name).is_file() for name in FILES):
            return folder
    raise Problem(
        f"{given} does not hold {NAME}: {', '.join(FILES)}. Name the folder that "
        f"`npm pack {NAME}@{VERSION}` unpacks to, or leave --runtime out."
    )


def find_runtime() -> Path:
    """The folder in the cache that holds the runtime; fetched through npm where it is not there."""
    folder = places.cache() / "runtime" / f"{NAME}-{VERSION}"
    if not all((folder / name).is_file() for name in FILES):
        _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    npm = shutil.which("npm")
    otherwise = (
        f"Or download {NAME} {VERSION} elsewhere, unpack it, and name its folder with --runtime."
    )
    if npm is None:
        raise Problem(
            f"{NAME} {VERSION}, which runs the networks in a browser, comes from npm, and there "
            f"is no npm on this machine. Install Node.js. {otherwise}"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent) as spare:
        command = [npm, "pack", f"{NAME}@{VERSION}", "--silent", "--pack-destination", spare]
        try:
            done = subprocess.run(command, cwd=spare, capture_output=True, text=True, timeout=600)
        except subprocess.TimeoutExpired:
            raise Problem(f"npm did not bring {NAME} within 10 minutes. {otherwise}") from None
        archives = list(Path(spare).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            said = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
            raise Problem(f"npm could not fetch {NAME} {VERSION} ({said}). {otherwise}")
        check_archive(archives[0])
        new = Path(spare) / "new"
        new.mkdir()
        with tarfile.open(archives[0]) as archive:
            for name in FILES:
                member = archive.extractfile(f"package/dist/{name}")
                (new / name).write_bytes(member.read())
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)


def check_archive(archive: Path, integrity: str = INTEGRITY) -> None:
    """Raise Problem where an archive is not the one that this version was tested with."""
    kind, _, expected = integrity.partition("-")
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, kind).digest()
    if base64.b64encode(found).decode() != expected:
        raise Problem(
            f"What npm sent as {NAME} {VERSION} is not the package that was tested with this "
            "page (its checksum differs). Nothing was kept; try again, or use another registry."
        )
