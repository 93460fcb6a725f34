"""Does a Gradio Space start, and does it colourize a picture?

    python tests/smoke_space.py                        assemble it, install its own requirements
                                                       in a clean environment, start it, call it
    python tests/smoke_space.py --folder DIR           the same for an assembled folder
    python tests/smoke_space.py --url https://...      call one that runs, after publishing

A clean environment takes minutes and about 6 GB; WORKBENCH_SMOKE=1 lets pytest do it as well.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "workbench" / "samples" / "chelsea.jpg"


@contextmanager
def started(command: list[str], folder: Path, env: Mapping[str, str], health: str) -> Iterator[str]:
    """A server started in a folder on a free port: its address, once `health` answers.

    `{port}` in the command and GRADIO_SERVER_PORT name the port.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    env = {**env, "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    command = [word.format(port=port) for word in command]
    log = folder.parent / f"{folder.name}.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                with urlopen(url + health, timeout=5):
                    break
            except OSError:  # refused, or too busy to answer
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"It did not start:\n{log.read_text()}") from None
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=20)


def call(url: str) -> tuple[list[str], tuple[int, int]]:
    """The models that a running demo offers, and the size of the sample that it colourized."""
    from gradio_client import Client, handle_file
    from PIL import Image

    client = Client(url, verbose=False)
    try:
        models = [row["name"] for row in client.predict(api_name="/models")]
        picture = client.predict(handle_file(str(SAMPLE)), models[0], api_name="/colorize")
    finally:
        client.close()
    file = picture[0] if isinstance(picture, (list, tuple)) else picture
    with Image.open(file) as image:
        return models, image.size


def clean_environment(folder: Path, home: Path) -> Path:
    """A new environment with exactly what the folder's requirements.txt says: its Python."""
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", folder / "requirements.txt"], check=True)
    return python


def clean_variables() -> dict[str, str]:
    """This process's environment variables without Python's and the workbench's."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "WORKBENCH_"))}


def smoke(folder: Path | None = None) -> str:
    """Install, start and call an assembled Space (or assemble one); say what came of it."""
    with TemporaryDirectory() as spare:
        if folder is None:
            folder = Path(spare) / "space"
            assemble = ["publish-space", "--repo", "smoke/test", "--dry-run", "--out", str(folder)]
            subprocess.run([sys.executable, "-m", "workbench", *assemble], cwd=ROOT, check=True)
        python = clean_environment(folder, Path(spare) / "environment")
        begin = time.monotonic()
        command = [str(python), "app.py"]
        with started(command, folder, clean_variables(), "/gradio_api/info") as url:
            seconds = time.monotonic() - begin
            models, size = call(url)
    return f"started in {seconds:.0f} s; {len(models)} models; colourized {size[0]} x {size[1]}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--url")
    asked = parser.parse_args()
    print(call(asked.url) if asked.url else smoke(asked.folder))
