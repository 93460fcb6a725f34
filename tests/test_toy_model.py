"""A model is one file and one line: this file, and `MODELS["toy"] = SPEC`, go through the house."""

from __future__ import annotations

import ast
import inspect
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import SMALL_BACKBONE
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn
from typer.testing import CliRunner

from workbench import checkpoints, losses, places
from workbench.cli import build
from workbench.evaluation import scores
from workbench.models import MODELS
from workbench.publishing import spaces
from workbench.spec import ModelSpec, Preset, Recipe
from workbench.ui import state

ROOT = Path(__file__).resolve().parent.parent


class Toy(nn.Module):
    """L (N, 1, H, W) -> ab (N, 2, H, W): two convolutions."""

    def __init__(self, width: float = 1.0, rectified: bool = True) -> None:
        super().__init__()
        channels = max(1, round(16 * width))
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.between = nn.ReLU() if rectified else nn.Identity()
        self.last = nn.Conv2d(channels, 2, 3, padding=1)

    def forward(self, L: Tensor) -> Tensor:
        """L (N, 1, H, W) in [0, 100] -> ab (N, 2, H, W) in CIELAB units."""
        x = self.between(self.first(L / 50 - 1))  # (N, 16, H, W)
        return torch.tanh(self.last(x).float()) * 110  # (N, 2, H, W)


class ToyRecipe(Recipe):
    """L1 of ab; Adam 1e-3."""

    def __init__(self, net: nn.Module, images: int) -> None:
        super().__init__()
        self.net = net
        self.optimizers = {"net": torch.optim.Adam(net.parameters(), 1e-3)}

    def losses(
        self, L: Tensor, ab: Tensor, label: Tensor | None = None, answers: Tensor | None = None
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the one loss."""
        yield "net", losses.l1(self.net(L), ab)


SPEC = ModelSpec(
    name="toy",
    title="Two convolutions",
    paper="Nobody, On two convolutions",
    claim="Two convolutions are not enough.",
    build=Toy,
    recipe=ToyRecipe,
    size=64,
    batch_size=8,
    images=100,
    color="#8B4513",
    ablations={
        "rectified": Preset("with a ReLU"),
        "linear": Preset("without", build={"rectified": False}),
    },
)
PAGES = next(
    ast.literal_eval(node.value)
    for node in ast.parse((ROOT / "app.py").read_text(encoding="utf-8")).body
    if isinstance(node, ast.Assign) and node.targets[0].id == "PAGES"
)


@pytest.fixture
def toy(
    small_checkpoints: Path, small_scores: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The bundled folder with small networks, their scores, and the toy beside them."""
    monkeypatch.setitem(MODELS, "toy", SPEC)
    root = tmp_path / "checkpoints"
    shutil.copytree(small_checkpoints, root)
    shutil.copytree(small_scores, root, dirs_exist_ok=True)
    torch.manual_seed(0)
    config = {"model": "toy", "width": 1.0, "options": {}, "size": 32, "images_seen": 0,
              "trained_on": ["random weights for tests"]}  # fmt: skip
    checkpoints.save(Toy(), root / "toy", config)
    monkeypatch.setattr(places, "CHECKPOINTS", root)
    monkeypatch.setattr(places, "RUNS", tmp_path / "runs")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return root


@pytest.fixture
def pages(workbench: AppTest, toy: Path) -> AppTest:
    """The app with the toy in it; `workbench` has set its own folders before."""
    state.checkpoints.clear()
    return workbench


def run(*words: object) -> str:
    """`python -m workbench ...` in this process, where the toy is registered."""
    done = CliRunner().invoke(build(), [str(word) for word in words])
    assert done.exit_code == 0, done.output + repr(done.exception)
    return done.output


def shown(page: AppTest) -> str:
    """All that a page says, as one text."""
    return repr(page.main) + repr(page.sidebar)


@pytest.mark.parametrize("which", [name for names in PAGES.values() for name, _, _ in names])
def test_every_page_opens_with_a_model_more(pages: AppTest, which: str) -> None:
    pages.switch_page(f"pages/{which}.py").run()
    assert not pages.exception
    assert not pages.error
    if which in ("compare", "batch", "video", "experiments", "learn_models", "about"):
        assert SPEC.title in shown(pages)


@pytest.mark.parametrize("view", ["Paper", "Diagram", "Source", "Training", "Inside your picture"])
def test_every_view_of_the_lesson_opens_for_a_model_more(pages: AppTest, view: str) -> None:
    pages.switch_page("pages/learn_models.py").run()
    pages.segmented_control(key="lesson_model").set_value("toy")
    pages.segmented_control(key="lesson_view").set_value(view).run()
    assert not pages.exception
    assert not pages.error


def test_a_model_more_is_trained_scored_described_and_colours(
    toy: Path, small_test_set: Path, tmp_path: Path
) -> None:
    out = tmp_path / "runs" / "mine"
    run("train", "toy", "--data", small_test_set, "--images", 8, "--size", 16, "--batch-size", 2,
        "--out", out)  # fmt: skip
    assert checkpoints.open_folder(out).spec is SPEC
    run("evaluate", "toy", "--data", small_test_set, "--size", 32)
    assert {row.model for row in scores.read(toy / "toy" / "scores" / "tiny.csv")} == {"toy"}
    assert not (toy / "baselines" / "scores" / "tiny.csv").exists()  # somebody's own pictures
    assert "Nobody" in run("models", "--json")
    run("card", "toy")
    assert "Nobody" in (toy / "toy" / "README.md").read_text(encoding="utf-8")
    photo = sorted(small_test_set.glob("*.png"))[0]
    run("colorize", photo, "--model", "toy", "--out", tmp_path / "coloured")
    assert list((tmp_path / "coloured").rglob("*.png"))


def test_the_comparison_of_a_model_more_with_itself_needs_no_claim(
    toy: Path, small_test_set: Path, tmp_path: Path
) -> None:
    run("ablate", "toy", "--data", small_test_set, "--images", 4, "--size", 16, "--batch-size", 2,
        "--width", 1, "--out", tmp_path / "ablation")  # fmt: skip
    table = json.loads((tmp_path / "ablation" / "results.json").read_text(encoding="utf-8"))
    assert [entry["name"] for entry in table["entries"]] == ["rectified", "linear", "grey"]
    assert table["claims"] == []


def test_a_model_more_goes_into_a_space_s_folder(toy: Path, tmp_path: Path) -> None:
    run("card", "all")
    spaces.assemble("gradio", tmp_path / "space")
    assert (tmp_path / "space" / "checkpoints" / "toy" / "config.json").is_file()


def test_the_api_names_a_model_more(toy: Path) -> None:
    from workbench.serving import api

    (told,) = [row for row in api.list_models() if row["name"] == "toy"]
    assert told["paper"] == SPEC.paper
    assert not told["temperature"]


def test_what_is_not_from_a_paper_says_so_wherever_models_are_listed(pages: AppTest) -> None:
    from workbench.serving import api

    ours = [name for name, spec in MODELS.items() if spec.ours]
    assert ours == ["reference"]
    assert list(MODELS)[-2:] == ["reference", "toy"]  # after the papers', before what came later
    words = MODELS["reference"].source
    assert words == "Not from a paper: ours"
    assert [row["paper"] for row in api.list_models() if row["name"] == "reference"] == [words]
    pages.switch_page("pages/about.py").run()
    assert any(words in each.value for each in pages.markdown)
    pages.switch_page("pages/learn_models.py").run()
    pages.segmented_control(key="lesson_model").set_value("reference")
    pages.segmented_control(key="lesson_view").set_value("Paper").run()
    assert [each.value for each in pages.subheader] == [words]


@pytest.mark.parametrize("name", MODELS)
def test_what_a_spec_says_is_what_its_network_does(name: str) -> None:
    from workbench.coloring.colorize import has_temperature
    from workbench.ui.lessons.insides import VIEWS

    spec = MODELS[name]
    with torch.device("meta"):
        net = spec.build(width=0.125, **(SMALL_BACKBONE if spec.backbone else {}))
    assert has_temperature(net) == (spec.predicts == "distribution")
    assert spec.labels == ("classes" in inspect.signature(spec.build).parameters)
    assert set(spec.inside) <= set(VIEWS)
    assert set(spec.printed) <= set(spec.ablations)
