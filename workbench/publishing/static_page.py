"""The static page that colourizes in the visitor's browser: assembled, ready for any web host.

index.html, style.css, app.js, worker.js ..   as they lie in `static/`
site.json                                     the networks, samples and words of this page
models/NAME-REVISION-HASH.onnx                `onnx.export`
runtime/VERSION/                              onnxruntime-web
service-worker.js                             with the list of what it keeps
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from workbench import samples
from workbench.checkpoints import Checkpoint
from workbench.coloring.colorize import make_marks
from workbench.images import XMP
from workbench.publishing import onnx, runtime

SOURCE = Path(__file__).with_name("static")
KEEPER = "service-worker.js"
HEADERS = {  # with these a browser lets a page use several threads
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "cross-origin",
}


def write(out: Path, checkpoints: Sequence[Checkpoint], given: Path | None = None) -> None:
    """Write the page into an existing folder. given: a folder with onnxruntime-web, or None.

    Raises Problem where packages, weights or the runtime cannot be had.
    """
    onnx.need_packages()
    place = f"runtime/{runtime.VERSION}"
    runtime.copy_runtime(out / place, given)
    for file in sorted(SOURCE.iterdir()):
        shutil.copyfile(file, out / file.name)
    for side in (192, 512):
        (out / f"icon-{side}.png").write_bytes(draw_icon(side))
    (out / "samples").mkdir()
    for sample in samples.SAMPLES.values():
        shutil.copyfile(sample.path, out / "samples" / sample.file)
    networks = [_network(out, checkpoint) for checkpoint in checkpoints]
    site = {
        "models": sorted(networks, key=lambda network: network["bytes"]),  # the quickest first
        "samples": [
            {**asdict(sample), "file": f"samples/{sample.file}"}
            for sample in samples.SAMPLES.values()
        ],
        "runtime": {
            "wasm": [f"./{place}/{name}" for name in runtime.WASM],
            "webgpu": [f"./{place}/{name}" for name in runtime.WEBGPU],
        },
        "xmp": XMP,
        "terms": onnx.TERMS,
    }
    (out / "site.json").write_text(json.dumps(site, ensure_ascii=False, indent=1) + "\n")
    _keeper(out, [network["file"] for network in networks], place)


def _network(out: Path, checkpoint: Checkpoint) -> dict[str, Any]:
    """Export one, and what the page must know of it."""
    file = onnx.export(checkpoint, out / "models")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in checkpoint.name)
    name = f"models/{safe}-{checkpoint.revision}-{digest}.onnx"
    file.rename(out / name)
    return {
        "name": safe,
        "title": checkpoint.title,
        "file": name,
        "bytes": (out / name).stat().st_size,
        "revision": checkpoint.revision,
        "color": checkpoint.spec.color,
        "facts": onnx.read_facts(out / name),
        "marks": make_marks(checkpoint.name, checkpoint.revision, title=checkpoint.title),
    }


def _keeper(out: Path, models: Sequence[str], place: str) -> None:
    """Tell the service worker what there is: a new page replaces the old one as a whole."""
    lasting = [*models, *(f"{place}/{name}" for name in runtime.FILES)]
    shell = [
        file.relative_to(out).as_posix()
        for file in sorted(out.rglob("*"))
        if file.is_file() and file.name not in (KEEPER, "README.md", "leaderboard.html")
    ]
    shell = [file for file in shell if file not in lasting]
    digest = hashlib.sha256()
    for file in shell:
        digest.update(f"{file}\n".encode() + (out / file).read_bytes())
    text = (out / KEEPER).read_text(encoding="utf-8")
    for name, value in (
        ("version", digest.hexdigest()[:12]), ("files", json.dumps(["./", *shell])),
        ("lasting", json.dumps(lasting)),
    ):  # fmt: skip
        text = text.replace(f"@@{name}", value)
    (out / KEEPER).write_text(text, encoding="utf-8")


def draw_icon(side: int) -> bytes:
    """The picture of icon.svg as a PNG, for phones."""
    unit = side / 64
    image = Image.new("RGB", (side, side), "#2e2e2e")
    pen = ImageDraw.Draw(image)
    for color, box in (
        ("#b8b8b8", (12, 12, 32, 52)), ("#0072b2", (32, 12, 52, 25)),
        ("#e69f00", (32, 25, 52, 38)), ("#009e73", (32, 38, 52, 52)),
    ):  # fmt: skip
        pen.rectangle([round(edge * unit) - (i > 1) for i, edge in enumerate(box)], fill=color)
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
