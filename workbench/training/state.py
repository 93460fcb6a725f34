"""The state that a run goes on from: written by a thread from a copy, in shards that can travel.

training/state.json       images seen, whose run it is, the shards in order with their sha256; last
training/state/*.shard    at most 15 MB each; one after the other they are a file of torch.save
training/state.pt         of runs before there were shards: read, and gone with the next state

A run that is done has state.json alone, with what it returned.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import io
import json
import pickle
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from workbench.checkpoints import SHARD_BYTES
from workbench.errors import Problem
from workbench.writing import write_whole

MANIFEST = "training/state.json"
SHARDS = "training/state"
SINGLE = "training/state.pt"


class Keeper:
    """Writes the states of one run, one at a time, beside the steps.

    What the thread meets is raised by the next `keep`, `check` or `close`.
    """

    def __init__(self, folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
        self.folder, self.shard_bytes = folder, shard_bytes
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future[None] | None = None

    def keep(self, state: Mapping[str, Any]) -> None:
        """Keep a state with its `seen` and `identity`: copied now, written when this returns.

        Waits for the state before it. Raises Problem where that could not be written.
        """
        self.wait()
        copied = copy_to_host(state, {})
        self._writing = self._thread.submit(write_state, self.folder, copied, self.shard_bytes)

    def check(self) -> None:
        """Raise what went wrong, without waiting."""
        if self._writing is not None and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Until the newest state is whole on the disk."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Wait, and end the thread."""
        try:
            self.wait()
        finally:
            self._thread.shutdown()


def copy_to_host(value: Any, met: dict[tuple[Any, ...], Tensor]) -> Any:
    """A copy that later steps do not change; what shared its memory still does.

    met: the tensors that were copied so far, by place and form.
    """
    if isinstance(value, Tensor):
        place = value.data_ptr(), value.shape, value.stride(), value.dtype, value.device
        if place not in met or not value.numel():
            met[place] = value.detach().to("cpu", copy=True)
        return met[place]
    if isinstance(value, dict):
        copied = copy.copy(value)  # of its own type, with what hangs on it
        copied.update({key: copy_to_host(each, met) for key, each in value.items()})
        return copied
    if isinstance(value, list | tuple):
        return type(value)(copy_to_host(each, met) for each in value)
    return value


def write_state(folder: Path, state: dict[str, Any], shard_bytes: int = SHARD_BYTES) -> None:
    """Keep a state, whole or not at all; the one before it goes when this one is there."""
    cut = _Cut(folder / SHARDS, shard_bytes)
    torch.save(state, cut)  # type: ignore[arg-type]
    _write_manifest(folder, state["seen"], state["identity"], shards=cut.finish())


def finish_state(
    folder: Path, seen: int, identity: Mapping[str, Any], result: Mapping[str, Any]
) -> None:
    """Say that the run is done, and what it returned; its state goes."""
    _write_manifest(folder, seen, identity, shards={}, result=result)


def _write_manifest(
    folder: Path, seen: int, identity: Mapping[str, Any], shards: Mapping[str, str], **more: Any
) -> None:
    told = {"seen": seen, "identity": identity, "shards": shards, **more}
    write_whole(folder, {MANIFEST: json.dumps(told, indent=1).encode()})
    for file in (folder / SHARDS).glob("*"):
        if file.name not in shards:
            file.unlink(missing_ok=True)
    if not shards:
        with contextlib.suppress(OSError):
            (folder / SHARDS).rmdir()
    (folder / SINGLE).unlink(missing_ok=True)


class _Cut:
    """A file to write into that becomes shards, named by what is in them.

    torch.save wants no exception of it: what goes wrong is kept for `finish`.
    """

    def __init__(self, folder: Path, shard_bytes: int) -> None:
        self.folder, self.shard_bytes = folder, shard_bytes
        self._shards: dict[str, str] = {}
        self._waiting = bytearray()
        self._wrong: Problem | None = None

    def write(self, data: bytes) -> int:
        """Take bytes; returns how many."""
        if self._wrong is None:
            self._waiting += data
        while self._wrong is None and len(self._waiting) >= self.shard_bytes:
            self._put(self.shard_bytes)
        return len(data)

    def flush(self) -> None:
        """Nothing waits for this."""

    def finish(self) -> dict[str, str]:
        """Write what is left; the shards in order, with their sha256. Raises Problem."""
        if self._waiting and self._wrong is None:
            self._put(len(self._waiting))
        if self._wrong is not None:
            raise self._wrong
        return self._shards

    def _put(self, count: int) -> None:
        content = bytes(self._waiting[:count])
        del self._waiting[:count]
        total = hashlib.sha256(content).hexdigest()
        name = f"{len(self._shards):03d}-{total[:16]}.shard"
        try:
            write_whole(self.folder, {name: content})
        except Problem as problem:
            self._wrong = problem
        self._shards[name] = total


def has_state(folder: Path) -> bool:
    """Whether there is a state to go on from, or a run that is done."""
    return any((folder / name).is_file() for name in (MANIFEST, SINGLE))


def read_manifest(folder: Path) -> dict[str, Any]:
    """What state.json says; {} where there is none. Raises Problem when it is damaged."""
    try:
        return json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise _say_damaged(folder / MANIFEST, type(error).__name__, folder) from None


def load_state(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """The state to go on from, or None. Raises Problem, naming the file, when it is damaged."""
    shards = read_manifest(folder).get("shards")
    file = folder / (MANIFEST if shards else SINGLE)
    if not file.is_file():
        return None
    content: Path | io.BytesIO = file
    if shards:
        content = io.BytesIO()
        for name, total in shards.items():
            content.write(_read_shard(folder, name, total))
        content.seek(0)
    try:
        return torch.load(content, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise _say_damaged(file, type(error).__name__, folder) from None


def _read_shard(folder: Path, name: str, total: str) -> bytes:
    file = folder / SHARDS / Path(name).name
    try:
        content = file.read_bytes()
    except OSError as error:
        raise _say_damaged(file, error.strerror or type(error).__name__, folder) from None
    if hashlib.sha256(content).hexdigest() != total:
        raise _say_damaged(file, "its checksum is another", folder)
    return content


def _say_damaged(file: Path, why: str, folder: Path) -> Problem:
    return Problem(
        f"The training state {file} is damaged ({why}). Copy it once more from where it came, "
        f"remove {folder / 'training'} to begin anew, or choose another --out."
    )
