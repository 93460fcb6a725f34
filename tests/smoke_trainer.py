"""Does the trainer work with a GPU Space's torch, and without the packages of the pages?

    python tests/smoke_trainer.py      make a clean environment of VERSIONS; in it, a short `quick`
                                       run of every model, and `evaluate` of it

It takes minutes and about 6 GB. What VERSIONS does not name (streamlit, gradio, pandas, plotly) is
not there.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from small_pictures import colors
from smoke_space import clean_environment, clean_variables

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = (
    "torch==2.11.0", "torchvision==0.26.0", "huggingface-hub==1.33.0", "accelerate", "numpy",
    "pillow", "safetensors", "scipy", "timm", "typer",
)  # fmt: skip
SIZE = ("--images", "48", "--batch-size", "8", "--size", "32", "--width", "0.125")


def make_photos(folder: Path, count: int = 24) -> Path:
    """A folder of small coloured pictures in two classes."""
    for i in range(count):
        place = folder / ("warm" if i % 2 else "cold")
        place.mkdir(parents=True, exist_ok=True)
        colors(i, (64, 64)).save(place / f"{i:02d}.png")
    return folder


def smoke(python: Path, folder: Path) -> list[str]:
    """Train and evaluate every model with this Python; a line about each."""
    env = {**clean_variables(), "PYTHONPATH": str(ROOT), "WORKBENCH_CACHE": str(folder / "cache")}
    photos = make_photos(folder / "photos")

    def run(*words: str | Path) -> str:
        done = subprocess.run(
            [python, *map(str, words)], cwd=folder, env=env, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, words))}\n{done.stderr}")
        return done.stdout

    said = []
    for name in run("-c", "from workbench.models import MODELS; print(*MODELS)").split():
        out = folder / "runs" / name
        run("-m", "workbench", "train", name, "--data", photos, "--preset", "quick", *SIZE,
            "--out", out)  # fmt: skip
        run("-m", "workbench", "evaluate", out, "--data", photos, "--size", "32")
        said.append(f"{name}: trained and evaluated")
    return said


def main() -> None:
    """Make the environment, run, and print."""
    with TemporaryDirectory() as spare:
        folder = Path(spare) / "work"
        folder.mkdir()
        (folder / "requirements.txt").write_text("\n".join(VERSIONS))
        python = clean_environment(folder, Path(spare) / "environment")
        print(*smoke(python, folder), sep="\n")


if __name__ == "__main__":
    main()
