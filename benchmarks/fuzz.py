"""What strangers send: `python -m benchmarks.fuzz [WHAT ...] [--files 10000] [--seed 0]`.

WHAT is pictures, checkpoints, zips, clips, api, bombs, memory (calls of the demo in one process,
which is to stay under 1.5 GB), or all (pictures without any). Sound files (tests/cases,
../shared/cases where it is, the samples) are mutated and handed to the code that the pages, the
command line and the API hand them to, in a process of its own. The table counts what was accepted,
what was refused with a sentence, and what must not be: tracebacks, hangs and crashes (over 300 s,
or the process ended), slow ones (over 20 s; on a busy machine the processor's time counts), and
those that took over 1.5 GB more.
The exit code is 1 where there was one of these. A traceback is printed with the seed of its file.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import random
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SLOW, HANG, MEMORY = 20.0, 300.0, 1500.0  # seconds, seconds, MB
CLIPS = {".mp4", ".mkv", ".avi", ".mov", ".mpg", ".ts", ".webm", ".wmv", ".gif"}
NUMBERS = (0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
VALUES = (None, True, False, 0, -1, 3, 1.5, 1e308, float("nan"), "", "x", "é" * 300, [], [1], {})
VALUES += ({"a": 1}, ["x"], "../../../etc/passwd", "12", -(2**70), "\0", [[]], {"": None})


# ------------------------------------------------------------------------------ what is sent


@cache
def find_seeds(kind: str) -> list[tuple[str, bytes]]:
    """Sound and odd files to begin with: (name, bytes)."""
    folders = [ROOT / "tests" / "cases", ROOT.parent / "shared" / "cases"]
    files = {path.name: path for folder in folders for path in sorted(folder.glob("*.*"))}
    wanted = CLIPS if kind == "clips" else {".zip"}
    chosen = [path for path in files.values() if path.suffix in wanted]
    if kind == "pictures":
        left = CLIPS - {".gif"} | {".zip", ".tsv"}
        chosen = [path for path in files.values() if path.suffix not in left]
        chosen += sorted((ROOT / "workbench" / "samples").glob("*.jpg"))
    return [(path.name, path.read_bytes()) for path in chosen if path.stat().st_size < 400_000]


def mutate(data: bytes, rng: random.Random, other: bytes = b"") -> bytes:
    """The bytes with one to six faults: flips, cuts, gaps, repeats, numbers, pieces of another."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        size = len(out)
        if size < 8:
            break
        at = rng.randrange(min(size, 1024) if rng.random() < 0.6 else size)
        fault = rng.randrange(8)
        if fault < 2:
            out[at] ^= 1 << rng.randrange(8)
        elif fault == 2:
            del out[at:]
        elif fault == 3:
            del out[at : at + rng.randrange(1, 64)]
        elif fault == 4:
            out[at:at] = out[at : at + rng.randrange(1, 2000)]
        elif fault == 5:
            form = rng.choice(("<H", ">H", "<I", ">I", "B"))
            most = 256 ** struct.calcsize(form)
            packed = struct.pack(form, rng.choice(NUMBERS) % most)
            out[at : at + len(packed)] = packed
        elif fault == 6:
            out[at : at + 16] = rng.randbytes(16)
        else:
            start = rng.randrange(len(other) or 1)
            out[at:at] = other[start : start + rng.randrange(1, 4000)]
    return bytes(out)


# -------------------------------------------------------------------------- who receives it


def pictures(seed: int) -> None:
    """Open a mutated picture and write it again; the trainer's way, too."""
    from workbench.images import encode, open_image, open_pixels

    rng = random.Random(seed)
    (name, data), (_, other) = (
        rng.choice(find_seeds("pictures")),
        rng.choice(find_seeds("pictures")),
    )
    data = mutate(data, rng, other)
    picture = open_image(data, name)
    for form in ("png", "jpeg"):
        encode(
            picture.full, form=form, exif=picture.exif, icc=picture.icc, dpi=picture.dpi,
            marks={"Software": "fuzz", "Description": "fuzz"},
        )  # fmt: skip
    open_pixels(data, name, at_least=64)


def zips(seed: int) -> None:
    """Unpack a mutated archive as the page Batch does."""
    from workbench.errors import Problem
    from workbench.jobs.batch import unpack_uploads

    rng = random.Random(seed)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", rng.choice((0, 8, 12, 14))) as archive:
        for name in rng.sample(
            ("a.png", "..", ".", "b/c.jpg", "é.png", "x" * 300, "__MACOSX/a"), 4
        ):
            archive.writestr(name, rng.randbytes(rng.randrange(1, 3000)))
    known = [*(data for _, data in find_seeds("zips")), made.getvalue()]
    files, failures = unpack_uploads([("in.zip", mutate(rng.choice(known), rng, made.getvalue()))])
    refused = len(failures)
    for file in files:
        try:
            file.read()
        except Problem:
            refused += 1
    if refused:
        raise Problem(f"{refused} were named.")


def clips(seed: int) -> None:
    """Colour a mutated clip with a network that paints everything alike."""
    import torch

    from workbench.video import colorize_video

    class Tint(torch.nn.Module):
        def forward(self, L: torch.Tensor) -> torch.Tensor:
            return torch.full((len(L), 2, *L.shape[-2:]), 20.0)

    rng = random.Random(seed)
    (name, data), (_, other) = rng.choice(find_seeds("clips")), rng.choice(find_seeds("clips"))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, name)
        source.write_bytes(mutate(data, rng, other))
        colorize_video(source, Path(folder, "out", "clip.mp4"), Tint(), size=32)


@cache
def sound_checkpoint() -> dict[str, bytes]:
    """The files of a small model with a log and scores."""
    import torch

    from workbench import checkpoints
    from workbench.evaluation import scores
    from workbench.models import MODELS

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        config = {"model": "vanilla_cnn", "width": 0.125, "options": {}, "size": 64}
        config |= {"images_seen": 5, "trained_on": ["x"], "classes": ["a"], "machine": {"n": 1}}
        checkpoints.save(MODELS["vanilla_cnn"].build(width=0.125), root, config)
        lines = [{"run": {"images": 9}, "check": {"n": 3}}, {"seen": 5, "losses": {"net": 1.0}}]
        (root / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
        row = scores.Score("m", "-", "d", "a.png", "cw-1", 256, psnr=20.0)
        scores.write(root / "scores" / "d.csv", [row, row])
        files = (path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def checkpoints_(seed: int) -> None:
    """List, load and follow a mutated model beside a sound one; the sound one must be there."""
    from workbench import checkpoints
    from workbench.errors import Problem
    from workbench.evaluation import scores
    from workbench.training import follow

    rng, files = random.Random(seed), dict(sound_checkpoint())
    name = rng.choice([*files, "config.json", "config.json"])
    if name == "config.json" and rng.random() < 0.7:
        config = json.loads(files[name])
        for _ in range(rng.choice((1, 1, 2))):
            key = rng.choice([*config, "surplus"])
            config[key] = rng.choice(VALUES)
            if rng.random() < 0.2:
                del config[key]
        files[name] = json.dumps(config).encode()
    else:
        files[name] = mutate(files[name], rng, files["config.json"])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for model, content in (("broken", files), ("sound", sound_checkpoint())):
            for path, data in content.items():
                (root / model / path).parent.mkdir(parents=True, exist_ok=True)
                (root / model / path).write_bytes(data)
        found, complaints = checkpoints.scan(root)
        assert "sound" in found, "a broken model hides a sound one"
        refused = list(complaints)
        refused += scores.read_each([root / "broken" / "scores" / "d.csv"])[1]
        for work in (
            lambda: found["broken"].net() if "broken" in found else None,
            lambda: _looked_at(follow.follow(root / "broken")),
        ):
            try:
                work()
            except Problem as problem:
                refused.append(str(problem))
        for checkpoint in found.values():
            _ = checkpoint.title, checkpoint.revision, checkpoint.size, checkpoint.bytes
            ", ".join(checkpoint.config["trained_on"])
    if refused:
        raise Problem(refused[0])


def _looked_at(run: Any) -> None:
    """What the page Training reads of a run."""
    _ = run.state, run.seen, run.images, run.frames, run.truth, run.said
    for line in run.lines:
        _ = f"{line['rate']:.0f} {line['seconds'] / 60:.0f} {line['learning_rate']:g}"
        sum(line["losses"].values())
    for name in ("run", "check", "machine"):
        dict(run.header.get(name, {}))


def api(seed: int) -> None:
    """Call the endpoints' functions with any values in any place."""
    import gradio as gr

    from workbench.errors import Problem
    from workbench.samples import SAMPLES
    from workbench.serving import demo

    rng = random.Random(seed)
    sample = str(SAMPLES["chelsea"].path)
    words = [sample, "vanilla_cnn", 64, None, 1.0, None, False]
    endpoint = demo.colorize
    if rng.random() < 0.3:
        endpoint, words = demo.compare, [sample, ["vanilla_cnn"]]
    words[rng.randrange(len(words))] = rng.choice(VALUES)
    try:
        demo.raise_as_sentence(endpoint)(*words)
    except gr.Error as error:
        raise Problem(error.message or "") from None


def memory(seed: int) -> None:
    """One call of the demo with a picture that it has not seen, up to two megapixels."""
    import numpy as np
    from PIL import Image

    from workbench.serving import demo

    rng = random.Random(seed)
    shape = (rng.randrange(200, 1200), rng.randrange(200, 1600), 3)
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(shape[1::-1], Image.Resampling.BICUBIC)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{seed}.jpg")
        image.save(file)
        names = list(demo.checkpoints.available())
        if rng.random() < 0.2:
            made, _ = demo.compare(str(file), rng.sample(names, 2))
            written = [path for path, _ in made]
        else:
            written = [demo.colorize(str(file), rng.choice(names))[0]]
        for path in written:  # memory is what is measured, not the disk
            Path(path).unlink(missing_ok=True)


# ---------------------------------------------------------------------------------- bombs


def _png(width: int, height: int, depth: int, kind: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    row = b"\0" * (1 + width * {0: 1, 2: 3, 4: 2, 6: 4}[kind] * depth // 8)
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def _saved(
    size: tuple[int, int], form: str, mode: str = "RGB", color: int | tuple[int, ...] = 0,
    **options: Any,
) -> bytes:  # fmt: skip
    from PIL import Image

    out = io.BytesIO()
    Image.new(mode, size, color).save(out, form, **options)
    return out.getvalue()


def _enlarged(size: tuple[int, int]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.open(next((ROOT / "workbench" / "samples").glob("*.jpg"))).resize(size).save(out, "JPEG")
    return out.getvalue()


def _tiff(*shape: int, kind: str) -> bytes:
    import numpy as np
    import tifffile

    out = io.BytesIO()
    colors = {"photometric": "rgb"} if len(shape) == 3 else {}
    tifffile.imwrite(out, np.zeros(shape, kind), compression="zlib", **colors)
    return out.getvalue()


def _empty_pages(number: int) -> bytes:
    data = bytearray(_saved((300, 200), "TIFF"))
    start = struct.unpack_from("<I", data, 4)[0]
    link = start + 2 + 12 * struct.unpack_from("<H", data, start)[0]
    struct.pack_into("<I", data, link, len(data))
    end = len(data)
    for page in range(number):
        data += struct.pack("<HI", 0, end + 6 * (page + 1))
    return bytes(data)


BOMBS: dict[str, Callable[[], bytes]] = {
    "PNG, 16 bit grey, 10950 x 10950": lambda: _png(10950, 10950, 16, 0),
    "PNG, 16 bit RGB, 7000 x 7000": lambda: _png(7000, 7000, 16, 2),
    "PNG, 16 bit RGBA, 6000 x 4000": lambda: _png(6000, 4000, 16, 6),
    "PNG, 16 bit RGBA, 6100 x 6100": lambda: _png(6100, 6100, 16, 6),
    "PNG, 8 bit RGB, 7870 x 7870": lambda: _png(7870, 7870, 8, 2),
    "PNG, 8 bit RGBA, 7870 x 7870": lambda: _png(7870, 7870, 8, 6),
    "PNG, 30000 x 30000": lambda: _png(30000, 3, 8, 0).replace(
        struct.pack(">II", 30000, 3), struct.pack(">II", 30000, 30000)
    ),
    "PNG, 1 x 60,000,000": lambda: _png(1, 60_000_000, 8, 0),
    "PNG, 65,000 x 900": lambda: _png(65_000, 900, 8, 2),
    "JPEG, 7870 x 7870": lambda: _saved((7870, 7870), "JPEG"),
    "JPEG, 7870 x 7870, a photograph": lambda: _enlarged((7870, 7870)),
    "JPEG, 7870 x 7870, nearly black": lambda: _saved((7870, 7870), "JPEG", color=(9, 9, 9)),
    "JPEG, CMYK, 7870 x 7870": lambda: _saved((7870, 7870), "JPEG", "CMYK"),
    "JPEG 2000, 5400 x 5400": lambda: _saved((5400, 5400), "JPEG2000"),
    "AVIF, 7800 x 7800": lambda: _saved((7800, 7800), "AVIF", speed=10),
    "WebP, 7800 x 7800": lambda: _saved((7800, 7800), "WEBP", lossless=True, method=0),
    "GIF, 7870 x 7870": lambda: _saved((7870, 7870), "GIF", "P"),
    "TIFF, LZW, 7870 x 7870": lambda: _saved((7870, 7870), "TIFF", compression="tiff_lzw"),
    "TIFF, float64, 4900 x 5000": lambda: _tiff(4900, 5000, kind="float64"),
    "TIFF, float32 RGB, 4900 x 5000": lambda: _tiff(4900, 5000, 3, kind="float32"),
    "TIFF, uint16 RGB, 7000 x 7000": lambda: _tiff(7000, 7000, 3, kind="uint16"),
    "TIFF, 60,000 empty pages": lambda: _empty_pages(60_000),
    "TIFF, 1,100,000 empty pages (6.6 MB)": lambda: _empty_pages(1_100_000),
    "PPM in digits, 65 MB": lambda: b"P3\n3300 3300\n255\n" + b"0 " * (3300 * 3300 * 3),
    "PBM in digits, 64 MB": lambda: b"P1\n7800 7800\n" + b"0" * 60_840_000,
}


def bombs(number: int) -> None:
    """Open, colour along the edges and write what is as large as it may be, or larger."""
    from workbench.coloring.colorize import Settings
    from workbench.images import open_image
    from workbench.serving import api as service
    from workbench.serving.studio import shared_studio

    name = list(BOMBS)[number]
    data = BOMBS[name]()
    checkpoint = service.find_checkpoints(["vanilla_cnn"])[0]
    service.colorize_upload(open_image(_saved((64, 64), "PNG")), checkpoint, Settings())  # warm
    _forget_peak()
    before, steps = _memory("VmRSS"), []

    def timed(work: Callable[[], Any]) -> Any:
        begun, worked = time.perf_counter(), time.process_time()
        try:
            return work()
        finally:
            steps.append(min(time.perf_counter() - begun, time.process_time() - worked))

    settings = Settings(edges=True, chroma=1.2)
    try:
        opening = partial(open_image, data, name.replace(" ", "_"))
        picture = timed(lambda: shared_studio().open_picture(number, opening))
        timed(lambda: shared_studio().colorize(checkpoint, picture, settings))
        # Again, as the API asks: from the shelf unless it is larger than that, and measured
        rgb, _ = service.colorize_upload(picture, checkpoint, settings)
        service.encode_png(picture, checkpoint, Settings(), rgb)
    finally:
        MEASURED[:] = [max(steps), _memory("VmHWM") - before]
        words = ", ".join(f"{what} {each:.1f} s" for what, each in zip(STEPS, steps, strict=False))
        print(f"  {name}: {len(data) / 1e6:.1f} MB, +{MEASURED[1]:.0f} MB, {words}", flush=True)


STEPS = ("opened", "coloured")  # each holds the queue once
MEASURED = [0.0, 0.0]  # seconds of the longer step and MB, of the last of BOMBS


# --------------------------------------------------------------------------------- counting


@dataclass
class Tally:
    """A line of the table."""

    what: str
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    megabytes: float = 0.0


WORK = {
    "pictures": pictures, "checkpoints": checkpoints_, "zips": zips, "clips": clips, "api": api,
    "bombs": bombs, "memory": memory,
}  # fmt: skip
FILES = {
    "checkpoints": 500,
    "zips": 500,
    "clips": 200,
    "api": 156,
    "bombs": len(BOMBS),
    "memory": 2400,
}
COLUMNS = ("accepted", "refused", "traceback", "hang", "slow", "over memory")


def _memory(name: str) -> float:
    """A line of this process's status, MB; 0 where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in status.splitlines() if line.startswith(name)]
    return int(found[0]) / 1000 if found else 0.0


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def run_one(what: str, seed: int) -> tuple[str, float, float, str]:
    """Outcome, seconds, MB above what was there before, and what was said."""
    from workbench.errors import Problem

    warnings.simplefilter("ignore")
    _forget_peak()
    before, begun, worked = _memory("VmRSS"), time.perf_counter(), time.process_time()
    outcome, said = "accepted", ""
    try:
        WORK[what](seed)
    except Problem as problem:
        outcome, said = "refused", str(problem)
        if not said.strip() or said == "None":
            outcome = "traceback"
    except Exception:
        outcome, said = "traceback", traceback.format_exc()
    seconds = min(time.perf_counter() - begun, time.process_time() - worked)
    if what == "bombs":
        return outcome, *MEASURED, said
    if what == "memory":  # of the whole process, after the call
        return outcome, seconds, _memory("VmRSS"), said
    return outcome, seconds, _memory("VmHWM") - before, said


def try_seeds(what: str, numbers: Iterable[int]) -> Tally:
    """Try every seed in a process of its own, which is started again where one ends or hangs it."""
    tally, context = Tally(what), multiprocessing.get_context("spawn")
    pool = None
    for done, seed in enumerate(numbers):
        if pool is None or (what == "bombs" and done):
            if pool is not None:
                pool.terminate()
            pool = context.Pool(1)
            pool.apply(run_one, (what if what != "bombs" else "api", 0))  # imports do not count
        try:
            outcome, seconds, megabytes, said = pool.apply_async(run_one, (what, seed)).get(HANG)
        except multiprocessing.TimeoutError:
            pool.terminate()
            pool, outcome, seconds, megabytes, said = None, "hang", HANG, 0.0, "no answer"
        tally.counts[outcome] += 1
        tally.counts["slow"] += seconds > SLOW
        tally.counts["over memory"] += megabytes > MEMORY
        tally.seconds = max(tally.seconds, seconds)
        tally.megabytes = max(tally.megabytes, megabytes)
        if outcome in ("traceback", "hang"):
            print(f"{what} {seed}: {outcome}\n{said}", file=sys.stderr, flush=True)
        if what == "bombs":
            print(f"    {outcome}: {said}" if said else f"    {outcome}", flush=True)
        elif done % 500 == 499:
            print(f"{what}: {done + 1}", file=sys.stderr, flush=True)
    if pool is not None:
        pool.terminate()
    return tally


def main() -> None:
    """Try, print the table, and say by the exit code whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", default=["pictures"], choices=[*WORK, "all"])
    parser.add_argument("--files", type=int, help="of each; default: 10000 pictures, fewer others")
    parser.add_argument("--seed", type=int, default=0, help="of the first file")
    asked = parser.parse_args()
    kinds = list(WORK) if "all" in asked.what else asked.what
    tallies = []
    for what in kinds:
        number = FILES.get(what, 10_000) if asked.files is None else asked.files
        number = min(number, len(BOMBS)) if what == "bombs" else number
        tallies.append(try_seeds(what, range(asked.seed, asked.seed + number)))
    head = "".join(f"{name:>13}" for name in COLUMNS)
    print(f"{'':<12}{head}{'worst s':>10}{'worst MB':>10}")
    for tally in tallies:
        cells = "".join(f"{tally.counts[name]:>13,}" for name in COLUMNS)
        print(f"{tally.what:<12}{cells}{tally.seconds:>10.1f}{tally.megabytes:>10.0f}")
    sys.exit(any(tally.counts[name] for tally in tallies for name in COLUMNS[2:]))


if __name__ == "__main__":
    main()
