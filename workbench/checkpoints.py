"""One folder per model, the same on disk and on the Hub: save, list, load, check.

model.safetensors            fp16 (running statistics fp32), or shards of at most 15 MB + index
config.json                  architecture, training, checksums of the weights
README.md  log.jsonl  scores/  strip/
log-REVISION.jsonl           of the runs before, where it was trained on from other weights
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench import places
from workbench.errors import Problem, guard_decoder, reason_of
from workbench.hub.model_folder import WEIGHTS
from workbench.names import printable
from workbench.writing import write_whole

if TYPE_CHECKING:
    from torch import Tensor, nn

    from workbench.spec import ModelSpec

SHARD_BYTES = 15_000_000
MOST_CONFIG = 4 << 20  # bytes
MOST_WIDTH = 4
MOST_GAIN = 10  # ab is multiplied by no more, as by a visitor
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
        """12 hex digits that change with every weight, and with the gain."""
        return self.config["revision"]

    @property
    def size(self) -> int:
        """Short side, in pixels, at which the network looks at a picture."""
        return self.config["size"]

    @property
    def gain(self) -> float:
        """What these weights' ab is multiplied by in use: `benchmarks/choose_gain.py`."""
        return self.config.get("gain", 1.0)

    @property
    def title(self) -> str:
        """What to call it on a page."""
        title = self.spec.title
        return title if self.name == self.config["model"] else f"{title} ({self.name})"

    @property
    def bytes(self) -> int:
        """Bytes of the weights on disk."""
        files = (self.folder / name for name in self.config["files"])
        return sum(file.stat().st_size for file in files if file.is_file())

    def net(self) -> nn.Module:
        """The network in evaluation mode, fp32, loaded strictly.

        Raises Problem when a file is missing, a checksum is wrong, or a key is missing or surplus.
        """
        return _load(self)


@dataclass(frozen=True)
class Blended(Checkpoint):
    """Several checkpoints that colour as one, each with its weight: see `find_blend`."""

    members: tuple[tuple[Checkpoint, float], ...] = ()

    @property
    def spec(self) -> ModelSpec:
        """That of its first member, named as what it is."""
        first = self.members[0][0].spec
        return replace(
            first, name="blend", title=self.title, paper="", year=None, url="", predicts="ab",
            claim="The weighted mean of several networks' colours.",
        )  # fmt: skip

    @property
    def title(self) -> str:
        """Its members, with their weights where these differ."""
        alike = len({weight for _, weight in self.members}) == 1
        return "Blend: " + " + ".join(
            each.title if alike else f"{weight:g} × {each.title}" for each, weight in self.members
        )

    @property
    def bytes(self) -> int:
        """Bytes of all members' weights on disk."""
        return sum(each.bytes for each, _ in self.members)

    def net(self) -> nn.Module:
        """A `Blend` of the members' networks; raises Problem as theirs do."""
        return self.join(Checkpoint.net)

    def join(self, load: Callable[[Checkpoint], nn.Module]) -> nn.Module:
        """A `Blend` of what `load` gives for each member."""
        from workbench.models.blend import Blend

        nets = [load(each) for each, _ in self.members]
        sizes = [each.size for each, _ in self.members]
        return Blend(nets, sizes, [weight for _, weight in self.members]).eval()


def find_blend(name: str, every: Mapping[str, Checkpoint]) -> Blended:
    """The blend that "NAME+NAME" or "NAME=WEIGHT+NAME=WEIGHT" asks for; weights are 1 unsaid.

    every: the checkpoints that can be in it. Raises Problem for a name that is not there or named
    twice, and for a weight that is not above 0 and at most 1000.
    """
    members: dict[str, float] = {}
    for part in name.split("+"):
        one, equals, told = (piece.strip() for piece in part.partition("="))
        try:
            weight = float(told) if equals else 1.0
        except ValueError:
            weight = math.nan
        if not 0 < weight <= 1000:
            raise Problem(
                f"{printable(told)!r} is no weight of a blend: it is above 0 and at most 1000, as "
                f"in {printable(one)}=2."
            )
        if one not in every:
            raise Problem(f"There is no model {printable(one)!r}. There are: {', '.join(every)}.")
        if one in members:
            raise Problem(f"{one} is in the blend twice. Give it a larger weight: {one}=2.")
        members[one] = weight
    if len(members) < 2:
        raise Problem("A blend has two models or more: NAME+NAME, or NAME=2+NAME=1.")
    found = tuple((every[one], weight) for one, weight in members.items())
    total = sum(members.values())
    key = [[each.revision, round(weight / total, 6)] for each, weight in found]
    alike = len(set(members.values())) == 1
    config = {
        "model": "blend",
        "size": max(each.size for each, _ in found),
        "revision": hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12],
        "images_seen": None,
        "trained_on": sorted({text for each, _ in found for text in each.config["trained_on"]}),
        "files": {},
        "width": None,
        "options": {},
    }
    called = "+".join(one if alike else f"{one}={weight:g}" for one, weight in members.items())
    return Blended(called, places.fetched_folder() / ".blends", config, found)


def keep_earlier_logs(base: Checkpoint, out: Path) -> None:
    """Copy the logs of `base` into the folder of a run that goes on from it: log-REVISION.jsonl."""
    out.mkdir(parents=True, exist_ok=True)
    for log in base.folder.glob("log*.jsonl"):
        name = f"log-{base.revision}.jsonl" if log.name == "log.jsonl" else log.name
        shutil.copyfile(log, out / name)


def revision_of(files: dict[str, str], gain: float = 1.0) -> str:
    """The revision of weights whose files have these sha256 sums, used with this gain."""
    told = json.dumps(files if gain == 1 else [files, gain], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def set_gain(checkpoint: Checkpoint, gain: float) -> None:
    """Write into config.json what the weights' ab is multiplied by; the revision changes with it.

    Raises Problem for a gain that is not 0 to 10.
    """
    if not 0 <= gain <= MOST_GAIN:
        raise Problem(f"The gain of weights is 0 to {MOST_GAIN}, not {gain}.")
    revision = revision_of(checkpoint.config["files"], gain)
    change_config(checkpoint, gain=gain, revision=revision)


def change_config(checkpoint: Checkpoint, **changes: Any) -> None:
    """Write config.json anew with these values in it."""
    content = _config_bytes({**checkpoint.config, **changes})
    write_whole(checkpoint.folder, {"config.json": content})


def _config_bytes(config: Mapping[str, Any]) -> bytes:
    return (json.dumps(config, indent=2, ensure_ascii=False) + "\n").encode()


def available(*roots: Path) -> dict[str, Checkpoint]:
    """Every checkpoint by name: the bundled ones first, then fetched ones, then own runs.

    A folder that is no checkpoint, or a broken one, is passed over: `scan` names it.
    """
    return scan(*roots)[0]


def scan(*roots: Path) -> tuple[dict[str, Checkpoint], list[str]]:
    """`available`, and a sentence about each folder with a config.json that cannot be used."""
    from workbench.models import MODELS

    found: dict[str, Checkpoint] = {}
    complaints: list[str] = []
    for root in roots or (places.CHECKPOINTS, places.fetched_folder(), places.RUNS):
        folders = sorted(path.parent for path in root.glob("*/config.json"))
        order = list(MODELS)
        folders.sort(key=lambda f: order.index(f.name) if f.name in order else len(order))
        for folder in folders:
            name = printable(folder.name)
            while name in found:
                name += "*"
            try:
                checkpoint = open_folder(folder, name)
            except Problem as problem:
                complaints.append(str(problem))
                continue
            if checkpoint is not None:
                found[name] = checkpoint
    return found, complaints


def open_folder(folder: Path, name: str | None = None) -> Checkpoint | None:
    """The checkpoint in a folder; None where config.json is another program's. Raises Problem."""
    from workbench.models import MODELS

    file = folder / "config.json"
    try:
        if file.stat().st_size > MOST_CONFIG:
            raise ValueError("it is too long")
        config = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise ValueError("it is no JSON object")
        known = isinstance(config.get("model"), str) and config["model"] in MODELS
        if not known and not {"files", "width"} <= set(config):
            return None
        _check_config(config, MODELS)
    except (OSError, ValueError, RecursionError) as error:
        raise Problem(
            f"{printable(file)} cannot be read ({reason_of(error)}). "
            "Restore it, or remove the folder and fetch the model again."
        ) from None
    return Checkpoint(name or folder.name, folder, config)


def _check_config(config: dict[str, Any], models: Collection[str]) -> None:
    """ValueError where a value is missing or is not what everybody who reads it expects."""

    def check(name: str, right: bool, what: str) -> None:
        if not right:
            raise ValueError(f"`{name}` is not {what}")

    def number(value: object) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool)

    def texts(value: object) -> bool:
        return isinstance(value, list) and all(isinstance(each, str) for each in value)

    def whole(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0

    def averaged(value: object) -> bool:
        mean = value if isinstance(value, dict) else {}
        return isinstance(mean.get("with"), str) and number(mean.get("share"))

    model, files = config.get("model"), config.get("files")
    check("model", isinstance(model, str) and model in models, "a model of this workbench")
    check("files", isinstance(files, dict) and bool(files), "a table of files")
    for name, digest in files.items():
        right = WEIGHTS.fullmatch(name) and isinstance(digest, str)
        check("files", bool(right) and len(digest) == 64, "a table of weights and SHA-256 sums")
    revision = config.get("revision")
    check("revision", isinstance(revision, str) and 0 < len(revision) <= 64, "a text")
    width = config.get("width")
    check("width", number(width) and 0 < width <= MOST_WIDTH, f"a number up to {MOST_WIDTH}")
    size = config.get("size")
    check("size", whole(size) and 16 <= size <= 2048, "a whole number from 16 to 2048")
    gain = config.get("gain", 1.0)
    right = number(gain) and 0 <= gain <= MOST_GAIN
    check("gain", right, f"a number from 0 to {MOST_GAIN}: {printable(str(gain))}")
    config.setdefault("options", {})
    check("options", isinstance(config["options"], dict), "a table")
    optional = {
        "images_seen": (whole, "a number of images"),
        "trained_on": (texts, "a list of texts"),
        "crops": (lambda value: isinstance(value, str), "a text"),
        "classes": (texts, "a list of texts"),
        "machine": (lambda value: isinstance(value, dict), "a table"),
        "recipe": (lambda value: isinstance(value, dict), "a table"),
        "licence": (lambda value: isinstance(value, str), "a text"),
        "seconds": (number, "a number"),
        "from": (lambda value: isinstance(value, str), "a text"),
        "averaged": (averaged, "a revision under with and a number under share"),
        "created": (lambda value: isinstance(value, str), "a text"),
    }
    for name, (right, what) in optional.items():
        if config.get(name) is not None:
            check(name, right(config[name]), what)
    config.setdefault("images_seen", 0)
    config.setdefault("trained_on", [])


def find(name: str) -> Checkpoint:
    """The checkpoint of this name, in this folder, or the blend of several names (`find_blend`).

    Raises Problem with what there is.
    """
    every = available()
    if name in every:
        return every[name]
    folder = Path(name)
    if (folder / "config.json").is_file() and (checkpoint := open_folder(folder)):
        return checkpoint
    if every and "+" in name:
        return find_blend(name, every)
    if not every:
        raise Problem(f"There is no trained model {name!r}. {places.say_no_models()}")
    raise Problem(
        f"There is no trained model {name!r}. There are: {', '.join(every)}. "
        "A folder with a config.json is also taken, and NAME+NAME is a blend."
    )


def _load(checkpoint: Checkpoint) -> nn.Module:
    from safetensors.torch import load as parse

    from workbench.spec import Colorizer

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
        with guard_decoder(f"The weights {path} are damaged ({{error}}). Fetch the model again."):
            state.update(parse(data))
    config = checkpoint.config
    try:
        net = checkpoint.spec.outline(config["width"], **config["options"])
    except Exception as error:  # options are anybody's: a wrong name or type raises anything
        raise Problem(
            f"{checkpoint.folder / 'config.json'} describes a network that cannot be built "
            f"({reason_of(error)}). Fetch the model again."
        ) from error
    outlined = net.state_dict()  # once: it walks through every layer
    stored = {k for k in outlined if not _is_elsewhere(net, k)}
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
    if stored != set(outlined):  # a pretrained backbone: timm fetches its weights
        net = checkpoint.spec.build(width=config["width"], **config["options"])
    state = {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
    wrong = next((k for k in stored if state[k].shape != outlined[k].shape), None)
    if wrong:
        raise Problem(f"{wrong!r} in {checkpoint.folder} has another shape than the network's.")
    net.load_state_dict(state, strict=stored == set(outlined), assign=True)
    net.gain = checkpoint.gain
    if isinstance(net, Colorizer):
        net.settle()
    return net.eval().requires_grad_(False)


def _is_elsewhere(net: nn.Module, key: str) -> bool:
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
        key: _pack(key, value)
        for key, value in net.state_dict().items()
        if not _is_elsewhere(net, key)
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
    config = {**config, "files": files, "revision": revision_of(files, config.get("gain", 1.0))}
    contents["config.json"] = _config_bytes(config)
    write_whole(folder, contents)
    for stale in folder.glob("model*.safetensors*"):
        if stale.name not in contents:
            stale.unlink()
    return config


def _pack(key: str, value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous()
    if not value.is_floating_point() or key.endswith(("running_mean", "running_var")):
        return value
    return value.half()
