"""How long a person waits. `make bench`, or `python -m benchmarks.bench [--no-browser] [--json]`.

The papers' networks on one 512 x 512 photograph, warm, from bytes to pictures, and what the time
goes into; the same beside a process that keeps a core busy; one on 24 megapixels. Beside it the
usual way (scikit-image's Lab, fp32, one model after the other). Then, in a browser: from
dropping the file to all pictures, from a cold start to a usable page, and from opening the address
to the first picture in colour: at a server that nobody has asked yet, and at one that is awake.
"""

from __future__ import annotations

import argparse
import io
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from workbench import checkpoints, places, samples
from workbench.cli import print_rows
from workbench.coloring import edges
from workbench.coloring.colorize import (
    colorize,
    colorize_all,
    join_at_depth,
    lightness,
    predict_coarse,
)
from workbench.coloring.together import threads_of_torch
from workbench.images import encode, open_image

ROOT = Path(__file__).resolve().parent.parent


def photograph(side: int) -> bytes:
    """A sample picture, side x side, as a JPEG file."""
    first = next(iter(samples.SAMPLES.values()))
    image = Image.open(first.path).convert("RGB").resize((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def time_calls(work: Callable[[], object], rounds: int = 7) -> tuple[float, float, float]:
    """Milliseconds, (least, median, most), after two warm-up calls."""
    work(), work()
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - begun))
    return min(times), statistics.median(times), max(times)


def run_ours(nets: dict, data: bytes) -> list:
    """The workbench's way: bytes to pictures."""
    return list(colorize_all(nets, open_image(data, "photo.jpg").rgb))


@torch.inference_mode()
def run_usual(nets: dict, data: bytes) -> list:
    """The usual way: scikit-image, fp32, one after the other."""
    from skimage.color import lab2rgb, rgb2lab

    warnings.simplefilter("ignore")  # scikit-image counts the colours it clips

    results = []
    for net, size in nets.values():
        lab = rgb2lab(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
        L = torch.from_numpy(lab[..., :1]).float().permute(2, 0, 1)[None]
        small = F.interpolate(L, (size, size), mode="bilinear", antialias=True)
        ab = F.interpolate(net(small).float(), L.shape[-2:], mode="bilinear")
        lab = torch.cat((L, ab), 1)[0].permute(1, 2, 0).numpy()
        results.append((255 * lab2rgb(lab)).astype(np.uint8))
    return results


def measure_shares(nets: dict, data: bytes) -> list[dict]:
    """What the time from bytes to files goes into, all networks' work added up, one thread each."""
    rgb = open_image(data, "photo.jpg").rgb
    L = lightness(rgb)
    coarse = [predict_coarse(net, L[None], size) for net, size in nets.values()]
    planes = [edges.upsample(ab, L.shape[-2:])[0] for ab in coarse]
    made = [join_at_depth(L, ab) for ab in planes]
    works = {
        "decode the file": lambda: open_image(data, "photo.jpg"),
        "Lab: lightness": lambda: lightness(rgb),
        "networks": lambda: [predict_coarse(net, L[None], own) for net, own in nets.values()],
        "ab enlarged": lambda: [edges.upsample(ab, L.shape[-2:]) for ab in coarse],
        "Lab and gamut to RGB": lambda: [join_at_depth(L, ab) for ab in planes],
        "PNG": lambda: [encode(each) for each in made],
    }
    with threads_of_torch(1):
        times = {what: time_calls(work) for what, work in works.items()}
    total = sum(median for _, median, _ in times.values())
    return [
        {"what": f"of it, {what}: {median / total:.0%}", "ms": round(median), "least": round(least),
         "most": round(most)}
        for what, (least, median, most) in times.items()
    ]  # fmt: skip


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """Another process that keeps one core busy, as a clip, a training run or a Space does."""
    code = "import torch; torch.set_num_threads(1); x = torch.rand(600, 600)\nwhile True: x @ x"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        time.sleep(3)  # until torch is imported
        yield
    finally:
        process.kill()
        process.wait()


def in_the_browser(data: bytes, folder: Path) -> list[dict]:
    """Cold start to a usable page, and drop to all pictures."""
    from playwright.sync_api import sync_playwright

    from tests.browser import FLAGS, free_port

    photo = folder / "photo.jpg"
    photo.write_bytes(data)
    port = free_port()
    begun = time.perf_counter()
    command = [str(Path(sys.executable).with_name("streamlit")), "run", "app.py"]
    server = subprocess.Popen(
        [*command, f"--server.port={port}", "--server.headless=true"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with sync_playwright() as started:
            path = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
            browser = started.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1360, "height": 900})
            while True:
                try:
                    page.goto(f"http://127.0.0.1:{port}/?view=Side+by+side", wait_until="commit")
                    break
                except Exception:  # not listening yet
                    if time.perf_counter() - begun > 60:
                        raise
                    time.sleep(0.1)
            page.locator("[data-testid='stFileUploaderDropzoneInput']").first.wait_for(
                state="attached", timeout=60_000
            )
            usable = time.perf_counter() - begun
            pictures = page.locator("figure img")
            pictures.nth(5).wait_for(timeout=120_000)
            sample = time.perf_counter() - begun
            page.wait_for_timeout(2000)
            old = set(pictures.evaluate_all("all => all.map(i => i.src)"))
            begun = time.perf_counter()
            page.locator("[data-testid='stFileUploaderDropzoneInput']").first.set_input_files(photo)
            complete = "all => all.filter(i => i.complete && i.naturalWidth).map(i => i.src)"
            while len(set(pictures.evaluate_all(complete)) - old) < 6:
                assert time.perf_counter() - begun < 120
                page.wait_for_timeout(20)
            drop = time.perf_counter() - begun
            browser.close()
    finally:
        server.terminate()
        server.wait(20)
    return [
        {"what": "cold start to a usable page", "ms": round(usable * 1000), "goal": 10_000},
        {"what": "cold start to all pictures", "ms": round(sample * 1000), "goal": None},
        {"what": "drop to all pictures, in the browser", "ms": round(drop * 1000), "goal": 2500},
    ]


COLORED = """() => {
  const all = (root) => [...root.querySelectorAll("*")]
    .flatMap((each) => (each.shadowRoot ? [each, ...all(each.shadowRoot)] : [each]));
  return all(document).some((each) => each.matches("img.after") && each.naturalWidth);
}"""


def time_first_color(folder: Path) -> list[dict]:
    """From opening the address to the first picture in colour and to every network's result, at a
    server that nobody has asked yet (no cache either), and warm."""
    from playwright.sync_api import sync_playwright

    from tests.browser import FLAGS, free_port, running

    path = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
    seconds, complete = [], []
    with (
        running(folder / "log", free_port(), WORKBENCH_CACHE=str(folder / "cache")) as (address, _),
        sync_playwright() as started,
    ):
        for _ in range(4):  # a browser of its own each: nothing is kept in it
            browser = started.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1360, "height": 900})
            begun = time.perf_counter()
            page.goto(address, wait_until="commit")
            page.wait_for_function(COLORED, timeout=120_000, polling=20)
            seconds.append(time.perf_counter() - begun)
            page.get_by_text("All results (ZIP)").wait_for(timeout=300_000)
            complete.append(time.perf_counter() - begun)
            browser.close()
    rows = []
    for what, times, goals in (
        ("first colour", seconds, (2000, 1500)),
        ("all networks' results", complete, (4000, None)),
    ):
        cold, *warm = (round(1000 * each) for each in times)
        rows += [
            {"what": f"{what}, cold, from the page", "ms": cold, "goal": goals[0]},
            {"what": f"{what}, warm", "ms": statistics.median(warm), "least": min(warm),
             "most": max(warm), "goal": goals[1]},
        ]  # fmt: skip
    return rows


def measure_static(data: bytes) -> list[dict]:
    """The static page beside native code; a row that says why not, where it cannot be made."""
    from benchmarks.bench_static import measure
    from workbench.errors import Problem

    try:
        return measure(data)
    except Problem as problem:
        return [{"what": f"the static page: {problem}"}]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = checkpoints.available(places.CHECKPOINTS)
    if not found:
        raise SystemExit(f"No trained networks in {places.CHECKPOINTS}.")
    every = {name: (checkpoint.net(), checkpoint.size) for name, checkpoint in found.items()}
    nets = {name: every[name] for name, each in found.items() if not each.spec.ours} or every
    data = photograph(512)
    rows = []
    for what, work, goal in (
        (f"{len(nets)} networks, 512 x 512, the workbench", run_ours, 150),
        (f"{len(nets)} networks, 512 x 512, the usual way", run_usual, None),
    ):
        least, median, most = time_calls(lambda work=work: work(nets, data))
        rows.append(
            {"what": what, "ms": round(median), "least": round(least), "most": round(most),
             "goal": goal}
        )  # fmt: skip
    with busy_neighbour():
        least, median, most = time_calls(lambda: run_ours(nets, data))
    rows.append(
        {"what": f"{len(nets)} networks, with a busy neighbour", "ms": round(median),
         "least": round(least), "most": round(most), "goal": 2 * rows[0]["ms"]}
    )  # fmt: skip
    ratio = rows[1]["ms"] / rows[0]["ms"]
    rows.append({"what": "ratio", "ms": f"{ratio:.1f} x"})
    rows += measure_shares(nets, data)
    name, (net, size) = next(iter(nets.items()))
    large = open_image(photograph(4899), "photo.jpg").rgb
    least, median, most = time_calls(lambda: colorize(net, large, size=size), rounds=3)
    rows.append(
        {"what": f"{name} on 24 megapixels, pixels to pixels", "ms": round(median),
         "least": round(least), "most": round(most)}
    )  # fmt: skip
    if not options.no_browser:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            rows += in_the_browser(data, Path(folder))
            rows += time_first_color(Path(folder))
        rows += measure_static(data)
    columns = ("what", "ms", "least", "most", "goal")
    print_rows([{column: row.get(column) for column in columns} for row in rows], options.json)


if __name__ == "__main__":
    main()
