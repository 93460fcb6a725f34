"""Spaces: the folder that a hosted demo, workbench or leaderboard is started from.

    gradio   the demo and its API, on CPU Basic or ZeroGPU; weights bundled or fetched at the start
    docker   the whole workbench (uid 1000, port 7860)
    static   the networks in the visitor's own browser, and the leaderboard; no server

`assemble` needs a network only for a static Space, and once; `hub.publish_space` sends the folder.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from workbench import places
from workbench.checkpoints import available
from workbench.errors import Problem
from workbench.hub.model_folder import WEIGHTS, model_files

KINDS = ("gradio", "docker", "static")
TITLE = "Colorization workbench"
# What the demo imports, without hashes: the Hub installs packages of its own in the same command.
# The versions are those of requirements.txt. ZeroGPU offers torch 2.8 to 2.11, so a Space has a
# pair of its own, which runs on CPU Basic as well.
DEMO_NEEDS = (
    *("timm", "safetensors", "huggingface-hub", "numpy", "scipy", "scikit-image"),
    *("pillow", "pillow-heif", "tifffile", "av", "gradio"),
)
SPACE_TORCH = ("torch==2.11.0", "torchvision==0.26.0")
WORKBENCH = ("app.py", "pages", "workbench", "docs", ".streamlit", "Dockerfile")
WORKBENCH += ("requirements.txt", "requirements.lock")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "*.sqlite3*", "*.state.pt", ".DS_Store")

APP = '''\
"""The public face of the colorization workbench: one screen, and an API."""

import os

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("GRADIO_SSR_MODE", "False")

try:
    import spaces  # on ZeroGPU only, and before torch
except ImportError:
    spaces = None

from workbench import hub
from workbench.serving import demo

MODELS = {models}  # fetched when the Space starts; empty: they lie in checkpoints/

for name in MODELS:
    hub.fetch(name)

if spaces:

    @spaces.GPU(duration=1)
    def gpu() -> None:
        """ZeroGPU starts no Space without such a function; these networks need no GPU."""


if __name__ == "__main__":
    demo.launch(
        port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
        host=os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0"),
    )
'''

CARD = """\
# {title}

{text}

The code is under Apache-2.0. The weights were trained on pictures whose terms allow research only;
the cards of the models say which, and what that means for their use.
"""
TEXTS = {
    "gradio": "Published colorization networks, reimplemented and trained, colourize your "
    "photograph side by side. The same page is an API: `/colorize`, `/compare`, `/models`.",
    "docker": "Published colorization networks, trained, compared and explained: the whole "
    "workbench, with leaderboard and lessons.",
    "static": "Published colorization networks, trained here, colourize your photograph side by "
    "side in your own browser: nothing is uploaded, and after the first visit it works offline. "
    "The leaderboard of the networks is beside it.",
}


def assemble(kind: str, out: Path, models: Sequence[str] = (), runtime: Path | None = None) -> Path:
    """Write everything that a Space of this kind needs into an empty folder, and return it.

    models ("user/name@revision") are fetched by a Gradio Space when it starts, and now for a
    static one; without them the bundled weights go along. runtime: a folder with onnxruntime-web
    for a static Space, which else comes from the cache or npm. Raises Problem.
    """
    if kind not in KINDS:
        raise Problem(f"There is no kind of Space {kind!r}. Choose one of {', '.join(KINDS)}.")
    if places.INSTALLED and kind != "static":
        raise Problem("A Space is made from the files of a checkout: run this in one.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Problem(f"{out} is not an empty folder. Name another one, or empty it.")
    if models and kind == "docker":
        raise Problem("A docker Space carries what it shows; --model is for the other kinds.")
    if runtime and kind != "static":
        raise Problem("--runtime is for a static Space: the others run no network in a browser.")
    for name in models:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+@[\w.-]+", name):
            raise Problem(
                f"{name!r} does not name a revision. Write USER/NAME@REVISION (a tag or a commit), "
                "so that the Space starts with the same weights tomorrow."
            )
    out.mkdir(parents=True, exist_ok=True)
    try:
        if kind == "static":
            _static(out, models, runtime)
        else:
            {"gradio": _gradio, "docker": _docker}[kind](out, models)
        _card(out, kind, models)
    except BaseException:
        shutil.rmtree(out)  # half a Space is none
        raise
    return out


def _gradio(out: Path, models: Sequence[str]) -> None:
    modules = list_imports("workbench.serving.demo", "workbench.hub")
    beside = {file for module in modules for file in module.parent.iterdir() if file.is_file()}
    for file in [*modules, *(f for f in beside if f.suffix not in (".py", ".pyc"))]:
        target = out / file.relative_to(places.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    (out / "app.py").write_text(APP.format(models=json.dumps(list(models))), encoding="utf-8")
    needs = [*SPACE_TORCH, *(f"{name}=={_find_pin(name)}" for name in DEMO_NEEDS)]
    (out / "requirements.txt").write_text("\n".join(needs) + "\n")
    _eye(out)
    if not models:
        _weights(out, lambda path: path == "config.json" or bool(WEIGHTS.fullmatch(path)))


def _docker(out: Path, models: Sequence[str]) -> None:
    for name in WORKBENCH:
        if (places.ROOT / name).is_dir():
            shutil.copytree(places.ROOT / name, out / name, ignore=LEFT_OUT)
        else:
            shutil.copy(places.ROOT / name, out / name)
    _eye(out)
    _weights(out, lambda path: True)


def _static(out: Path, models: Sequence[str], runtime: Path | None) -> None:
    from workbench import hub
    from workbench.checkpoints import open_folder
    from workbench.evaluation import score_run, scores
    from workbench.publishing import static_page
    from workbench.publishing.leaderboard_page import write_page

    if models:
        shown = [open_folder(hub.fetch(name)) for name in models]
    else:
        shown = list(available(places.CHECKPOINTS).values())
    if not shown or None in shown:
        raise _no_models()
    write_page(out / "leaderboard.html", scores.read_all(score_run.score_roots()))
    static_page.write(out, shown, runtime)


def _eye(out: Path) -> None:
    """The frozen classifier that some of the models ask, fetched ones among them."""
    shutil.copytree(places.eye(), out / "checkpoints" / "eye", dirs_exist_ok=True)


def _weights(out: Path, wanted: Callable[[str], bool]) -> None:
    """The bundled models, checked; `wanted(path)` chooses among the files of each."""
    bundled = available(places.CHECKPOINTS)
    if not bundled:
        raise _no_models()
    for name, checkpoint in bundled.items():
        for path, file in model_files(checkpoint.folder).items():
            if wanted(path):
                target = out / "checkpoints" / name / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)


def _no_models() -> Problem:
    return Problem(
        f"There are no bundled models in {places.CHECKPOINTS}. Train some, or name published "
        "ones with --model USER/NAME@REVISION."
    )


def _card(out: Path, kind: str, models: Sequence[str]) -> None:
    """README.md with the front matter that tells the Hub what to start."""
    facts: dict[str, object] = {"title": TITLE, "emoji": "🎨", "colorFrom": "gray"}
    facts |= {"colorTo": "gray", "sdk": kind, "pinned": False, "license": "apache-2.0"}
    facts |= {"short_description": "Published colorization networks side by side"}
    if kind == "gradio":
        facts |= {
            "sdk_version": _find_pin("gradio"),
            "python_version": "3.12",
            "app_file": "app.py",
        }
    elif kind == "docker":
        facts["app_port"] = 7860
    else:
        from workbench.publishing.static_page import HEADERS

        facts |= {"app_file": "index.html", "custom_headers": HEADERS}
    if models:
        facts["models"] = [name.partition("@")[0] for name in models]
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()]
    card = CARD.format(title=TITLE, text=TEXTS[kind])
    (out / "README.md").write_text("\n".join(["---", *lines, "---", card]), encoding="utf-8")


def _find_pin(name: str) -> str:
    """The version of a package that requirements.txt pins."""
    text = (places.ROOT / "requirements.txt").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(name)}(?:\[\w+\])?==(\S+)", text, re.MULTILINE)
    if not found:
        raise Problem(f"requirements.txt does not pin {name}, which the Space needs.")
    return found[1]


def list_imports(*modules: str) -> list[Path]:
    """The files of this package that modules import, directly or not, themselves among them."""
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        file = places.ROOT / Path(*name.split("."))
        file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
        if not file.is_file() or file in found:
            continue
        found.add(file)
        waiting += [name.rpartition(".")[0], *_imports(file)]
    return sorted(found)


def _imports(file: Path) -> Iterator[str]:
    """The modules of this package named in a file, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("workbench"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("workbench"):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
