"""The static page in a real browser: a picture of each model, the engine's colours, no network."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from browser import FLAGS, watched_page
from PIL import Image
from static_site import browser_runtime, served, static_site

from workbench import checkpoints, samples
from workbench.coloring.colorize import Settings, colorize, make_marks
from workbench.errors import Problem
from workbench.evaluation.metrics import delta_e
from workbench.images import XMP, open_image
from workbench.publishing import runtime, static_page, static_server

__all__ = ["browser_runtime", "static_site"]
pytestmark = pytest.mark.browser
ROOT = Path(__file__).resolve().parent.parent
BUNDLED = checkpoints.available(ROOT / "checkpoints")
SIZES = {"viewport": {"width": 1360, "height": 900}}


@pytest.fixture
def visited(chromium, static_site):
    """The page as a visitor opens it, every network shown, in WASM."""
    with served(static_site) as (address, _), watched_page(chromium, **SIZES) as opened:
        visit(opened, address)
        yield opened


def visit(page, address: str, query: str = "?backend=wasm") -> None:
    page.goto(address + query)
    page.wait_for_selector("body[data-done]")


def drop(page, name: str, data: bytes, kind: str = "image/png") -> None:
    """Choose a file, and wait until every network has coloured it."""
    number = int(page.evaluate("document.body.dataset.done"))
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": data})
    page.wait_for_selector(f"body[data-done='{number + 1}']")


def png(rgb: torch.Tensor | np.ndarray) -> bytes:
    pixels = rgb.permute(1, 2, 0).numpy() if isinstance(rgb, torch.Tensor) else rgb
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG")
    return buffer.getvalue()


def shown(page, model: str) -> torch.Tensor:
    """What the page shows of a model: uint8 RGB (3, H, W)."""
    canvas = page.locator(f"figure[data-model={model}] canvas.after")
    width, height, data = canvas.evaluate(
        """async canvas => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const url = await new Promise(go => {
            const reader = new FileReader();
            reader.onload = () => go(reader.result);
            reader.readAsDataURL(new Blob([data]));
          });
          return [canvas.width, canvas.height, url.split(",")[1]];
        }"""
    )
    pixels = np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)
    return torch.from_numpy(pixels[..., :3].transpose(2, 0, 1).copy())


def ours(name: str, rgb: torch.Tensor, **changed) -> torch.Tensor:
    """The engine's picture, in fp32."""
    checkpoint = BUNDLED[name]
    return colorize(checkpoint.net(), rgb, Settings(exact=True, **changed), checkpoint.size).rgb


def difference(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(delta_e(one[None], other[None])[0])


def download(page, model: str) -> tuple[str, bytes]:
    with page.expect_download() as got:
        page.locator(f"figure[data-model={model}] .save").click()
    return got.value.suggested_filename, Path(got.value.path()).read_bytes()


# ---------------------------------------------------------------------- the same picture


def mean_differences(page, pictures: list[torch.Tensor]) -> dict[str, float]:
    """Model -> mean CIEDE2000 between the page's pictures and the engine's."""
    found: dict[str, list[float]] = {name: [] for name in BUNDLED}
    nets = {name: checkpoint.net() for name, checkpoint in BUNDLED.items()}
    for number, rgb in enumerate(pictures):
        drop(page, f"{number}.png", png(rgb))
        for name, checkpoint in BUNDLED.items():
            made = colorize(nets[name], rgb, Settings(exact=True), checkpoint.size).rgb
            found[name].append(difference(shown(page, name), made))
    return {name: sum(values) / len(values) for name, values in found.items()}


def test_the_page_shows_the_engines_pictures_of_the_samples(visited):
    pictures = [open_image(sample.path).rgb for sample in samples.SAMPLES.values()]
    tall = pictures[0][:, 40:260, 100:137].contiguous()
    means = mean_differences(visited, [*pictures, tall])
    print("mean CIEDE2000, samples:", means)
    assert max(means.values()) < 0.3


def test_the_page_shows_the_engines_pictures_of_24_photographs(visited, shared):
    from workbench.data.sources import open_source

    items = open_source(str(shared / "data" / "test" / "kodak24.parquet")).items()
    pictures = [open_image(item.data).rgb for item in items]
    assert len(pictures) == 24
    means = mean_differences(visited, pictures)
    print("mean CIEDE2000, 24 photographs:", means)
    assert max(means.values()) < 0.3


# --------------------------------------------------------------------------- what one does


def test_a_photograph_becomes_five_pictures(visited):
    coffee = samples.SAMPLES["coffee"].path.read_bytes()
    drop(visited, "coffee.jpg", coffee, "image/jpeg")
    assert visited.locator("figure").count() == len(BUNDLED)
    for name, checkpoint in BUNDLED.items():
        found = visited.locator(f"figure[data-model={name}]")
        assert found.locator("b").inner_text() == checkpoint.title
        assert "AI-generated" in found.locator("span").inner_text()
        assert "AI-generated" in found.locator("canvas.after").get_attribute("aria-label")
        assert shown(visited, name).float().std(0).mean() > 3  # there is colour
    assert visited.title()
    assert visited.locator("h1").count() == 1
    assert all(visited.locator("img").evaluate_all("all => all.map(image => image.alt)"))


def test_chroma_and_temperature_turn_the_pictures_as_in_the_engine(visited):
    rgb = open_image(samples.SAMPLES["coffee"].path).rgb
    drop(visited, "coffee.png", png(rgb))
    tempered = next(n for n, c in BUNDLED.items() if hasattr(c.net(), "decode"))
    visited.locator("#chroma").fill("1.6")
    visited.locator("#temperature").fill("0.8")
    visited.wait_for_selector("body[data-settings='1.6 0.8']")
    made = ours(tempered, rgb, chroma=1.6, temperature=0.8)
    assert difference(shown(visited, tempered), made) < 0.3
    _, data = download(visited, tempered)
    assert open_png(data)["Settings"] == "temperature=0.8, chroma=1.6"


def open_png(data: bytes) -> dict[str, str]:
    image = Image.open(io.BytesIO(data))
    image.load()
    return dict(image.text)


def test_a_download_has_every_pixel_and_says_who_coloured_it(visited):
    small = open_image(samples.SAMPLES["rocket"].path).rgb
    rgb = torch.nn.functional.interpolate(small[None].float(), (1700, 2551), mode="bilinear")
    rgb = rgb[0].byte()  # larger than what is shown
    drop(visited, "my rocket.png", png(rgb))
    name, data = download(visited, "vanilla_cnn")
    assert name == "my rocket-vanilla_cnn.png"
    assert difference(open_image(data).rgb, ours("vanilla_cnn", rgb)) < 0.3
    checkpoint = BUNDLED["vanilla_cnn"]
    expected = make_marks("vanilla_cnn", checkpoint.revision, title=checkpoint.title)
    assert open_png(data) == {**expected, "XML:com.adobe.xmp": XMP}

    visited.locator("#form").select_option("jpeg")
    name, data = download(visited, "vanilla_cnn")
    assert name.endswith(".jpg")
    image = Image.open(io.BytesIO(data))
    assert image.size == (2551, 1700)
    assert image.info["xmp"].decode() == XMP
    exif = image.getexif()
    assert exif[0x0131] == expected["Software"]
    assert exif[0x010E] == expected["Description"]
    comment = exif.get_ifd(0x8769)[0x9286]
    assert f"Revision: {checkpoint.revision}" in comment[8:].decode("utf-16-le")
    assert difference(open_image(data).rgb, ours("vanilla_cnn", rgb)) < 2


def test_a_turned_photograph_is_shown_upright(visited):
    rgb = open_image(samples.SAMPLES["chelsea"].path).rgb
    image = Image.fromarray(rgb.permute(1, 2, 0).numpy())
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.rotate(90, expand=True).save(buffer, "JPEG", quality=97, exif=exif)
    drop(visited, "rotated.jpg", buffer.getvalue(), "image/jpeg")
    assert shown(visited, "vanilla_cnn").shape == rgb.shape
    assert difference(shown(visited, "vanilla_cnn"), ours("vanilla_cnn", rgb)) < 2


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("broken.png", b"\x89PNG\r\n\x1a\n" + bytes(200), "broken.png is damaged"),
        ("notes.txt", b"not a picture at all", "not a picture that this browser can read"),
        ("phone.heic", b"\0\0\0\x18ftypheic" + bytes(99), "HEIC photograph"),
        ("nothing.png", b"", "is empty"),
    ],
)
def test_a_file_that_is_no_picture_gets_a_sentence(visited, name, data, said):
    visited.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": data})
    visited.wait_for_selector("#problem:not([hidden])")
    assert said in visited.locator("#problem").inner_text()
    drop(visited, "good.png", png(open_image(samples.SAMPLES["chelsea"].path).rgb))
    assert visited.locator("#problem").is_hidden()


def test_the_line_moves_by_keyboard_and_by_pointer(visited):
    visited.locator("#split").focus()
    visited.keyboard.press("ArrowRight")
    assert visited.locator("#split-said").inner_text() == "51 %"
    box = visited.locator("figure .stack").first.bounding_box()
    visited.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50)
    visited.mouse.down()
    visited.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 50)
    visited.mouse.up()
    assert abs(int(visited.locator("#split").input_value()) - 25) <= 1


def test_a_photograph_of_40_megapixels_does_not_stop_the_page(visited):
    coarse = np.random.default_rng(0).integers(0, 255, (40, 62, 3), np.uint8)
    image = Image.fromarray(coarse).resize((7746, 5164), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    visited.evaluate("() => { window.ticks = 0; setInterval(() => { window.ticks += 1; }, 20); }")
    drop(visited, "large.jpg", buffer.getvalue(), "image/jpeg")
    assert max(shown(visited, "vanilla_cnn").shape[1:]) == 1440
    assert visited.evaluate("window.ticks") > 10  # the page went on all the while
    _, data = download(visited, "vanilla_cnn")
    assert Image.open(io.BytesIO(data)).size == (7746, 5164)


# -------------------------------------------------------------------------- the second visit


def test_the_second_visit_needs_no_server(chromium, static_site):
    with served(static_site) as (address, stop), watched_page(chromium, **SIZES) as page:
        visit(page, address)
        drop(page, "cat.jpg", samples.SAMPLES["chelsea"].path.read_bytes(), "image/jpeg")
        stop()
        visit(page, address)
        assert page.evaluate("crossOriginIsolated")
        assert page.locator("figure").count() == len(BUNDLED)  # all of them are kept
        drop(page, "coffee.jpg", samples.SAMPLES["coffee"].path.read_bytes(), "image/jpeg")
        rgb = open_image(samples.SAMPLES["coffee"].path).rgb
        for name in BUNDLED:
            assert difference(shown(page, name), ours(name, rgb)) < 0.6


def test_the_page_opens_with_a_picture_and_fetches_one_network(chromium, static_site):
    asked = []
    with served(static_site) as (address, _), watched_page(chromium, **SIZES) as page:
        page.on("request", lambda request: asked.append(request.url.removeprefix(address)))
        visit(page, address)
        assert page.locator("figure").count() == 1
        assert shown(page, page.locator("figure").get_attribute("data-model")).shape[0] == 3
        page.wait_for_timeout(500)
        first = [path for path in asked if path.startswith("models/")]
        assert len(set(first)) == 1
        page.get_by_role("button", name=re.compile("All .* networks")).click()
        stacks = page.locator("figure .stack:not(.waiting)")
        stacks.nth(len(BUNDLED) - 1).wait_for()


def test_the_page_works_without_the_headers_in_one_thread(chromium, static_site, monkeypatch):
    monkeypatch.setattr(static_server, "HEADERS", {})
    with served(static_site) as (address, _), watched_page(chromium, **SIZES) as page:
        visit(page, address)
        assert page.evaluate("document.body.dataset.runsOn") == "wasm 1"


def test_webgpu_gives_the_same_picture(chromium, static_site):
    """By Chromium's software adapter, which is slow: the first picture only."""
    flags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    flags += ["--enable-features=Vulkan", "--use-vulkan=swiftshader", "--ignore-gpu-blocklist"]
    own = [flag for flag in FLAGS if flag != "--disable-gpu"]
    path = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
    with served(static_site) as (address, _):
        browser = chromium.browser_type.launch(executable_path=path, args=[*own, *flags])
        with watched_page(browser, **SIZES) as page:
            visit(page, address, "?backend=webgpu")
            if not page.evaluate("document.body.dataset.runsOn").startswith("webgpu"):
                pytest.skip("this Chromium has no WebGPU adapter")
            name = page.locator("figure").get_attribute("data-model")
            rgb = open_image(next(iter(samples.SAMPLES.values())).path).rgb
            assert difference(shown(page, name), ours(name, rgb)) < 0.6
        browser.close()


# ------------------------------------------------------------------------------ what is in it


def test_the_page_keeps_its_budget(static_site):
    site = json.loads((static_site / "site.json").read_text())
    models = {network["file"] for network in site["models"]}
    ships = [f for f in static_site.rglob("*") if f.is_file() and f.suffix != ".onnx"]
    ships = [f for f in ships if f.name not in ("README.md", "leaderboard.html")]
    packed = sum(len(gzip.compress(file.read_bytes(), 6)) for file in ships)
    print(f"page and both runtimes, gzip: {packed / 1e6:.1f} MB")
    assert packed < 30e6
    assert site["models"][0]["bytes"] < 15e6
    assert {f.relative_to(static_site).as_posix() for f in static_site.rglob("*.onnx")} == models


def test_the_page_asks_no_other_machine(static_site):
    for name in ("index.html", "app.js", "worker.js", "coloring.js", "files.js", "style.css"):
        text = (static_site / name).read_text()
        found = set(re.findall(r"https?://[^\s\"'`\\)]+", text)) - {"http://ns.adobe.com/xap/1.0/"}
        assert not found, f"{name}: {found}"


def test_the_front_matter_asks_for_the_headers(static_site):
    facts = yaml.safe_load((static_site / "README.md").read_text().split("---\n")[1])
    assert (facts["sdk"], facts["app_file"]) == ("static", "index.html")
    assert facts["custom_headers"] == static_page.HEADERS
    assert "<html" in (static_site / "leaderboard.html").read_text()


def test_serve_static_serves_what_was_assembled(static_site):
    command = [sys.executable, "-m", "workbench", "serve-static", str(static_site), "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(f"{address}manifest.webmanifest") as answer:
            assert answer.headers["content-type"] == "application/manifest+json"
            assert answer.headers["cross-origin-embedder-policy"] == "require-corp"
            icons = json.loads(answer.read())["icons"]
        assert all((static_site / icon["src"]).is_file() for icon in icons)
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def test_a_folder_without_a_page_is_a_sentence(tmp_path):
    with pytest.raises(Problem, match="publish-space --kind static"):
        static_server.bind_server(tmp_path, "127.0.0.1", 0)


def test_a_runtime_that_is_not_there_is_a_sentence(tmp_path, monkeypatch):
    with pytest.raises(Problem, match=r"does not hold onnxruntime-web"):
        runtime.copy_runtime(tmp_path / "out", tmp_path)
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Problem, match=r"there is no npm on this machine.*--runtime"):
        runtime.copy_runtime(tmp_path / "out")


def test_another_archive_than_the_tested_one_is_refused(tmp_path):
    (tmp_path / "other.tgz").write_bytes(b"other")
    with pytest.raises(Problem, match="checksum differs"):
        runtime.check_archive(tmp_path / "other.tgz")
