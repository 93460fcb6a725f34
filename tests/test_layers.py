"""Imports point down, and heavy or foreign packages stay in their homes."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "workbench"

# From the bottom up. A module may import from its own entry and from any layer below, at its head,
# inside a function or for types only; entries of one layer do not know each other. The longest
# entry that fits a module's name counts.
LAYERS = [
    ["errors", "imports", "names", "places", "samples", "spare", "color", "provenance"],
    ["images", "writing", "hub"],
    ["spec", "losses", "models.blocks", "models.ab_bins", "models.eye", "models.presets",
     "evaluation.metrics", "evaluation.flicker", "evaluation.scores", "evaluation.reported"],
    ["data", "models.pix2pix", "models.regression", "evaluation.summaries"],
    ["models.attention_pix2pix", "models.cbam_gan", "models.colorful",
     "models.inception_attention", "models.reference", "models.vanilla_cnn"],
    ["models"],
    ["checkpoints", "coloring"],
    ["evaluation", "video"],
    ["preparation.answers", "preparation.prior", "charts", "lessons"],
    ["training", "study"],
    ["preparation", "ablation", "publishing", "serving"],
    ["jobs"],
    ["ui"],
    ["cli"],
]  # fmt: skip
HOMES = {
    "streamlit": ("workbench/ui/", "workbench/serving/serve.py", "pages/", "app.py"),
    "gradio": ("workbench/serving/demo.py", "workbench/serving/demo_arena.py"),
    "huggingface_hub": ("workbench/hub/transfer.py", "workbench/publishing/cards.py"),
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


def place_of(name: str) -> tuple[int, str] | None:
    """(number of the layer, entry in it) of the longest prefix that is listed."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        prefix = ".".join(parts[:length])
        for number, names in enumerate(LAYERS):
            if prefix in names:
                return number, prefix
    return None


def imports(path: Path) -> list[str]:
    """The modules that a file imports: at its head, inside functions, and for types only."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                module = (ROOT / Path(*whole.split("."))).with_suffix(".py")
                package = ROOT / Path(*whole.split(".")) / "__init__.py"
                names_a_module = module.is_file() or package.is_file()
                found.append(whole if names_a_module else node.module)
    return found


def own_imports(path: Path) -> list[str]:
    """The modules of this package that a file imports, without the package's name."""
    return [
        name.removeprefix("workbench.")
        for name in dict.fromkeys(imports(path))
        if name.startswith("workbench.")
    ]


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_a_module_imports_only_from_its_own_package_or_a_layer_below(path):
    if dotted(path) in ("__init__", "__main__"):
        return
    own = place_of(dotted(path))
    assert own is not None, f"{dotted(path)} has no layer: give it one in LAYERS"
    wrong = []
    for name in own_imports(path):
        target = place_of(name)
        assert target is not None, f"{name} has no layer: give it one in LAYERS"
        if target != own and target[0] >= own[0]:
            where = "beside it" if target[0] == own[0] else "above it"
            wrong.append(f"{name} ({where})")
    assert not wrong, f"{dotted(path)} imports {', '.join(wrong)}"


def test_no_modules_import_each_other_in_a_circle():
    graph = {dotted(path): own_imports(path) for path in modules()}
    assert circles(graph) == []


def circles(graph: dict[str, list[str]]) -> list[list[str]]:
    """The groups of modules that reach each other by imports (Tarjan 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        number[name] = lowest[name] = len(number)
        stack.append(name)
        for target in graph.get(name, []):
            if target not in number:
                visit(target)
                lowest[name] = min(lowest[name], lowest[target])
            elif target in stack:
                lowest[name] = min(lowest[name], number[target])
        if lowest[name] == number[name]:
            place = stack.index(name)
            group = sorted(stack[place:])
            del stack[place:]
            if len(group) > 1 or name in graph.get(name, []):
                found.append(group)

    for name in graph:
        if name not in number:
            visit(name)
    return found


def test_circles_are_found_where_there_are_some():
    graph = {"a": ["b"], "b": ["c"], "c": ["b", "d"], "d": [], "e": ["e"]}
    assert circles(graph) == [["b", "c"], ["e"]]


@pytest.mark.parametrize("package", HOMES)
def test_a_foreign_package_is_imported_only_in_its_home(package):
    files = [*modules(), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"]
    for path in files:
        place = path.relative_to(ROOT).as_posix()
        if any(name.split(".")[0] == package for name in imports(path)):
            assert place.startswith(HOMES[package]), f"{place} imports {package}"


def test_the_workbench_s_own_variables_are_read_in_places_alone():
    reads = re.compile(r"(environ|getenv)[^\n]*[\"']WORKBENCH_")
    files = [*modules(), *(ROOT / "pages").glob("*.py"), ROOT / "app.py"]
    found = [path.name for path in files if reads.search(path.read_text(encoding="utf-8"))]
    assert found == ["places.py"]


@pytest.mark.parametrize(
    "module",
    [
        "training",
        "evaluation.evaluate",
        "coloring.colorize",
        "checkpoints",
        "models",
        "data.sources",
    ],
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


def test_a_server_imports_ahead_what_takes_seconds_without_torchs_compiler():
    code = (
        "import sys; from workbench import imports; imports.import_ahead().join()\n"
        "print([n for n in ('torch', 'timm', 'torch._dynamo', 'workbench.models')"
        " if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['torch', 'timm']"


def test_the_command_line_answers_help_without_importing_torch():
    code = "import sys, workbench.cli; workbench.cli.build(); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
