"""The documents name everything there is, show signatures as they are, and lead to what exists."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from workbench.cli import build
from workbench.data import DATASETS
from workbench.evaluation import measured, scores
from workbench.models import MODELS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
DOCUMENTS += sorted((ROOT / "docs").glob("*.md"))
COMMANDS = ROOT / "docs" / "commands.md"
LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """A document without its blocks of code, in which a # begins no heading."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def sections(path: Path) -> dict[str, str]:
    """What stands below each heading, up to the next one of any level."""
    parts = re.split(r"^#+ (.+)$", without_code(text_of(path)), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands() -> dict[str, click.Command]:
    """Every command by its words, those of `study` among them."""

    def walk(command: click.Command, words: tuple[str, ...]) -> Iterator:
        inner = getattr(command, "commands", None)
        if inner is None:
            yield " ".join(words), command
        for name, found in (inner or {}).items():
            yield from walk(found, (*words, name))

    return dict(walk(typer.main.get_command(build()), ()))


@pytest.mark.parametrize("name", commands())
def test_every_command_has_a_section_that_names_each_of_its_options(name):
    section = sections(COMMANDS).get(name)
    assert section is not None, f"docs/commands.md has no section ## {name}"
    options = [option for parameter in commands()[name].params for option in parameter.opts]
    missing = [o for o in options if o.startswith("--") and f"`{o}`" not in section]
    assert not missing, f"docs/commands.md, {name}: name {', '.join(missing)}"


def test_no_document_names_a_command_or_an_option_that_is_not_there():
    known = commands()
    told = {name for name in sections(COMMANDS) if name in known}
    for name in told:
        named = set(re.findall(r"^\| `(--[a-z-]+)` \|", sections(COMMANDS)[name], re.MULTILINE))
        real = {option for parameter in known[name].params for option in parameter.opts}
        assert named <= real, f"docs/commands.md, {name}: {named - real} are no options"
    words = {name.split()[0] for name in known}
    for path in DOCUMENTS:
        for word in re.findall(r"python -m workbench ([a-z][a-z-]*)", text_of(path)):
            assert word in words, f"{path.name} names the command {word!r}, which is not there"


def test_training_md_names_every_model_and_every_preset():
    table = {
        line.split("|")[1].strip(): line
        for line in text_of(ROOT / "docs" / "training.md").splitlines()
        if line.startswith("| `")
    }
    rows = {name: [key for key in table if key.startswith(f"`{name}`")] for name in MODELS}
    assert all(rows.values()), f"no row for {[name for name in rows if not rows[name]]}"
    text = text_of(ROOT / "docs" / "training.md")
    presets = {preset for spec in MODELS.values() for preset in spec.presets}
    spelled = set(re.findall(r"`([a-z_]+\d?)`", text)) | {f"experiment{n}" for n in range(1, 9)}
    assert "`experiment1` to `experiment8`" in text
    assert presets <= spelled, f"docs/training.md does not name {sorted(presets - spelled)}"


def test_the_readme_names_every_model():
    readme = text_of(ROOT / "README.md")
    assert [name for name in MODELS if f"`{name}`" not in readme] == []


def test_data_md_names_every_data_set():
    text = text_of(ROOT / "docs" / "data.md")
    assert [name for name in DATASETS if f"`{name}`" not in text] == []


def pages() -> dict[str, str]:
    """Address -> title of every page, from app.py's own table."""
    for node in ast.parse(text_of(ROOT / "app.py")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PAGES":
            table = ast.literal_eval(node.value)
            return {name: title for group in table.values() for name, title, _ in group}
    raise AssertionError("app.py has no table PAGES")


def test_architecture_md_names_every_page():
    section = sections(ROOT / "docs" / "architecture.md")["Pages"]
    for name, title in pages().items():
        assert f"`{name}`" in section, f"docs/architecture.md, Pages: name {name}"
        assert title in section, f"docs/architecture.md, Pages: the title {title}"


def test_every_environment_variable_of_ours_is_explained():
    read = set(re.findall(r"\"(WORKBENCH_\w+)\"", text_of(ROOT / "workbench" / "places.py")))
    told = set(re.findall(r"^\| `(WORKBENCH_\w+)`", text_of(COMMANDS), re.MULTILINE))
    assert read == told


def test_the_contracts_are_the_signatures_of_the_code():
    block = re.search(r"## Contracts\n.*?```python\n(.*?)```", text_of(
        ROOT / "docs" / "architecture.md"), re.DOTALL)  # fmt: skip
    assert block, "docs/architecture.md has no block of Python under Contracts"
    module, compared = None, 0
    for line in block[1].splitlines():
        if heading := re.match(r"# (workbench[\w.]*)", line):
            module = importlib.import_module(heading[1])
        elif line and not line.startswith("#"):
            code = re.split(r"  +#", line)[0].rstrip()
            name = code.partition("(")[0]
            real = re.sub(
                r"(?<=[:>] )'([^']+)'", r"\1", str(inspect.signature(getattr(module, name)))
            )
            assert code == name + real.removesuffix(" -> None"), f"{module.__name__}.{name}{real}"
            compared += 1
    assert compared >= 10


def test_the_readme_s_table_is_computed_from_the_rows():
    table = measured.make_table(scores.read_all([ROOT / "checkpoints"]))
    readme = text_of(ROOT / "README.md")
    shown = readme.partition(f"{measured.FIRST}\n")[2].partition(measured.LAST)[0]
    assert shown == table, "run: python -m workbench scores --into README.md"


def test_a_table_without_its_rows_is_refused_and_a_document_without_its_marks_too(tmp_path):
    from workbench.errors import Problem

    with pytest.raises(Problem, match="evaluate it"):
        measured.make_table([])
    document = tmp_path / "bare.md"
    document.write_text("nothing")
    with pytest.raises(Problem, match="no place for the table"):
        measured.replace_block(document, "table\n")
    document.write_text(f"a\n{measured.FIRST}\nold\n{measured.LAST}\nb")
    measured.replace_block(document, "new\n")
    assert document.read_text() == f"a\n{measured.FIRST}\nnew\n{measured.LAST}\nb"


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a document."""
    found = re.findall(r"^#+ (.+)$", without_code(text_of(path)), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in found}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(path):
    for target in LINK.findall(text_of(path)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), f"{path.name} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors(file), f"{path.name} links to {target}: no such heading"


def test_the_readme_leads_to_every_document():
    linked = set(LINK.findall(text_of(ROOT / "README.md")))
    wanted = {path.relative_to(ROOT).as_posix() for path in DOCUMENTS} - {"README.md"}
    assert wanted <= linked, f"README.md does not link to {sorted(wanted - linked)}"


RECIPES = ("Add a model", "Add a metric", "Add a data source", "Add a page")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_for_contributors_names_files_that_exist(recipe):
    section = sections(ROOT / "CONTRIBUTING.md")[recipe]
    named = re.findall(r"^\d+\. `([\w/.]+)`", section, re.MULTILINE)
    assert len(named) >= 2, f"{recipe} is a numbered list of files"
    new = [line for line in section.splitlines() if "(new)" in line]
    absent = [n for n in named if not (ROOT / n).exists() and not any(n in line for line in new)]
    assert not absent, f"CONTRIBUTING.md, {recipe}: {absent} are not there"


def test_the_recipe_of_a_model_names_every_field_of_a_spec_and_of_a_colorizer():
    from workbench.spec import Colorizer, ModelSpec

    section = sections(ROOT / "CONTRIBUTING.md")["Add a model"]
    wanted = {each.name for each in dataclasses.fields(ModelSpec)}
    wanted |= {name for name in vars(Colorizer) if not name.startswith("_")}
    missing = {name for name in wanted if not re.search(rf"`{name}[`(]", section)}
    assert not missing, f"CONTRIBUTING.md, Add a model: name {sorted(missing)}"


WHOLES = {
    "layers", "docs", "package", "claims", "facts_once", "toy_model", "cases", "security",
    "contrast", "gpu",
}  # fmt: skip


def test_a_test_file_is_named_after_what_it_tests():
    """A module or package of ours, a benchmark, a page, or one of what is tested as a whole."""
    package = ROOT / "workbench"
    paths = [path.relative_to(package).with_suffix("").parts for path in package.rglob("*.py")]
    parts = [path[:-1] if path[-1] == "__init__" else path for path in paths]
    known = WHOLES | {"_".join(path[-n:]) for path in parts for n in (1, 2) if path}
    known |= {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    known |= {f"pages_{name.split('_')[0]}" for name in pages()}
    names = [path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")]
    strange = [name for name in names if name not in known and not name.startswith("journey_")]
    assert not strange, f"tests/test_{strange}.py: of which module?"


def test_the_changelog_s_versions_are_dated_and_the_newest_is_ours():
    from workbench import __version__

    found = re.findall(r"^## (\d+\.\d+\.\d+), (\d{4}-\d\d-\d\d)$",
                       text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)  # fmt: skip
    assert found
    assert len(found) == len(re.findall(r"^## ", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE))
    assert found[0][0] == __version__
    days = [day for _, day in found]
    assert days == sorted(days, reverse=True)


def test_features_md_names_what_is_there_and_every_page_and_endpoint_of_ours():
    text = text_of(ROOT / "docs" / "features.md")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith(("| feature", "|---"))
    ]
    assert len(rows) > 30
    demo = text_of(ROOT / "workbench" / "serving" / "demo.py")
    endpoints = {f"/{name}" for name in re.findall(r'api_name="(\w+)"', demo)}
    named: dict[str, set[str]] = {"page": set(), "endpoint": set()}
    for feature, page, command, endpoint, code, test in rows:
        page, command, endpoint = (each.strip("`") for each in (page, command, endpoint))
        assert page in {"", *pages()}, feature
        assert command in {"", *commands()}, feature
        assert endpoint in {"", *endpoints}, feature
        assert (ROOT / code.strip("`")).is_file(), feature
        assert (ROOT / test.strip("`")).is_file(), feature
        named["page"].add(page)
        named["endpoint"].add(endpoint)
    assert endpoints <= named["endpoint"]
    left_out = set(pages()) - named["page"]
    assert left_out <= {"about", "learn_color", "study_new"}
