"""What a published model's folder is made of, and whether its files are whole."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import Problem

WEIGHTS = re.compile(r"[\w.-]+\.safetensors")
BELONGS = re.compile(  # what a model's folder is made of, here and on the Hub
    r"config\.json|README\.md|log(-\w+)?\.jsonl|grid\.webp|[\w.-]+\.safetensors(\.index\.json)?"
    r"|(scores|by_colour)/[\w.-]+\.csv|strip/[\w.-]+\.(png|webp|jpg|json)"
)
STAYS = re.compile(  # never sent: the state to resume from, hidden and half-written files
    r"training/.*|(.*/)?(\.[^/]*|__pycache__)(/.*)?|.*\.(state\.pt|tmp|partial)"
)


def model_files(folder: Path) -> dict[str, Path]:
    """The files of a model's folder that are published: path on the Hub -> file.

    Training state, hidden and half-written files stay behind. Raises Problem when the card, the
    configuration or weights are missing, when a checksum differs, or when a file does not belong.
    """
    if not folder.is_dir():
        raise Problem(f"{folder} is not a folder. Give the folder of a trained model.")
    files = walk(folder)
    files = {path: file for path, file in files.items() if path != "fetched.json"}
    if strange := [path for path in files if not BELONGS.fullmatch(path)]:
        raise Problem(
            f"{folder} holds files that are no part of a model: {', '.join(strange[:5])}. "
            "Move them elsewhere; only weights, config.json, README.md, scores/, by_colour/, "
            "log.jsonl, strip/ and grid.webp are published."
        )
    require_model_files(files, f"{folder}")
    if not files["README.md"].read_text(encoding="utf-8").startswith("---\n"):
        raise Problem(
            f"{folder}/README.md is no model card: it does not begin with the `---` of its "
            "metadata. Write the card again before publishing."
        )
    verify_weights(folder, files, f"{folder}")
    return files


def walk(folder: Path) -> dict[str, Path]:
    """Every file below, sorted, but what stays on this machine."""
    files = {f.relative_to(folder).as_posix(): f for f in sorted(folder.rglob("*")) if f.is_file()}
    return {path: file for path, file in files.items() if not STAYS.fullmatch(path)}


def require_model_files(paths: Mapping[str, Any], where: str) -> None:
    """The three things without which a folder is no model."""
    missing = [name for name in ("config.json", "README.md") if name not in paths]
    if not any(WEIGHTS.fullmatch(path) for path in paths):
        missing.append("model.safetensors")
    if missing:
        raise Problem(f"{where} is not a model of this workbench: {', '.join(missing)} missing.")


def verify_weights(folder: Path, files: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Compare the weights with the checksums of config.json, and return the configuration."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        sums, _ = dict(config["files"]), str(config["revision"])
    except (ValueError, KeyError, TypeError):
        raise Problem(
            f"{where}: config.json is damaged: it has no `revision`, or no table `files` with the "
            "sha256 of each file of weights. Save the model again."
        ) from None
    for name in sorted({*sums, *(path for path in files if WEIGHTS.fullmatch(path))}):
        if name not in files:
            raise Problem(f"{where}: {name} is named in config.json but missing.")
        if name not in sums:
            raise Problem(f"{where}: {name} is not named in config.json; it does not belong here.")
        if sha256(folder / name) != sums[name]:
            raise Problem(
                f"{where}: {name} is damaged: its sha256 is not the one in config.json. "
                "Save the model again, or fetch it again."
            )
    return config


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_sha1(file: Path) -> str:
    """What `git hash-object` gives: how the Hub names a file that is not stored by LFS."""
    data = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
