"""Gradio: the public face and the machine interface, one screen and six endpoints.

    /colorize       a picture and a model -> the PNG and what is known of it
    /colorize_clip  a clip and a model -> the MP4 and what was done
    /compare        a picture and several models -> the PNGs and a row of numbers for each
    /samples        several draws of one model that predicts a distribution
    /suggest        the likeliest colours of one place
    /models         the models that can be named

docs/api.md shows them from curl, Python and JavaScript. Nothing is asked of another machine.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
os.environ.setdefault("GRADIO_SSR_MODE", "False")

import gradio as gr
from fastapi import FastAPI
from gradio.processing_utils import save_bytes_to_cache, save_file_to_cache
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from workbench import checkpoints, images, spare
from workbench.coloring.colorize import Settings
from workbench.errors import Problem, reason_of
from workbench.models.colorful import TEMPERATURE
from workbench.names import escape_html as bare
from workbench.names import escape_markdown, shorten_stem
from workbench.samples import SAMPLES
from workbench.serving.api import (
    colorize_upload,
    draw_samples,
    encode_png,
    find_checkpoints,
    list_models,
    open_upload,
    read_finish,
    read_settings,
    suggest,
)
from workbench.serving.clip_upload import colorize_clip_upload
from workbench.serving.headers import SafeHeaders
from workbench.serving.studio import shared_studio

if TYPE_CHECKING:
    from torch import Tensor

    from workbench.checkpoints import Checkpoint
    from workbench.images import Picture
    from workbench.video import Progress

TITLE = "Colorization workbench"
FILE_LIMIT = "64mb"  # an upload; the pixels are limited by images.MAX_PIXELS
WAITING = 100  # visitors in the queue; the next one is told that it is full
HOURS = 3600
SIZES = [("its own", 0), *((f"{side} pixels", side) for side in (128, 192, 256, 384, 512))]
TRUTH = "truth"  # the upload itself, among the results

CSS = Path(__file__).with_suffix(".css")
COLORS = {  # of gradio's theme: light, dark
    "body_background_fill": ("#f2f2f2", "#222222"),
    "background_fill_primary": ("#f2f2f2", "#222222"),
    "background_fill_secondary": ("#e9e9e9", "#2a2a2a"),
    "block_background_fill": ("#ebebeb", "#2a2a2a"),
    "block_border_color": ("#d8d8d8", "#3c3c3c"),
    "block_label_background_fill": ("#e4e4e4", "#2e2e2e"),
    "block_label_text_color": ("#4a4a4a", "#c8c8c8"),
    "block_title_text_color": ("#1c1c1c", "#ececec"),
    "body_text_color": ("#1c1c1c", "#ececec"),
    "body_text_color_subdued": ("#595959", "#b0b0b0"),
    "slider_color": ("#3d5a73", "#8fb0cc"),
    "checkbox_background_color_selected": ("#3d5a73", "#6489a8"),
    "checkbox_label_background_fill": ("#e4e4e4", "#333333"),
    "checkbox_label_background_fill_hover": ("#dcdcdc", "#3c3c3c"),
    "checkbox_label_background_fill_selected": ("#dfe4e8", "#38424b"),
}


# ---------------------------------------------------------------- between visitors and engine


def raise_as_sentence(function: Callable) -> Callable:
    """Let a Problem reach the visitor, or the API's caller, as its sentence."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Problem as problem:
            raise gr.Error(bare(problem), duration=20, print_exception=False) from None

    return wrapped


def keep_file(data: bytes, name: str) -> str:
    """A file in gradio's cache, which forgets it after a day: its path."""
    return save_bytes_to_cache(data, name, get_upload_folder())


def keep_for_screen(rgb: Tensor, name: str) -> str:
    """A file that shows uint8 or uint16 RGB (3, H, W) in a browser: its path."""
    data, kind = images.encode_for_screen(images.to_eight_bits(rgb))
    return keep_file(data, f"{name}.{kind.partition('/')[2]}")


def keep_result(
    picture: Picture,
    checkpoint: Checkpoint,
    settings: Settings,
    rgb: Tensor,
    also: dict[str, Any] | None = None,
) -> str:
    """The result at full size as a PNG that says what coloured it: its path."""
    name = f"{shorten_stem(Path(picture.name).stem, 120)}_{checkpoint.name}.png"
    return keep_file(encode_png(picture, checkpoint, settings, rgb, also), name)


class Page(gr.Blocks):
    """A page whose callers are told what was wrong with what they sent.

    Gradio takes arguments apart before any function of ours runs, and answers `null` where that
    fails.
    """

    async def preprocess_data(self, *args: Any, **kwargs: Any) -> Any:
        """Arguments as the functions get them; raises gr.Error with a sentence."""
        try:
            return await super().preprocess_data(*args, **kwargs)
        except gr.Error:
            raise
        except Exception as error:
            raise gr.Error(
                "The arguments are not those of this endpoint: "
                f"{bare(reason_of(error), 300)}. docs/api.md lists them.",
                print_exception=False,
            ) from error


# ------------------------------------------------------------------------------ the endpoints


def colorize(
    file: str,
    model: str | None = None,
    size: float | None = None,
    temperature: float | None = None,
    chroma: float = 1.0,
    rebalancing: float | None = None,
    mirror: bool = False,
    edges: bool = False,
    hints: list[dict[str, Any]] | None = None,
    reach: float | None = None,
    exemplar: str | None = None,
    exemplar_strength: float | None = None,
) -> tuple[str, dict[str, Any]]:
    """Colour one picture with one model.

    Args:
        file: The picture: PNG, JPEG, TIFF, WebP, AVIF, HEIC, GIF, BMP, JPEG 2000 or PPM.
        model: A name that /models lists; without one, the first of them.
        size: Short side in pixels at which the network looks, 16 to 2048; without it, its own.
        temperature: Of a model that has one, above 0: small is bold, 1 is the mean.
        chroma: Gain of the colours, 0 to 10.
        rebalancing: Of a model trained with rare colours weighted up, how much of it is kept, 0
            to 1; without it, the model's own.
        mirror: The mean of the picture's and its mirror image's colours, in twice the time.
        edges: Colours follow the picture's edges.
        hints: Colours for places: a list of objects x, y, color (#RRGGBB), and radius in pixels
            or `to`, [x, y] of a rectangle's other corner.
        reach: How far hints spread: 1 is a spot, 1e-7 all that is alike.
        exemplar: A picture whose colours are wanted.
        exemplar_strength: 0 to 1, how far colours move to the exemplar's.

    Returns:
        A PNG at the picture's own size and bit depth, and an object of facts: model, revision,
        seconds, settings, the picture's measures, PSNR and SSIM if it had colour.
    """
    picture, settings = (
        open_upload(file),
        read_settings(size, temperature, chroma, rebalancing, mirror, edges),
    )
    finish = read_finish(hints, reach, exemplar, exemplar_strength)
    checkpoint = find_checkpoints([model] if model else None)[0]
    rgb, facts = colorize_upload(picture, checkpoint, settings, finish)
    facts |= {
        "settings": asdict(settings) | {"size": settings.size or checkpoint.size},
        "width": rgb.shape[-1],
        "height": rgb.shape[-2],
        "bits": picture.depth,
        "grey": picture.grey,
        "sha256": picture.sha256,
        "notes": list(picture.notes),
        "colourized_by_ai": True,
    }
    return keep_result(picture, checkpoint, settings, rgb, finish.describe()), facts


def colorize_clip(
    file: str,
    model: str | None = None,
    size: float | None = None,
    temperature: float | None = None,
    chroma: float = 1.0,
    rebalancing: float | None = None,
    mirror: bool = False,
    strength: float | None = None,
    stamp: bool = False,
    painted: list[str] | None = None,
    progress: gr.Progress = gr.Progress(),
) -> tuple[str, dict[str, Any]]:
    """Colour one clip with one model; colours follow the motion, so that they do not flicker.

    Args:
        file: The clip: MP4, MOV, MKV, WebM, AVI, GIF or alike, at most 64 MB, 60 seconds, 1,800
            frames, 1920 x 1080 pixels.
        model: As for /colorize.
        size: As for /colorize.
        temperature: As for /colorize.
        chroma: As for /colorize.
        rebalancing: As for /colorize.
        mirror: As for /colorize.
        strength: Seconds for which colours are remembered along the motion, 0 to 1; unsaid 0.5.
        stamp: Show in the corner of every frame that AI coloured it.
        painted: Frames coloured by hand, pictures with `frame-NUMBER` in their names (from 0), at
            most 60; their colours are carried through the scene.

    Returns:
        An MP4 (H.264) with the clip's own size, times and sound, and an object of facts: model,
        revision, seconds, settings, strength, frames, cuts, scenes (the numbers of their first
        frames), flicker before and after, notes.
    """
    settings = read_settings(size, temperature, chroma, rebalancing, mirror)
    checkpoint = find_checkpoints([model] if model else None)[0]

    def keep(path: Path) -> str:
        return save_file_to_cache(path, get_upload_folder())

    def show(step: Progress) -> None:
        progress((step.frames, step.total or None), unit="frames")

    return colorize_clip_upload(
        file, checkpoint, settings, strength, bool(stamp), keep, show, painted
    )


def draw(
    file: str,
    model: str | None = "colorful",
    count: float = 4,
    seed: float = 0,
    temperature: float | None = None,
) -> list[tuple[str, str]]:
    """Draw several plausible colourings from a model's distribution.

    Args:
        file: The picture, as for /colorize.
        model: A model with a temperature (see /models).
        count: How many, 1 to 12.
        seed: The same seed draws the same.
        temperature: Above 0: small is what the model finds likely, 1 as often as it believes.

    Returns:
        A gallery of PNGs with titles.
    """
    picture = open_upload(file)
    checkpoint = find_checkpoints([model] if model else ["colorful"])[0]
    settings = read_settings(None, temperature, None)
    drawn = draw_samples(picture, checkpoint, count, seed, settings)
    return [
        (
            keep_result(picture, checkpoint, settings, rgb, {"sample": number, "seed": int(seed)}),
            f"Sample {number}",
        )
        for number, rgb in enumerate(drawn, 1)
    ]


def compare(
    file: str, models: list[str] | None = None
) -> tuple[list[tuple[str, str]], list[dict[str, Any]]]:
    """Colour one picture with several models, each with its own settings.

    Args:
        file: The picture, as for /colorize.
        models: Names that /models lists; without them, all of them.

    Returns:
        A gallery of PNGs with titles, and a row for each: model, title, revision, seconds, and
        PSNR (dB) and SSIM against the picture's own colours, null where it had none.
    """
    picture, settings = open_upload(file), Settings()
    gallery, rows, all_of_them = [], [], find_checkpoints(models)
    shared_studio().colorize_by_all(all_of_them, picture, settings)  # at once, then from the shelf
    for checkpoint in all_of_them:
        rgb, facts = colorize_upload(picture, checkpoint, settings)
        gallery.append((keep_result(picture, checkpoint, settings, rgb), checkpoint.title))
        rows.append(facts)
    return gallery, rows


# --------------------------------------------------------------------------------- the screen


def show_all(
    source: str,
    names: list[str],
    temperature: float,
    chroma: float,
    size: int,
    shown: str | None,
) -> tuple:
    """Everything on the screen for a picture and settings: see the outputs in `build`."""
    if not names:
        raise Problem("Choose at least one model.")
    own = temperature == TEMPERATURE  # the slider where it stood: each network's own
    picture, settings = (
        open_upload(source),
        read_settings(size, None if own else temperature, chroma),
    )
    stem = Path(picture.name).stem
    before = keep_for_screen(shared_studio().grey(picture), f"{stem}_grey")
    made, all_of_them = [], find_checkpoints(names)
    shared_studio().colorize_by_all(all_of_them, picture, settings)  # at once, then from the shelf
    for checkpoint in all_of_them:
        rgb, facts = colorize_upload(picture, checkpoint, settings)
        words = [checkpoint.title, f"{facts['seconds']:.2f} s"]
        words += [f"{facts['psnr']:.1f} dB"] if facts["psnr"] is not None else []
        screen = keep_for_screen(rgb, f"{stem}_{checkpoint.name}")
        made.append({"name": checkpoint.name, "screen": screen, "caption": " · ".join(words)})
        made[-1] |= {"title": checkpoint.title, "before": before, "settings": settings}
    if not picture.grey:
        truth = {"name": TRUTH, "title": "the upload", "caption": "The upload: the truth"}
        made.append(truth | {"screen": keep_for_screen(picture.rgb, stem), "before": before})
    titles = [(each["title"], each["name"]) for each in made if each["name"] != TRUTH]
    shown = shown if shown in names else choose_first(all_of_them)
    gallery = [(each["screen"], each["caption"]) for each in made]
    return made, gallery, gr.Radio(choices=titles, value=shown), *show_one(made, shown, source)


def choose_first(found: list[Checkpoint]) -> str:
    """The name of the model whose result a visitor sees first: the likeliest to be believed.

    Ours, which is not from a paper; else one that chooses among colours; else whichever is there.
    """
    best = max(found, key=lambda each: (each.spec.ours, each.spec.predicts == "distribution"))
    return best.name


def show_one(made: list[dict], shown: str | None, source: str) -> tuple:
    """The slider, the line below it and the download for one of the results."""
    each = next((each for each in made if each["name"] == shown), None)
    if each is None:
        return gr.skip(), gr.skip(), gr.skip()
    picture = open_upload(source)
    height, width = picture.rgb.shape[-2:]
    after = f"coloured by {each['title']}" if shown != TRUTH else "the upload, as it was"
    words = [f"{width} × {height} pixels. Left: what the networks see. Right: {after}."]
    line = " ".join([*words, escape_markdown(" ".join(picture.notes))])
    file = each["screen"]
    if shown != TRUTH:
        checkpoint, settings = find_checkpoints([shown])[0], each["settings"]
        rgb, _ = shared_studio().colorize(checkpoint, picture, settings)
        file = keep_result(picture, checkpoint, settings, rgb)
    return (each["before"], each["screen"]), line, file


def show_clicked(made: list[dict], source: str, event: gr.SelectData) -> tuple:
    """The result that was clicked in the gallery, and its view."""
    name = made[event.index]["name"]
    return None if name == TRUTH else name, *show_one(made, name, source)


def check_upload(file: str) -> str:
    """The uploaded file's path, if it is a picture; what was there before stays if not."""
    open_upload(file)
    return file


def choose_sample(event: gr.SelectData) -> tuple[str, None]:
    """The clicked sample's path; the upload's field is emptied."""
    return str(list(SAMPLES.values())[event.index].path), None


def theme() -> gr.Theme:
    """Neutral greys, one restrained accent, the system's own fonts; light and dark."""
    accent = gr.themes.Color(
        *("#f4f6f8", "#e3e9ee", "#c9d5df", "#a9bdcd", "#8fb0cc", "#6489a8"),
        *("#3d5a73", "#344d62", "#2b4052", "#223341", "#1a2731"),
    )
    fonts = ["system-ui", "-apple-system", "Segoe UI", "sans-serif"]
    mono = ["ui-monospace", "Consolas", "monospace"]
    base = gr.themes.Base(
        primary_hue=accent, secondary_hue=accent, neutral_hue="neutral", font=fonts, font_mono=mono
    )
    light = {name: pair[0] for name, pair in COLORS.items()}
    return base.set(**light, **{f"{name}_dark": pair[1] for name, pair in COLORS.items()})


Below = Callable[[gr.State, dict[str, Any]], None]  # builds more, on the picture in a state


def build(workbench: str = "", below: Below | None = None) -> gr.Blocks:
    """The screen and the endpoints, with their queue.

    workbench: where that is linked; below: what stands under the screen (demo_arena.add_screen).
    """
    spare.sweep_folders(Path(get_upload_folder()))
    every, complaints = checkpoints.scan()
    for sentence in complaints:
        logging.getLogger(__name__).warning(sentence)
    first = str(next(iter(SAMPLES.values())).path)
    start = [[], [], None, None, None, None]
    if every:  # whoever comes sees a picture at once, however long the queue is
        start = list(show_all(first, list(every), TEMPERATURE, 1, 0, None))
        start[2] = choose_first(list(every.values()))
    listed = [(each.title, name) for name, each in every.items()]
    alone = {"concurrency_id": "networks", "concurrency_limit": 1}
    screen = {"api_visibility": "private"}
    page = Page(title=TITLE, analytics_enabled=False, delete_cache=(HOURS, 24 * HOURS))
    with page:
        source, made = gr.State(first), gr.State(start[0])
        gr.Markdown(
            f"# {TITLE}\nPublished networks, and a reference of ours, colour the same photograph."
            + (f" More is in [the workbench]({workbench})." if workbench else "")
        )
        with gr.Row(elem_classes="screen"):
            with gr.Column(scale=5, min_width=320):
                slider = gr.ImageSlider(
                    start[3], type="filepath", interactive=False, show_label=False, container=False,
                    buttons=["fullscreen"], max_height=620, elem_classes="picture",
                )  # fmt: skip
                line = gr.Markdown(start[4], elem_classes="line")
                download = gr.DownloadButton(
                    "Download PNG, full size", start[5], size="md", elem_classes="download"
                )
                shown = gr.Radio(listed, value=start[2], label="Right of the line")
                results = gr.Gallery(
                    start[1], label="Results", columns=3, height="auto", object_fit="contain",
                    allow_preview=False, interactive=False, buttons=[], elem_classes="results",
                )  # fmt: skip
            with gr.Column(scale=2, min_width=320):
                file = gr.File(
                    label="Your photograph, in colour or black and white", height=170,
                    elem_classes="upload",
                )  # fmt: skip
                samples = gr.Gallery(
                    [(str(each.path), each.title) for each in SAMPLES.values()],
                    label="or one of ours", columns=5, height="auto", object_fit="cover",
                    allow_preview=False, interactive=False, buttons=[], elem_classes="samples",
                )  # fmt: skip
                names = gr.CheckboxGroup(listed, value=list(every), label="Models")
                temperature = gr.Slider(
                    0.05, 1, TEMPERATURE, step=0.01, label="Temperature",
                    info="Small is bold, 1 is the mean. Unmoved, each network has its own.",
                )  # fmt: skip
                with gr.Accordion("More", open=False):
                    chroma = gr.Slider(0, 2, 1, step=0.05, label="Gain of the colours")
                    size = gr.Dropdown(SIZES, value=0, label="Short side the networks see")
        viewed = [slider, line, download]
        gr.on(
            [source.change, names.change, temperature.release, chroma.release, size.change],
            raise_as_sentence(show_all), [source, names, temperature, chroma, size, shown],
            [made, results, shown, *viewed],
            show_progress="minimal", show_progress_on=[slider], trigger_mode="always_last",
            **alone, **screen,
        )  # fmt: skip
        quick = {"show_progress": "hidden", **screen}
        shown.input(raise_as_sentence(show_one), [made, shown, source], viewed, **quick)
        results.select(raise_as_sentence(show_clicked), [made, source], [shown, *viewed], **quick)
        file.upload(raise_as_sentence(check_upload), file, source, **screen)
        samples.select(choose_sample, None, [source, file], **quick)
        if not every:
            page.load(raise_as_sentence(find_checkpoints), None, None, **screen)  # says so
        if below and len(every) > 1:
            below(source, alone)
        _endpoints(listed, alone)
    page.queue(max_size=WAITING, default_concurrency_limit=4)
    return page


def _endpoints(listed: list[tuple[str, str]], alone: dict[str, Any]) -> None:
    """The named endpoints, on components that nobody sees."""
    with gr.Column(visible=False):
        file = gr.File(label="The picture")
        model = gr.Dropdown(listed, value=None, label="Model", allow_custom_value=True)
        several = gr.Dropdown(
            listed, value=None, label="Models", multiselect=True, allow_custom_value=True
        )
        size = gr.Number(None, label="Short side the network sees, pixels")
        temperature = gr.Number(None, label="Temperature")
        chroma = gr.Number(1.0, label="Gain of the colours")
        rebalancing = gr.Number(None, label="Rebalancing")
        mirror = gr.Checkbox(False, label="Average with the mirror image")
        result, facts = gr.File(label="PNG"), gr.JSON(label="Facts")
        gallery, rows = gr.Gallery(label="PNGs", format="png"), gr.JSON(label="Rows")
        one, many = gr.Button(), gr.Button()
        edges = gr.Checkbox(False, label="Keep colours inside edges")
        hints = gr.JSON(None, label="Hints")
        reach = gr.Number(None, label="Reach of the hints")
        exemplar = gr.File(label="Exemplar")
        exemplar_strength = gr.Number(None, label="Strength of the exemplar")
        count, seed = gr.Number(4, label="Samples"), gr.Number(0, label="Seed")
        x, y = gr.Number(0, label="x"), gr.Number(0, label="y")
        several_colors = gr.JSON(label="Colours")
        clip, clip_file = gr.File(label="The clip"), gr.File(label="MP4")
        strength = gr.Number(None, label="Steadiness")
        stamp = gr.Checkbox(False, label="A visible mark in every frame")
        painted = gr.File(label="Painted frames", file_count="multiple")
        draws, place, moves = gr.Button(), gr.Button(), gr.Button()
    asked = [file, model, size, temperature, chroma, rebalancing, mirror]
    asked += [edges, hints, reach, exemplar, exemplar_strength]
    one.click(raise_as_sentence(colorize), asked, [result, facts], api_name="colorize", **alone)
    many.click(
        raise_as_sentence(compare), [file, several], [gallery, rows], api_name="compare", **alone
    )
    draws.click(
        raise_as_sentence(draw), [file, model, count, seed, temperature], gallery,
        api_name="samples", **alone,
    )  # fmt: skip
    place.click(
        raise_as_sentence(suggest), [file, x, y, model, count], several_colors,
        api_name="suggest", **alone,
    )  # fmt: skip
    # its own line, one at a time: for each few frames it takes a place in the studio's queue, so
    # that pictures never wait for a whole clip
    moves.click(
        raise_as_sentence(colorize_clip),
        [clip, model, size, temperature, chroma, rebalancing, mirror, strength, stamp, painted],
        [clip_file, facts], api_name="colorize_clip",
        concurrency_id="clips", concurrency_limit=1,
    )  # fmt: skip
    gr.api(raise_as_sentence(list_models), api_name="models")


def launch(
    port: int = 7860, host: str = "127.0.0.1", mcp: bool = False, below: Below | None = None
) -> None:
    """Serve the demo until it is stopped; with `mcp` its endpoints are also tools for agents."""
    middleware = [Middleware(SafeHeaders)]
    build(below=below).launch(
        server_name=host, server_port=port, mcp_server=mcp, **_serving_options(),
        app_kwargs={"middleware": middleware},
    )  # fmt: skip


def mount_demo(path: str, below: Below | None = None) -> FastAPI:
    """An application with the demo at `path`, for a server that has other pages too."""
    return gr.mount_gradio_app(FastAPI(), build("../", below), path, **_serving_options())


def _serving_options() -> dict[str, Any]:
    return {
        "theme": theme(),
        "css_paths": CSS,
        "max_file_size": FILE_LIMIT,
        "footer_links": ["api", "settings"],
        "run_history": False,
        "enable_monitoring": False,
        "show_error": False,  # what is no Problem stays in the log
        "ssr_mode": False,
    }
