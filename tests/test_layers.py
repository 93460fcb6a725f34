"""Imports point down, and heavy or foreign packages stay in their homes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "workbench"

# From the bottom up. A module may import from its own layer's package and from any layer below.
LAYERS = [
    ["errors", "names"],
    ["color", "images", "image_color", "image_depth", "image_tiff", "model_folder", "hub",
     "samples"],
    ["spec"],
    ["losses", "models.blocks", "models.ab_bins", "data", "evaluation.metrics",
     "evaluation.flicker", "evaluation.scores", "evaluation.reported"],
    ["models.pix2pix"],
    ["models.attention_pix2pix", "models.cbam_gan", "models.colorful",
     "models.inception_attention", "models.vanilla_cnn"],
    ["models"],
    ["checkpoints", "edges", "maps", "colorize", "hints", "grid"],
    ["training", "video", "evaluation", "study", "studio", "service"],
    ["ablation", "charts", "cards", "lessons"],
    ["leaderboard", "study.figures"],
    ["ui", "demo", "spaces"],
    ["serve"],
    ["cli"],
]  # fmt: skip
HOMES = {
    "streamlit": ("workbench/ui/", "workbench/serve.py", "pages/", "app.py"),
    "gradio": ("workbench/demo.py",),
    "huggingface_hub": ("workbench/hub.py", "workbench/cards.py"),
    "sqlalchemy": (
        "workbench/study/votes.py",
        "workbench/study/tables.py",
        "workbench/study/migrations/",
    ),
    "plotly": ("workbench/charts.py", "workbench/study/figures.py"),
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name.removesuffix(".__init__")


def layer_of(name: str) -> int | None:
    """The layer of the longest prefix that is listed."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        for number, names in enumerate(LAYERS):
            if prefix in names:
                return number
    return None


def imports(path: Path) -> list[tuple[str, bool]]:
    """(imported module, at module level and not for types only), absolute imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for node in ast.walk(function)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        eager = id(node) not in inside
        if isinstance(node, ast.Import):
            found += [(alias.name, eager) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                module = (ROOT / Path(*whole.split("."))).with_suffix(".py")
                package = ROOT / Path(*whole.split(".")) / "__init__.py"
                names_a_module = module.is_file() or package.is_file()
                found.append((whole if names_a_module else node.module, eager))
    return found


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_a_module_imports_only_from_its_own_layer_or_below(path):
    own = layer_of(dotted(path))
    if dotted(path) in ("__init__", "__main__"):
        return
    assert own is not None, f"{dotted(path)} has no layer: give it one in LAYERS"
    for name, eager in imports(path):
        if not name.startswith("workbench.") or not eager:
            continue
        target = layer_of(name.removeprefix("workbench."))
        if target is not None:
            assert target <= own, f"{dotted(path)} imports {name} from a layer above"


@pytest.mark.parametrize("package", HOMES)
def test_a_foreign_package_is_imported_only_in_its_home(package):
    files = [*modules(), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"]
    for path in files:
        place = path.relative_to(ROOT).as_posix()
        if any(name.split(".")[0] == package for name, _ in imports(path)):
            assert place.startswith(HOMES[package]), f"{place} imports {package}"


@pytest.mark.parametrize(
    "module",
    ["training", "evaluation.evaluate", "colorize", "checkpoints", "models", "data.sources"],
)
def test_the_engine_runs_on_a_bare_gpu_machine(module):
    """Without streamlit, gradio, pydantic, datasets, pandas, plotly at import."""
    banned = "streamlit gradio pydantic datasets pandas plotly sqlalchemy huggingface_hub"
    code = (
        f"import sys, workbench.{module}\n"
        f"print([name for name in '{banned}'.split() if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_command_line_answers_help_without_importing_torch():
    code = "import sys, workbench.cli; workbench.cli.build(); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
