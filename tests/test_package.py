"""`pip wheel .` makes a wheel that works outside the checkout, with little installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("workbench", "pages", "docs", ".streamlit", "app.py", "pyproject.toml", "setup.py")
NEEDED += ("README.md", "LICENSE")
CORE = {"torch", "numpy", "PIL", "safetensors", "timm", "typer"}
# What the extras bring, by the names under which it is imported. A small installation has none.
EXTRAS = {
    "accelerate", "alembic", "av", "datasets", "evalica", "gradio", "pandas", "plotly", "pyarrow",
    "scipy", "skimage", "sqlalchemy", "streamlit", "tifffile",
}  # fmt: skip
BLOCK = f"""
import sys
from importlib.machinery import PathFinder


class Small(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        absent = name.partition(".")[0] in {sorted(EXTRAS)!r}
        return None if absent else PathFinder.find_spec(name, path, target)


sys.meta_path[:] = [Small if finder is PathFinder else finder for finder in sys.meta_path]
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("WORKBENCH_", "PYTHON"))}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd, env=inherited | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy, so that nothing is left in the checkout."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    without = shutil.ignore_patterns("__pycache__")
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=without)
        else:
            shutil.copy(ROOT / name, source / name)
    made = run(
        sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index",
        "--disable-pip-version-check", "--wheel-dir", out, source, cwd=source,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of a fresh environment that has the wheel.

    It sees the packages of the tests through a .pth file, the checkout not at all.
    """
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, symlinks=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    seen = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "of_the_tests.pth").write_text("\n".join(seen) + "\n")
    made = run(
        sys.executable, "-m", "pip", "--python", folder, "install", "--no-deps", "--no-index",
        "--disable-pip-version-check", wheel, cwd=folder,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
    return folder / "bin"


@pytest.fixture(scope="module")
def small(installed: Path) -> Path:
    """The same environment, in which what the extras bring cannot be imported."""
    packages = next((installed.parent / "lib").glob("python*/site-packages"))
    (packages / "absent_packages.py").write_text(BLOCK)
    (packages / "zz_absent.pth").write_text(
        "import os; os.environ.get('NO_EXTRAS') and __import__('absent_packages')\n"
    )
    return installed


def test_the_wheel_has_every_file_of_the_package_and_the_pages(wheel):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "workbench", "pages",
         "docs", "app.py"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    homes = {"pages": "workbench/browser/pages", "app.py": "workbench/browser/app.py",
             "docs": "workbench/docs", "workbench": "workbench"}  # fmt: skip
    wanted = set()
    for name in listed:
        first, _, rest = name.partition("/")
        wanted.add(f"{homes[first]}/{rest}" if rest else homes[first])
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert wanted - names == set()
    assert names - wanted == {"workbench/browser/.streamlit/config.toml"}


def test_its_version_is_the_package_s_and_a_bare_installation_asks_for_little(wheel):
    from email.parser import Parser

    from workbench import __version__

    with zipfile.ZipFile(wheel) as files:
        name = next(name for name in files.namelist() if name.endswith("/METADATA"))
        about = Parser().parsestr(files.read(name).decode())
    assert about["Version"] == __version__
    always = [need for need in about.get_all("Requires-Dist") if "extra ==" not in need]
    names = {need.split(">=")[0].replace("pillow", "PIL") for need in always}
    assert names == CORE
    assert {"train", "study", "app"} <= set(about.get_all("Provides-Extra"))


def test_every_requirement_of_the_package_is_pinned_for_the_tests_at_no_less():
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if "==" in line]
    pinned = {pin.name: str(pin.specifier).removeprefix("==") for pin in pins}
    extras = project["optional-dependencies"]
    for text in [*project["dependencies"], *(need for group in extras.values() for need in group)]:
        need = Requirement(text)
        if need.name in pinned:
            assert need.specifier.contains(pinned[need.name]), text


def test_the_installed_command_answers_and_the_package_is_not_the_checkout(installed, tmp_path):
    said = run(installed / "workbench", "--help", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "Usage: workbench " in said.stdout
    code = "import workbench.places as p; print(p.INSTALLED, p.APP.is_file(), p.DOCS.is_dir())"
    said = run(installed / "python", "-c", f"{code}; print(p.PACKAGE)", cwd=tmp_path)
    assert said.stdout.splitlines()[0] == "True True True", said.stderr
    assert not Path(said.stdout.splitlines()[1]).is_relative_to(ROOT)


def test_a_picture_is_coloured_outside_the_checkout_without_the_extras(
    small, small_checkpoints, tmp_path
):
    from workbench.samples import FOLDER

    shutil.copy(FOLDER / "street.jpg", tmp_path / "photo.jpg")
    said = run(
        small / "workbench", "colorize", "photo.jpg", "--model", "vanilla_cnn", "--out", "out",
        cwd=tmp_path, WORKBENCH_CHECKPOINTS=str(small_checkpoints), NO_EXTRAS="1",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    about = json.loads((tmp_path / "out" / "photo.jpg.json").read_text())
    assert about["model"] == "vanilla_cnn"
    assert (tmp_path / "out" / "photo.jpg").stat().st_size > 1000


def test_pictures_are_coloured_in_python_without_the_extras(small, small_checkpoints, tmp_path):
    code = (
        "import torch\n"
        "from workbench import checkpoints\n"
        "from workbench.coloring.colorize import colorize\n"
        "rgb = torch.full((3, 40, 60), 128, dtype=torch.uint8)\n"
        "for name, found in checkpoints.available().items():\n"
        "    print(name, tuple(colorize(found.net(), rgb, size=found.size).rgb.shape))\n"
    )
    said = run(
        small / "python", "-c", code,
        cwd=tmp_path, WORKBENCH_CHECKPOINTS=str(small_checkpoints), NO_EXTRAS="1",
        WORKBENCH_EYE=str(ROOT / "checkpoints" / "eye"),
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    names = sorted(path.parent.name for path in small_checkpoints.glob("*/config.json"))
    assert sorted(line.split()[0] for line in said.stdout.splitlines()) == names
    assert all(line.endswith("(3, 40, 60)") for line in said.stdout.splitlines())


def test_without_models_one_sentence_says_where_they_come_from(installed, tmp_path):
    for model in ("all", "vanilla_cnn"):
        said = run(
            installed / "workbench", "colorize", "photo.jpg", "--model", model, "--out", "out",
            cwd=tmp_path, WORKBENCH_CACHE=str(tmp_path / "cache"),
        )  # fmt: skip
        assert said.returncode == 2
        assert str(tmp_path / "cache" / "checkpoints") in said.stderr
        assert "WORKBENCH_CHECKPOINTS" in said.stderr
        assert len(said.stderr.splitlines()) == 1


def test_a_command_whose_packages_are_absent_says_how_to_get_them(small, tmp_path):
    said = run(small / "workbench", "serve", "--port", "0", cwd=tmp_path, NO_EXTRAS="1")
    assert said.returncode == 2
    assert "pip install 'colorization-workbench[train,study,app]'" in said.stderr
