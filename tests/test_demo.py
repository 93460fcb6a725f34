"""The Gradio demo: its endpoints called with real files, its screen in a browser."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
import torch
from browser import PATIENCE, free_port, wait_for, watched_page
from PIL import Image
from test_contrast import found

from workbench import checkpoints, places
from workbench.color import split_lab
from workbench.coloring.colorize import Settings, colorize
from workbench.errors import Problem
from workbench.evaluation.metrics import psnr
from workbench.images import open_image
from workbench.models import MODELS
from workbench.samples import SAMPLES
from workbench.serving import api, clip_upload, studio

ROOT = Path(__file__).resolve().parent.parent
CHELSEA, STREET = SAMPLES["chelsea"].path, SAMPLES["street"].path
# what Gradio itself draws so, by axe's rule and a piece of the element
GRADIOS = (
    'label-content-name-mismatch: <button class="thumbnail-item',  # named by its number
    'label-content-name-mismatch: <button class="upload-container',  # named by what it does
)
DOCUMENTATION = ROOT / "docs" / "api.md"
WAIT = 5 * PATIENCE / 1000  # s; on a machine that trains, imports alone take minutes


@contextmanager
def running(command: str, health: str, models: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """`python -m workbench COMMAND` on small networks: its address and its log."""
    port, log = free_port(), folder / "server.log"
    environment = os.environ | {
        "WORKBENCH_CHECKPOINTS": str(models),
        "WORKBENCH_CACHE": str(folder / "cache"),
        "WORKBENCH_RUNS": str(folder / "runs"),
        "GRADIO_TEMP_DIR": str(folder / "files"),
        "PYTHONPATH": str(ROOT),
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "workbench", command, "--port", str(port)],
            cwd=folder, env=environment, stdout=out, stderr=out,
        )  # fmt: skip
        try:
            wait_for(f"http://127.0.0.1:{port}{health}", process, seconds=WAIT)
            yield f"http://127.0.0.1:{port}", log
        finally:
            process.terminate()
            process.wait(timeout=WAIT)


@pytest.fixture(scope="module")
def server(small_checkpoints, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("demo")
    with running("demo", "/gradio_api/info", small_checkpoints, folder) as started:
        yield started


@pytest.fixture(scope="module")
def client(server, tmp_path_factory):
    gradio_client = pytest.importorskip("gradio_client")
    opened = gradio_client.Client(
        server[0], verbose=False, download_files=tmp_path_factory.mktemp("downloads"),
        httpx_kwargs={"timeout": WAIT},
    )  # fmt: skip
    yield opened
    opened.close()


def sent(path: Path):
    from gradio_client import handle_file

    return handle_file(str(path))


@pytest.fixture(scope="module")
def trained(small_checkpoints) -> dict[str, checkpoints.Checkpoint]:
    return checkpoints.available(small_checkpoints)


# ------------------------------------------------------------------------------ the endpoints


def test_the_models_are_listed_with_what_is_known_of_them(client, trained) -> None:
    rows = client.predict(api_name="/models")
    assert [row["name"] for row in rows] == list(MODELS)
    for row in rows:
        checkpoint = trained[row["name"]]
        assert row["revision"] == checkpoint.revision
        assert row["size"] == checkpoint.size
        assert row["parameters"] == sum(w.numel() for w in checkpoint.net().parameters())
        assert row["temperature"] == (row["name"] in ("colorful", "reference"))


def test_a_picture_comes_back_as_the_engine_colours_it(client, trained) -> None:
    png, facts = client.predict(sent(CHELSEA), "vanilla_cnn", api_name="/colorize")
    assert Path(png).name == "chelsea_vanilla_cnn.png"
    picture, result = open_image(CHELSEA), open_image(Path(png))
    expected = colorize(trained["vanilla_cnn"].net(), picture.rgb, size=64).rgb
    difference = (result.rgb.int() - expected.int()).abs()
    assert float(difference.float().mean()) < 0.5  # another process may add up in another order
    lightness = split_lab(result.rgb)[0] - split_lab(picture.rgb)[0]
    assert float(lightness.abs().mean()) < 0.5
    assert facts["model"] == "vanilla_cnn"
    assert (facts["width"], facts["height"]) == (451, 300)
    assert (facts["sha256"], facts["bits"], facts["grey"]) == (picture.sha256, 8, False)
    assert facts["psnr"] == pytest.approx(
        float(psnr(result.rgb[None], picture.rgb[None])), abs=0.01
    )
    with Image.open(png) as image:
        assert image.text["Revision"] == trained["vanilla_cnn"].revision == facts["revision"]
        assert "Colourized by AI" in image.text["Description"]


def test_without_a_model_the_first_one_colours(client) -> None:
    _, facts = client.predict(sent(STREET), api_name="/colorize")
    assert facts["model"] == next(iter(MODELS))
    assert facts["grey"] is True
    assert facts["psnr"] is facts["ssim"] is None


def test_ten_calls_at_once_are_all_answered_and_told_their_place(client) -> None:
    jobs = [
        client.submit(sent(CHELSEA), "vanilla_cnn", chroma=0.5 + place / 10, api_name="/colorize")
        for place in range(10)
    ]
    places = set()
    while not all(job.done() for job in jobs):
        places |= {job.status().rank for job in jobs} - {None}
    assert {facts["settings"]["chroma"] for _, facts in (job.result() for job in jobs)} == {
        0.5 + place / 10 for place in range(10)
    }
    assert max(places) > 0


def test_settings_reach_the_network(client) -> None:
    def colored(model: str, **settings) -> torch.Tensor:
        png, facts = client.predict(sent(CHELSEA), model, **settings, api_name="/colorize")
        assert all(facts["settings"][name] == value for name, value in settings.items())
        return open_image(Path(png)).rgb

    plain = colored("colorful")
    assert not torch.equal(colored("colorful", temperature=0.05), plain)
    assert not torch.equal(colored("colorful", size=32), plain)
    grey = colored("colorful", chroma=0)
    assert int((grey.amax(0).int() - grey.amin(0).int()).max()) <= 1


def test_compare_gives_a_picture_and_a_row_for_each_model(client, trained) -> None:
    gallery, rows = client.predict(sent(CHELSEA), api_name="/compare")
    assert [row["model"] for row in rows] == list(MODELS)
    assert [each["caption"] for each in gallery] == [each.title for each in trained.values()]
    truth = open_image(CHELSEA).rgb
    for each, row in zip(gallery, rows, strict=True):
        rgb = open_image(Path(each["image"])).rgb
        assert row["psnr"] == pytest.approx(float(psnr(rgb[None], truth[None])), abs=0.01)
        assert 0 < row["ssim"] < 1
    chosen = ["colorful", "cbam_gan"]
    gallery, rows = client.predict(sent(STREET), chosen, api_name="/compare")
    assert [row["model"] for row in rows] == chosen
    assert len(gallery) == 2


def test_hints_and_an_exemplar_reach_the_picture_and_its_facts(client) -> None:
    hint = {"x": 100, "y": 100, "color": "#2040c0", "radius": 30}
    png, facts = client.predict(
        sent(CHELSEA), "vanilla_cnn", hints=[hint], exemplar=sent(SAMPLES["rocket"].path),
        exemplar_strength=0.5, edges=True, api_name="/colorize",
    )  # fmt: skip
    assert float(split_lab(open_image(Path(png)).rgb)[1][1, 100, 100]) < -20
    assert facts["hints"][0]["color"] == "#2040c0"
    assert facts["exemplar"] == "rocket.jpg"
    assert facts["settings"]["edges"] is True
    with Image.open(png) as image:
        assert "exemplar_strength=0.5" in image.text["Settings"]


def test_samples_differ_and_suggestions_are_colours_for_hints(client) -> None:
    gallery = client.predict(sent(CHELSEA), "colorful", 3, 7, api_name="/samples")
    assert [each["caption"] for each in gallery] == ["Sample 1", "Sample 2", "Sample 3"]
    first, second = (open_image(Path(each["image"])).rgb for each in gallery[:2])
    assert not torch.equal(first, second)
    rows = client.predict(sent(CHELSEA), 50, 60, "colorful", 5, api_name="/suggest")
    assert len(rows) == 5
    assert all(re.fullmatch("#[0-9a-f]{6}", row["color"]) for row in rows)
    assert rows[0]["share"] >= rows[-1]["share"] > 0


@pytest.mark.parametrize(
    ("name", "content", "arguments", "sentence"),
    [
        ("notes.png", b"not a picture at all", {}, "notes.png is not a picture."),
        ("cut.jpg", CHELSEA.read_bytes()[:2000], {}, "damaged"),
        ("empty.png", b"", {}, "empty"),
        ("fine.jpg", CHELSEA.read_bytes(), {"model": "deoldify"}, "There is no model 'deoldify'"),
        ("fine.jpg", CHELSEA.read_bytes(), {"temperature": 11}, "The temperature is above 0"),
        ("fine.jpg", CHELSEA.read_bytes(), {"size": 9}, "16 to 2048 pixels, not 9"),
        ("fine.jpg", CHELSEA.read_bytes(), {"chroma": -1}, "The chroma gain is 0 to 10"),
        ("fine.jpg", CHELSEA.read_bytes(), {"hints": [{"x": 1}]}, "is no hint"),
        ("fine.jpg", CHELSEA.read_bytes(), {"exemplar_strength": 3}, "an exemplar is 0 to 1"),
    ],
)
def test_what_is_refused_is_refused_in_a_sentence(
    client, server, tmp_path, name, content, arguments, sentence
) -> None:
    from gradio_client.exceptions import AppError

    (tmp_path / name).write_bytes(content)
    with pytest.raises(AppError, match=re.escape(sentence)):
        client.predict(sent(tmp_path / name), **arguments, api_name="/colorize")
    assert "Traceback" not in server[1].read_text()


def test_ten_visitors_at_once_all_get_their_own_picture(client, tmp_path) -> None:
    rng = np.random.default_rng(0)
    files = []
    for number in range(10):
        file = tmp_path / f"visitor_{number}.png"
        Image.fromarray(rng.integers(0, 255, (48, 40 + number, 3), np.uint8)).save(file)
        files.append(file)
    jobs = [client.submit(sent(file), "colorful", api_name="/colorize") for file in files]
    for number, job in enumerate(jobs):
        png, facts = job.result(timeout=WAIT)
        assert Path(png).name == f"visitor_{number}_colorful.png"
        assert facts["width"] == 40 + number == open_image(Path(png)).rgb.shape[-1]


# ------------------------------------------------------------------------------------- clips


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    from workbench.jobs.clip import sample_clip

    return sample_clip(tmp_path_factory.mktemp("clip") / "sample.mp4", seconds=0.5)


def test_a_clip_comes_back_coloured_marked_and_described(client, trained, sample) -> None:
    import av

    from workbench.video import probe

    before = set(Path(tempfile.gettempdir()).glob("workbench-video-*"))
    job = client.submit(
        sent(sample), "vanilla_cnn", chroma=2, strength=0.25, stamp=True, api_name="/colorize_clip"
    )
    mp4, facts = job.result(timeout=WAIT)
    assert Path(mp4).name == "sample_vanilla_cnn.mp4"
    old, new = probe(sample), probe(Path(mp4))
    assert (new.width, new.height, new.rate) == (old.width, old.height, old.rate)
    assert facts["frames"] == new.frames == 36
    assert (facts["width"], facts["height"], facts["rate"]) == (432, 320, 24)
    assert (facts["model"], facts["strength"], facts["stamp"]) == ("vanilla_cnn", 0.25, True)
    assert facts["settings"]["chroma"] == 2
    assert facts["cuts"] == [0.5, 1.0]
    assert facts["drift_after"] <= facts["drift_before"]
    assert facts["psnr_after"] > 10
    assert facts["sha256"] == hashlib.sha256(sample.read_bytes()).hexdigest()
    assert facts["colourized_by_ai"] is True
    with av.open(mp4) as container:
        said = container.metadata["comment"]
    assert f"Revision: {trained['vanilla_cnn'].revision}" in said
    assert "chroma=2" in said
    assert "strength=0.25" in said
    assert b"compositeWithTrainedAlgorithmicMedia" in Path(mp4).read_bytes()
    assert set(Path(tempfile.gettempdir()).glob("workbench-video-*")) <= before


def test_a_painted_frame_gives_a_clips_scene_its_colours(client, trained, sample, tmp_path) -> None:
    from gradio_client.exceptions import AppError
    from PIL import Image

    from workbench.video import probe
    from workbench.video.clips import read_frames, to_rgb

    file = tmp_path / "sample_frame-12.png"  # the second of three scenes
    Image.new("RGB", (432, 320), (220, 40, 60)).save(file)
    mp4, facts = client.predict(
        sent(sample), "vanilla_cnn", painted=[sent(file)], api_name="/colorize_clip"
    )
    assert facts["scenes"] == [0, 12, 24]
    assert facts["painted"] == [12]
    red = [
        float((rgb[..., 0].astype(int) - rgb[..., 1]).mean())
        for _, frame in read_frames(probe(Path(mp4)))
        for rgb in (to_rgb(frame),)
    ]
    assert min(red[13:22]) > 40 > max(red[:11] + red[25:])
    for bad, sentence in (
        (tmp_path / "red.png", "does not say which frame"),
        (tmp_path / "square_frame-12.png", "keep their proportion"),
    ):
        Image.new("RGB", (64, 64), (220, 40, 60)).save(bad)
        with pytest.raises(AppError, match=sentence):
            client.predict(sent(sample), painted=[sent(bad)], api_name="/colorize_clip")


def test_what_is_no_clip_for_this_server_is_refused_in_a_sentence(
    client, server, sample, tmp_path
) -> None:
    from gradio_client.exceptions import AppError

    (tmp_path / "words.mp4").write_text("no clip at all")
    (tmp_path / "empty.mp4").touch()
    for name, seconds, size in (("long.mp4", 61, "32x24"), ("large.mp4", 1, "2048x1152")):
        write_clip(tmp_path / name, seconds, *map(int, size.split("x")))
    for file, arguments, sentence in (
        (CHELSEA, {}, "chelsea.jpg is not named like a clip."),
        (tmp_path / "words.mp4", {}, "words.mp4 cannot be read as a video"),
        (tmp_path / "empty.mp4", {}, "empty"),
        (tmp_path / "long.mp4", {}, "long.mp4 has 61 s, and this server takes 60 s"),
        (tmp_path / "large.mp4", {}, "2048 × 1152 pixels, and this server takes 1920 × 1080"),
        (sample, {"strength": 2}, "`strength` is a number from 0 to 1"),
        (sample, {"model": "deoldify"}, "There is no model 'deoldify'"),
        (sample, {"size": 9}, "16 to 2048 pixels, not 9"),
    ):
        with pytest.raises(AppError, match=re.escape(sentence)):
            client.predict(sent(file), **arguments, api_name="/colorize_clip")
    assert "Traceback" not in server[1].read_text()


def write_clip(path: Path, frames: int, width: int, height: int) -> None:
    """One grey frame a second."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.full((height, width, 3), 90, np.uint8))
        for number in range(frames):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def test_a_picture_never_waits_for_a_whole_clip(trained, sample) -> None:
    queue, waited = studio.shared_studio().queue, []

    def take_a_turn() -> None:
        with queue.take_place():
            pass

    def hear(progress) -> None:
        if progress.frames < 36:
            other = threading.Thread(target=take_a_turn, daemon=True)
            other.start()
            other.join(timeout=WAIT)
            waited.append(other.is_alive())

    clip_upload.colorize_clip_upload(
        str(sample), trained["vanilla_cnn"], Settings(), None, False, Path.read_bytes, hear
    )
    assert waited
    assert not any(waited)


def test_a_clip_that_announces_too_little_is_refused_when_it_goes_on(
    trained, sample, monkeypatch
) -> None:
    from dataclasses import replace

    opened = clip_upload.open_clip_upload(str(sample))
    monkeypatch.setattr(clip_upload, "open_clip_upload", lambda file: replace(opened, frames=0))
    monkeypatch.setattr(clip_upload, "MOST_FRAMES", 20)
    with pytest.raises(Problem, match="more than 20 frames"):
        clip_upload.colorize_clip_upload(
            str(sample), trained["vanilla_cnn"], Settings(), 0.5, False, Path.read_bytes
        )


# --------------------------------------------------------------------------- the documentation


def test_every_endpoint_and_parameter_is_documented(client) -> None:
    words = DOCUMENTATION.read_text("utf-8")
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {
        "/colorize", "/colorize_clip", "/compare", "/models", "/samples", "/suggest",
    }  # fmt: skip
    for endpoint, facts in named.items():
        section = words.split(f"### `{endpoint}`")[1].split("\n##")[0]
        documented = re.findall(
            r"^\| `(\w+)` \| (?:file|string|number|boolean|list)", section, re.MULTILINE
        )
        assert documented == [each["parameter_name"] for each in facts["parameters"]]


@pytest.mark.parametrize(
    ("language", "command"),
    [
        ("python", [sys.executable, "-c"]),
        ("bash", ["bash", "-ec"]),
        ("js", ["node", "--input-type=module", "-e"]),
    ],
)
def test_the_examples_of_the_documentation_run(server, tmp_path, language, command) -> None:
    if not shutil.which(command[0]) or (language == "bash" and not shutil.which("curl")):
        pytest.skip(f"needs {command[0]} and curl")
    example = DOCUMENTATION.read_text("utf-8").split(f"```{language}\n")[1].split("```")[0]
    shutil.copy(CHELSEA, tmp_path / "photo.jpg")
    environment = os.environ | {"TMPDIR": str(tmp_path), "GRADIO_TEMP_DIR": str(tmp_path / "files")}
    done = subprocess.run(
        [*command, example.replace("http://127.0.0.1:7860", server[0])],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=WAIT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if language == "python":
        assert f"{next(iter(MODELS))} " in done.stdout
    else:
        with Image.open(tmp_path / "photo_colorful.png") as image:
            assert image.size == (451, 300)


# --------------------------------------------------------------------------------- the screen


def test_a_visitor_sees_a_coloured_sample_turns_it_and_uploads(server, chromium, tmp_path) -> None:
    from playwright.sync_api import expect

    (tmp_path / "broken.png").write_bytes(b"not a picture")
    with watched_page(chromium, viewport={"width": 1360, "height": 900}) as page:
        page.goto(server[0])
        expect(page.get_by_text("512 × 410 pixels")).to_be_visible()
        results = page.locator(".results .thumbnail-item")
        expect(results).to_have_count(len(MODELS))  # black and white: there is no truth
        expect(page.get_by_role("radio", name="Reference")).to_be_checked()
        after = page.locator(".picture img").last
        expect(after).to_have_js_property("naturalWidth", 512)

        page.locator(".samples .thumbnail-item").nth(list(SAMPLES).index("chelsea")).click()
        expect(page.get_by_text("451 × 300 pixels")).to_be_visible()
        expect(results).to_have_count(len(MODELS) + 1)  # all models and the truth
        results.first.click()
        expect(page.get_by_text("Right: coloured by CBAM-GAN.")).to_be_visible()
        expect(after).to_have_attribute("src", re.compile("chelsea_cbam_gan.png$"))
        results.last.click()
        expect(page.get_by_text("Right: the upload, as it was.")).to_be_visible()
        page.get_by_role("radio", name="Vanilla CNN").check()
        expect(page.get_by_text("Right: coloured by Vanilla CNN.")).to_be_visible()
        with page.expect_download() as download:
            page.get_by_text("Download PNG").click()
        assert download.value.suggested_filename == "chelsea_vanilla_cnn.png"

        page.locator(".samples .thumbnail-item").first.click()
        expect(page.get_by_text("512 × 410 pixels")).to_be_visible()
        expect(results).to_have_count(len(MODELS))  # black and white: there is no truth

        page.locator("input[type=file]").first.set_input_files(tmp_path / "broken.png")
        expect(page.get_by_text("broken.png is not a picture.")).to_be_visible()
        expect(page.get_by_text("512 × 410 pixels")).to_be_visible()  # nothing is lost


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_screen_fits_a_phone_in_neutral_greys(server, chromium, scheme) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "color_scheme": scheme}
    with watched_page(chromium, **phone) as page:
        page.goto(server[0])
        page.get_by_text("512 × 410 pixels").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        tops = [page.locator(f".{part}").first.bounding_box()["y"]
                for part in ("picture", "download", "upload", "samples", "results")]  # fmt: skip
        assert tops == sorted(tops), "the picture is taken home and one's own chosen right below it"
        assert tops[1] < 844
        page.locator(".picture").get_by_role("button", name="Fullscreen").click()
        full = page.locator(".picture.fullscreen")
        assert full.bounding_box()["height"] == 844
        shown = full.evaluate("(each) => getComputedStyle(each).backgroundColor")
        assert shown == page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.locator(".picture").get_by_role("button", name="Exit fullscreen").click()
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        red, green, blue = (int(value) for value in re.findall(r"\d+", ground)[:3])
        assert red == green == blue
        assert (red > 128) == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_of_ours_in_the_demo(server, chromium, scheme) -> None:
    with watched_page(chromium, color_scheme=scheme) as page:
        page.goto(server[0])
        page.get_by_text("512 × 410 pixels").wait_for()
        assert page.locator("h1").count() == 1
        assert page.title() == "Colorization workbench"
        ours = [each for each in found(page) if not any(name in each for name in GRADIOS)]
        assert ours == [], "\n".join(ours)


def test_workbench_and_demo_live_on_one_port(small_checkpoints, chromium, tmp_path) -> None:
    with (
        running("serve", "/_stcore/health", small_checkpoints, tmp_path) as (address, log),
        watched_page(chromium) as page,
    ):
        page.goto(f"{address}/demo")  # the slash is not the visitor's business
        page.get_by_text("512 × 410 pixels").wait_for()
        page.locator(".samples .thumbnail-item").nth(list(SAMPLES).index("chelsea")).click()
        page.get_by_text("451 × 300 pixels").wait_for()  # the queue runs
        page.goto(page.get_by_role("link", name="the workbench").evaluate("link => link.href"))
        page.locator(".slider img").first.wait_for()
        page.goto(page.get_by_role("link", name="the demo").evaluate("link => link.href"))
        page.get_by_text("512 × 410 pixels").wait_for()
    words = log.read_text()
    assert "Traceback" not in words
    assert "GET /" not in words  # nobody's address is kept


# ------------------------------------------------------------------------------ without a server


def test_a_server_without_models_says_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(places, "CHECKPOINTS", tmp_path)
    monkeypatch.setattr(places, "RUNS", tmp_path)
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path))
    with pytest.raises(Problem, match="no trained model"):
        api.find_checkpoints()


def test_a_file_that_is_not_there_or_gone_is_refused(tmp_path) -> None:
    with pytest.raises(Problem, match="no picture yet"):
        api.open_upload(None)
    with pytest.raises(Problem, match=r"gone\.png is no longer here"):
        api.open_upload(str(tmp_path / "gone.png"))


def test_nothing_and_zero_mean_the_models_own_settings() -> None:
    assert api.read_settings(None, None, None) == api.read_settings(0, 0, 1.0) == Settings()
    assert api.read_settings(128.0, 0.2, 0) == Settings(size=128, temperature=0.2, chroma=0)


def test_the_same_picture_is_coloured_once_whatever_is_turned_elsewhere(trained) -> None:
    studio_ = studio.Studio()
    picture = open_image(CHELSEA)
    checkpoint = trained["vanilla_cnn"]  # it has no temperature
    first, seconds = studio_.colorize(checkpoint, picture, Settings())
    again, same = studio_.colorize(checkpoint, picture, Settings(temperature=0.1))
    assert again is first
    assert same == seconds
    other, _ = studio_.colorize(checkpoint, picture, Settings(chroma=2))
    assert not torch.equal(other, first)


def test_a_studio_keeps_a_bounded_number_of_networks(trained, monkeypatch) -> None:
    monkeypatch.setattr(studio, "NETWORKS", 1)
    shared = studio.Studio()
    first = shared.network(trained["vanilla_cnn"])
    assert shared.network(trained["vanilla_cnn"]) is first
    shared.network(trained["colorful"])
    assert shared.network(trained["vanilla_cnn"]) is not first


def test_an_equal_picture_has_no_psnr_that_json_could_not_say(trained) -> None:
    picture = open_image(_grey_png(), "grey.png")
    _, facts = api.colorize_upload(picture, trained["colorful"], Settings(chroma=0))
    assert facts["psnr"] is None


def _grey_png() -> bytes:
    out = BytesIO()
    Image.fromarray(np.full((32, 32, 3), 128, np.uint8)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["--mcp"], "pip install 'gradio[mcp]'"), (["--host", "192.0.2.1"], "Nothing can listen")],
)
def test_the_command_says_what_is_missing(arguments, sentence, monkeypatch) -> None:
    from workbench.cli import demo

    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: None)
    host = arguments[1] if "--host" in arguments else "127.0.0.1"
    with pytest.raises(Problem, match=re.escape(sentence)):
        demo.demo(free_port(), host, "--mcp" in arguments)


NONSENSE = [
    None,
    "",
    "abc",
    -1,
    0.5,
    1e308,
    True,
    [],
    [1],
    {},
    {"path": 5},
    {"path": "/etc/passwd"},
]


def test_every_wrong_argument_is_answered_by_a_sentence_and_never_by_null(server) -> None:
    from urllib.request import Request

    def answer(endpoint: str, data: object) -> str:
        body = json.dumps({"data": data}).encode()
        address = f"{server[0]}/gradio_api/call/{endpoint}"
        request = Request(address, body, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=WAIT) as started:
                event = json.load(started)["event_id"]
            with urlopen(f"{address}/{event}", timeout=WAIT) as told:
                return told.read().decode()
        except HTTPError as error:
            return f"{error.code}"

    for position in range(7):
        for value in NONSENSE:
            data = [None, "vanilla_cnn", 64, None, 1, None, False]
            data[position] = value
            told = answer("colorize", data)
            assert '"error": null' not in told, (position, value)
            assert "event: complete" not in told, (position, value)
    for data in ([], [1] * 20, ["x", "y"], [{}, {}], None):
        assert '"error": null' not in answer("compare", data)
    assert "Traceback" not in server[1].read_text()


def test_a_temperature_that_nobody_moved_is_each_networks_own(trained, tmp_path, monkeypatch):
    from workbench import places
    from workbench.models.colorful import TEMPERATURE
    from workbench.serving import demo

    monkeypatch.setattr(places, "CHECKPOINTS", next(iter(trained.values())).folder.parent)
    monkeypatch.setattr(places, "RUNS", tmp_path)
    names = ["colorful", "reference"]
    for moved, expected in ((TEMPERATURE, None), (0.8, 0.8)):
        made = demo.show_all(str(CHELSEA), names, moved, 1, 0, None)[0]
        settings = [each["settings"] for each in made if each["name"] in names]
        assert [each.temperature for each in settings] == [expected, expected]
