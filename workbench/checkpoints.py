"""One folder per model, the same on disk and on the Hub: save, list, load, check.

model.safetensors            fp16 (running statistics fp32), or shards of at most 15 MB + index
config.json                  architecture, training, checksums of the weights
README.md  log.jsonl  scores/  strip/
log-REVISION.jsonl           of the runs before, where it was trained on from other weights
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import places
from workbench.errors import Problem
from workbench.writing import write_whole

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.spec import ModelSpec

SHARD_BYTES = 15_000_000
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True)
class Checkpoint:
    """A trained network in its folder."""

    name: str
    folder: Path
    config: dict[str, Any]

    @property
    def spec(self) -> ModelSpec:
        """The model of the registry that this is one of."""
        from workbench.models import MODELS

        return MODELS[self.config["model"]]

    @property
    def revision(self) -> str:
        """12 hex digits that change with every weight."""
        return self.config["revision"]

    @property
    def size(self) -> int:
        """Short side, in pixels, at which the network looks at a picture."""
        return self.config["size"]

    @property
    def title(self) -> str:
        """What to call it on a page."""
        title = self.spec.title
        return title if self.name == self.config["model"] else f"{title} ({self.name})"

    @property
    def bytes(self) -> int:
        """Bytes of the weights on disk."""
        return sum((self.folder / name).stat().st_size for name in self.config["files"])

    def net(self) -> nn.Module:
        """The network in evaluation mode, fp32, loaded strictly.

        Raises Problem when a file is missing, a checksum is wrong, or a key is missing or surplus.
        """
        return _load(self)


def keep_earlier_logs(base: Checkpoint, out: Path) -> None:
    """Copy the logs of `base` into the folder of a run that goes on from it: log-REVISION.jsonl."""
    out.mkdir(parents=True, exist_ok=True)
    for log in base.folder.glob("log*.jsonl"):
        name = f"log-{base.revision}.jsonl" if log.name == "log.jsonl" else log.name
        shutil.copyfile(log, out / name)


def revision_of(files: dict[str, str]) -> str:
    """The revision of weights whose files have these sha256 sums."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]


def available(*roots: Path) -> dict[str, Checkpoint]:
    """Every checkpoint by name: the bundled ones first, then fetched ones, then own runs.

    A folder that is no checkpoint is passed over; one with a broken config.json raises Problem.
    """
    from workbench.models import MODELS

    found: dict[str, Checkpoint] = {}
    for root in roots or (places.CHECKPOINTS, places.fetched(), places.RUNS):
        folders = sorted(path.parent for path in root.glob("*/config.json"))
        order = list(MODELS)
        folders.sort(key=lambda f: order.index(f.name) if f.name in order else len(order))
        for folder in folders:
            name = folder.name
            while name in found:
                name += "*"
            checkpoint = open_folder(folder, name)
            if checkpoint is not None:
                found[name] = checkpoint
    return found


def open_folder(folder: Path, name: str | None = None) -> Checkpoint | None:
    """The checkpoint in a folder; None where config.json is not a checkpoint's."""
    from workbench.models import MODELS

    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(
            f"{folder / 'config.json'} cannot be read ({error}). "
            "Restore it, or remove the folder and fetch the model again."
        ) from None
    if config.get("model") not in MODELS or "files" not in config:
        return None
    return Checkpoint(name or folder.name, folder, config)


def find(name: str) -> Checkpoint:
    """The checkpoint of this name, or in this folder; raises Problem with what there is."""
    every = available()
    if name in every:
        return every[name]
    folder = Path(name)
    if (folder / "config.json").is_file() and (checkpoint := open_folder(folder)):
        return checkpoint
    if not every:
        raise Problem(f"There is no trained model {name!r}. {places.no_models()}")
    raise Problem(
        f"There is no trained model {name!r}. There are: {', '.join(every)}. "
        "A folder with a config.json is also taken."
    )


def _load(checkpoint: Checkpoint) -> nn.Module:
    import torch
    from safetensors.torch import load as parse

    state: dict[str, Tensor] = {}
    for file, expected in checkpoint.config["files"].items():
        path = checkpoint.folder / file
        try:
            data = path.read_bytes()
        except OSError as error:
            raise Problem(f"The weights {path} cannot be read: {error.strerror}.") from None
        if hashlib.sha256(data).hexdigest() != expected:
            raise Problem(
                f"{path} is not the file that config.json describes (its SHA-256 differs): it is "
                "damaged or from another version. Fetch the model again."
            )
        state.update(parse(data))
    config = checkpoint.config
    with torch.device("meta"):
        net = checkpoint.spec.build(width=config["width"], **config["options"])
    stored = {k for k in net.state_dict() if not _fetched_elsewhere(net, k)}
    missing, surplus = sorted(stored - set(state)), sorted(set(state) - stored)
    if missing or surplus:
        parts = []
        for what, keys in (("missing", missing), ("surplus", surplus)):
            if keys:
                others = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
                parts.append(f"{what} {keys[0]!r}{others}")
        raise Problem(
            f"The weights in {checkpoint.folder} do not fit {config['model']} at width "
            f"{config['width']}: {'; '.join(parts)}. Fetch the model again."
        )
    if stored != set(net.state_dict()):  # a pretrained backbone: timm fetches its weights
        net = checkpoint.spec.build(width=config["width"], **config["options"])
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    wrong = next((k for k in stored if state[k].shape != net.state_dict()[k].shape), None)
    if wrong:
        raise Problem(f"{wrong!r} in {checkpoint.folder} has another shape than the network's.")
    net.load_state_dict(state, strict=stored == set(net.state_dict()), assign=True)
    return net.eval().requires_grad_(False)


def _fetched_elsewhere(net: nn.Module, key: str) -> bool:
    """Weights of a pretrained part, one copy for all: not stored in this folder."""
    from workbench.spec import stored_elsewhere

    return key.startswith(stored_elsewhere(net))


def save(
    net: nn.Module, folder: Path, config: dict[str, Any], shard_bytes: int = SHARD_BYTES
) -> dict[str, Any]:
    """Write weights and config.json; returns the config with `files` and `revision`.

    Everything is written beside its place first, then renamed, the config last: a full disk or
    a kill leaves the old checkpoint whole. Raises Problem when the disk refuses.
    """
    from safetensors.torch import save as serialise

    state = {
        key: _packed(key, value)
        for key, value in net.state_dict().items()
        if not _fetched_elsewhere(net, key)
    }
    shards: list[dict[str, Tensor]] = [{}]
    room = shard_bytes - 100_000  # for the header
    filled = 0
    for key, value in state.items():
        size = value.nbytes
        if filled and filled + size > room:
            shards.append({})
            filled = 0
        shards[-1][key] = value
        filled += size
    names = ["model.safetensors"]
    if len(shards) > 1:
        names = [
            f"model-{i:05d}-of-{len(shards):05d}.safetensors" for i in range(1, len(shards) + 1)
        ]
    contents = {name: serialise(shard) for name, shard in zip(names, shards, strict=True)}
    files = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    if len(shards) > 1:
        index = {
            "metadata": {"total_size": sum(v.nbytes for v in state.values())},
            "weight_map": {k: n for n, s in zip(names, shards, strict=True) for k in s},
        }
        contents[INDEX] = json.dumps(index, indent=1).encode()
    config = {**config, "files": files, "revision": revision_of(files)}
    contents["config.json"] = (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()
    write_whole(folder, contents)
    for stale in folder.glob("model*.safetensors*"):
        if stale.name not in contents:
            stale.unlink()
    return config


def _packed(key: str, value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    if not value.is_floating_point() or key.endswith(("running_mean", "running_var")):
        return value
    return value.half()
