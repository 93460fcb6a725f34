"""Spaces: what is assembled, that it is sent in one commit, and that it starts."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hub_repos import Blob
from hub_server import TOKEN, loopback_hub
from smoke_space import call, smoke, started
from static_site import browser_runtime

from workbench import places
from workbench.errors import Problem
from workbench.models import MODELS
from workbench.publishing import spaces

__all__ = ["browser_runtime", "loopback_hub"]
ROOT = Path(__file__).resolve().parent.parent
CARD = "---\nlicense: other\n---\n# A model for tests\n"


@pytest.fixture(scope="session")
def bundled(small_checkpoints: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small models with what published ones have: card, log, scores."""
    from workbench.evaluation.scores import Score, write

    root = tmp_path_factory.mktemp("bundled") / "checkpoints"
    shutil.copytree(small_checkpoints, root)
    for folder in root.iterdir():
        (folder / "README.md").write_text(CARD)
        (folder / "log.jsonl").write_text("")
        revision = json.loads((folder / "config.json").read_text())["revision"]
        rows = [
            Score(folder.name, revision, "kodak", f"{i}.png", "cw-1", 128, psnr=20.0 + i, ssim=0.9)
            for i in range(3)
        ]
        write(folder / "scores" / "kodak.csv", rows)
    return root


@pytest.fixture
def shell(loopback_hub, bundled, tmp_path):
    """`python -m workbench ...` with the small models bundled and the Hub on the loopback."""

    def run(*words: object, code: int = 0) -> str:
        env = loopback_hub.environment(tmp_path / "home") | {"WORKBENCH_CHECKPOINTS": str(bundled)}
        command = [sys.executable, "-m", "workbench", *map(str, words)]
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert TOKEN not in done.stdout + done.stderr
        return done.stderr if code else done.stdout

    return run


def front_matter(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def pins(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w-]+)(?:\[\w+\])?==(\S+)", file.read_text(), re.MULTILINE))


def sent(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_the_gradio_space_holds_the_demo_and_nothing_of_the_workbench(shell, tmp_path):
    out = tmp_path / "space"
    rows = json.loads(
        shell("publish-space", "--repo", "ada/demo", "--out", out, "--dry-run", "--json")
    )
    files = sent(out)
    assert {row["file"]: row["bytes"] for row in rows} == {p: len(d) for p, d in files.items()}
    assert {"app.py", "README.md", "requirements.txt", "workbench/serving/demo.py"} <= set(files)
    assert "workbench/models/prior.json" in files  # data that a module reads
    assert not [p for p in files if p.startswith(("workbench/ui/", "workbench/study/", "pages/"))]
    weights = [path for path in files if path.startswith("checkpoints/")]
    assert "checkpoints/eye/model.safetensors" in weights  # two of the models ask it
    weights = [path for path in weights if not path.startswith("checkpoints/eye/")]
    assert {Path(path).name for path in weights} == {"config.json", "model.safetensors"}
    assert len(weights) == 2 * len(MODELS)

    facts, needs = front_matter(out), pins(out / "requirements.txt")
    assert (facts["sdk"], facts["app_file"]) == ("gradio", "app.py")
    assert facts["sdk_version"] == needs["gradio"] == pins(ROOT / "requirements.txt")["gradio"]
    assert len(facts["short_description"]) <= 60  # the Hub refuses a longer one
    assert "streamlit" not in needs


def test_a_gradio_space_names_what_it_fetches(tmp_path):
    out = spaces.assemble("gradio", tmp_path / "space", ["ada/tiny@v1"])
    assert 'MODELS = ["ada/tiny@v1"]' in (out / "app.py").read_text()
    assert front_matter(out)["models"] == ["ada/tiny"]
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["eye"]  # not published


def test_a_space_is_sent_in_one_commit_and_equals_the_folder(loopback_hub, shell, tmp_path):
    stale = loopback_hub.create("ada/demo", "spaces", sdk="gradio")
    stale.add("an older one", {**stale.commits[-1].files, "old.py": Blob(b"", False)})
    shell("publish-space", "--repo", "ada/demo", "--out", tmp_path / "space")
    repo = loopback_hub.repo("ada/demo", "spaces")
    assert len(repo.commits) == 3
    assert repo.files.pop(".gitattributes")
    assert {p: d for p, d in repo.files.items() if p != ".gitattributes"} == sent(
        tmp_path / "space"
    )


def test_the_gradio_space_starts_and_colourizes(loopback_hub, shell, bundled, tmp_path):
    """The assembled folder with this interpreter; its weights come from the (loopback) Hub."""
    shell("publish", bundled / "vanilla_cnn", "--repo", "ada/tiny", "--tag", "v1")
    out = spaces.assemble("gradio", tmp_path / "space", ["ada/tiny@v1"])
    env = loopback_hub.environment(tmp_path / "elsewhere", token=None)
    with started([sys.executable, "app.py"], out, env, "/gradio_api/info") as url:
        models, size = call(url)
    assert models == ["ada--tiny"]
    assert size == (451, 300)


def test_the_docker_space_holds_the_workbench_and_its_command_starts_it(shell, tmp_path):
    out = tmp_path / "space"
    shell("publish-space", "--kind", "docker", "--repo", "ada/bench", "--out", out, "--dry-run")
    facts = front_matter(out)
    assert (facts["sdk"], facts["app_port"]) == ("docker", 7860)
    files = sent(out)
    assert {"app.py", ".streamlit/config.toml", "checkpoints/colorful/README.md"} <= set(files)
    assert not [path for path in files if "__pycache__" in path or path.endswith(".sqlite3")]

    steps = dockerfile(out / "Dockerfile")
    command = json.loads(dict(steps)["CMD"])
    assert "--server.port=7860" in command
    command = [word.replace("7860", "{port}").replace("0.0.0.0", "127.0.0.1") for word in command]
    command[0] = str(Path(sys.executable).with_name(command[0]))
    env = {k: v for k, v in os.environ.items() if not k.startswith("WORKBENCH_")}
    with started(command, out, env, "/_stcore/health"):
        pass


def dockerfile(file: Path) -> list[tuple[str, str]]:
    """(instruction, arguments), comments left out and continued lines joined."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    text = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]


def test_the_dockerfile_is_what_a_space_expects():
    steps = dockerfile(ROOT / "Dockerfile")
    names = [name for name, _ in steps]
    known = {"FROM", "RUN", "WORKDIR", "ARG", "COPY", "USER", "ENV", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert set(names) <= known
    assert names[0] == "FROM"
    assert names.count("CMD") == 1
    facts = dict(steps)
    assert facts["USER"] == "1000"
    assert "--uid 1000" in " ".join(value for name, value in steps if name == "RUN")
    assert facts["EXPOSE"] == "7860"
    for name, value in steps:
        if name == "COPY":
            source = next(word for word in value.split() if not word.startswith("--"))
            assert (ROOT / source).exists()


def test_the_static_space_is_the_page_and_the_leaderboard(shell, browser_runtime, tmp_path):
    """Small networks; what the page does is tested in test_static_page.py."""
    out = tmp_path / "space"
    words = ("publish-space", "--kind", "static", "--repo", "ada/board", "--runtime")
    shell(*words, browser_runtime, "--out", out, "--dry-run")
    facts, files = front_matter(out), sent(out)
    assert (facts["sdk"], facts["app_file"]) == ("static", "index.html")
    assert {"README.md", "index.html", "app.js", "service-worker.js", "site.json"} <= set(files)
    site = json.loads(files["site.json"])
    assert {network["file"] for network in site["models"]} == {
        path for path in files if path.endswith(".onnx")
    }
    assert b"kodak" in files["leaderboard.html"]


def test_a_static_space_names_the_repositories_of_its_networks(
    shell, bundled, browser_runtime, tmp_path
):
    shell("publish", bundled / "vanilla_cnn", "--repo", "ada/tiny", "--tag", "v1")
    out = tmp_path / "space"
    words = ("publish-space", "--kind", "static", "--repo", "ada/board", "--model", "ada/tiny@v1")
    shell(*words, "--runtime", browser_runtime, "--out", out, "--dry-run")
    assert front_matter(out)["models"] == ["ada/tiny"]
    (network,) = json.loads((out / "site.json").read_text())["models"]
    assert network["name"] == "ada--tiny"


@pytest.mark.parametrize(
    ("kind", "models", "said"),
    [
        ("streamlit", [], "no kind of Space 'streamlit'"),
        ("docker", ["ada/tiny@v1"], "--model is for the other kinds"),
        ("gradio", ["ada/tiny"], "does not name a revision"),
    ],
)
def test_what_cannot_be_assembled_is_a_sentence(tmp_path, kind, models, said):
    with pytest.raises(Problem, match=said):
        spaces.assemble(kind, tmp_path / "space", models)
    assert not (tmp_path / "space").exists()


def test_half_a_space_is_not_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "CHECKPOINTS", tmp_path / "nowhere")
    with pytest.raises(Problem, match="no bundled models"):
        spaces.assemble("docker", tmp_path / "space")
    assert not (tmp_path / "space").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(Problem, match="is not an empty folder"):
        spaces.assemble("gradio", tmp_path)


def test_imports_are_followed_inside_functions_too():
    names = {file.name for file in spaces.list_imports("workbench.hub")}
    assert names == {"__init__.py", "transfer.py", "errors.py", "model_folder.py", "places.py"}
    inside = {"workbench/models/ab_bins.py", "workbench/models/colorful.py"}  # inside functions
    files = spaces.list_imports("workbench.checkpoints")
    assert inside <= {file.relative_to(ROOT).as_posix() for file in files}


@pytest.mark.skipif(not os.environ.get("WORKBENCH_SMOKE"), reason="minutes and 6 GB; see Makefile")
def test_the_gradio_space_starts_in_a_clean_environment():
    assert "5 models" in smoke()
