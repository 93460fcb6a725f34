"""The static page beside native code: `python -m benchmarks.bench_static [--json] [--site DIR]`.

The bundled networks on one 512 x 512 photograph, warm, from bytes to pictures, in one run: in
Chromium (WebAssembly, two threads, what a visitor has), in onnxruntime and in PyTorch.
"""

from __future__ import annotations

import argparse
import statistics
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.bench import photograph, time_calls
from workbench import checkpoints, places
from workbench.cli import print_rows
from workbench.coloring import edges
from workbench.coloring.colorize import Settings, colorize_all, join_at_depth, lightness
from workbench.errors import Problem
from workbench.images import open_image

THREADS = 2
ROUNDS = 7


def in_chromium(site: Path, data: bytes) -> list[dict]:
    """All pictures and the first one, from choosing the file; the page's own clock."""
    from playwright.sync_api import sync_playwright

    from tests.browser import FLAGS
    from workbench.publishing.static_server import bind_server

    running = bind_server(site, "127.0.0.1", 0)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    times: list[tuple[float, float]] = []
    try:
        with sync_playwright() as started:
            path = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
            browser = started.chromium.launch(executable_path=path, args=FLAGS)
            page = browser.new_page(viewport={"width": 1360, "height": 900})
            page.set_default_timeout(120_000)
            address = f"http://127.0.0.1:{running.server_address[1]}/"
            page.goto(f"{address}?backend=wasm&threads={THREADS}")
            page.wait_for_selector("body[data-done]")
            for _ in range(ROUNDS + 2):  # two to warm up
                number = int(page.evaluate("document.body.dataset.done")) + 1
                page.evaluate("performance.clearMarks()")
                file = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": data}
                page.set_input_files("#file", file)
                page.wait_for_selector(f"body[data-done='{number}']")
                asked, *painted = page.evaluate(
                    "performance.getEntriesByType('mark').map(mark => mark.startTime)"
                )
                times.append((painted[-1] - asked, painted[0] - asked))
            where = page.evaluate("document.body.dataset.runsOn")
            browser.close()
    finally:
        running.shutdown()
        running.server_close()
    count, (total, first) = len(painted), zip(*times[2:], strict=True)
    return [
        make_row(f"{count} networks in Chromium ({where.replace(' ', ', ')} threads)", total, 2500),
        make_row("first picture in Chromium", first, 800),
    ]


def make_row(what: str, times: tuple[float, ...], goal: int | None = None) -> dict:
    """A row of the table, in milliseconds."""
    found = {"ms": statistics.median(times), "least": min(times), "most": max(times)}
    return {"what": what, **{name: round(value) for name, value in found.items()}, "goal": goal}


def measure_native(site: Path, data: bytes) -> list[dict]:
    """onnxruntime on the page's own files, then PyTorch in bf16 and fp32."""
    import json

    import onnxruntime

    from workbench.publishing import onnx

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    files = [network["file"] for network in json.loads((site / "site.json").read_text())["models"]]
    sessions = [onnxruntime.InferenceSession(site / file, options) for file in files]

    def onnxruntime_way() -> None:
        L = lightness(open_image(data, "photo.jpg").rgb)
        for session in sessions:
            join_at_depth(L, edges.upsample(onnx.predict_coarse(session, L[None]), L.shape[-2:])[0])

    found = checkpoints.available(places.CHECKPOINTS)
    nets = {name: (checkpoint.net(), checkpoint.size) for name, checkpoint in found.items()}

    def pytorch_way(exact: bool) -> None:
        list(colorize_all(nets, open_image(data, "photo.jpg").rgb, Settings(exact=exact)))

    torch.set_num_threads(THREADS)
    rows = []
    for what, work in (
        ("in onnxruntime", onnxruntime_way),
        ("in PyTorch, fp32", lambda: pytorch_way(True)),
        ("in PyTorch, as the workbench runs them", lambda: pytorch_way(False)),
    ):
        least, median, most = time_calls(work, ROUNDS)
        rows.append(make_row(f"{len(sessions)} networks {what}", (least, median, most)))
    return rows


def measure(data: bytes, site: Path | None = None) -> list[dict]:
    """The rows; the page is assembled first where no folder of it is given. Raises Problem."""
    from workbench.publishing import spaces

    with TemporaryDirectory() as spare:
        site = site or spaces.assemble("static", Path(spare) / "site")
        return in_chromium(site, data) + measure_native(site, data)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", type=Path, help="an assembled page; else it is made first")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        print_rows(measure(photograph(512), options.site), options.json)
    except Problem as problem:
        raise SystemExit(str(problem)) from None


if __name__ == "__main__":
    main()
