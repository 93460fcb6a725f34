"""What a paper states is in its text; what we infer or borrow is never printed as its words."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest

from workbench import provenance
from workbench.models import MODELS
from workbench.provenance import BORROWED, INFERRED, STATED
from workbench.publishing import cards

ROOT = Path(__file__).resolve().parent.parent
PAPERS = ROOT.parent / "shared" / "papers"
TITLES = {  # words of the title by which a paper's text is known
    "cbam_gan": "Image Colorization with Convolution Block Attention Modules",
    "inception_attention": "using deep attention models",
    "colorful": "Implement of Colorful Image Colorization",
    "attention_pix2pix": "Old Movie Colorization Using Deep Learning Techniques",
    "vanilla_cnn": "Coloring the Past",
}
OF_PAPERS = [name for name, spec in MODELS.items() if spec.paper]


def plain(text: str) -> str:
    """Letters, digits, dots and commas alone, in lower case: no spaces, no TeX."""
    words = re.sub(r"\\times|×", "x", text.lower()).replace("\\frac", "")
    return re.sub(r"[^a-z0-9.,]", "", words)


def text_of(name: str) -> str:
    """The paper's text in lower case, as it was given to us."""
    if not PAPERS.is_dir():
        pytest.skip("needs the papers' texts in ../shared/papers, which are not ours to ship")
    if name not in TITLES:
        pytest.skip(f"{name} is of a paper whose text was not given to us")
    texts = [file.read_text(encoding="utf-8").lower() for file in sorted(PAPERS.glob("*.txt"))]
    return next(text for text in texts if plain(TITLES[name]) in plain(text[:1500]))


@pytest.mark.parametrize("name", OF_PAPERS)
def test_what_is_called_stated_stands_in_the_paper(name) -> None:
    text = plain(text_of(name))
    for fact in MODELS[name].provenance:
        for words in fact.words:
            assert plain(words) in text, f"{name}: {fact.field}: {words!r} is not in the paper"


@pytest.mark.parametrize("name", OF_PAPERS)
def test_every_paper_has_its_recipe_accounted_for(name) -> None:
    facts = {fact.field: fact for fact in MODELS[name].provenance}
    assert {"images", "batch size", "size", "optimizer", "learning rate"} <= facts.keys()
    assert len(facts) == len(MODELS[name].provenance)
    for fact in facts.values():
        assert fact.kind in (STATED, INFERRED, BORROWED)
        assert fact.where
        assert bool(fact.words) == (fact.kind == STATED)


@pytest.mark.parametrize("name", OF_PAPERS)
def test_the_preset_paper_is_what_its_facts_say(name) -> None:
    spec = MODELS[name]
    run = spec.presets["paper"].run
    facts = {fact.field: fact.value for fact in spec.provenance}
    assert facts["images"].startswith(f"{run['images']:,}")
    assert facts["batch size"] == str(run["batch_size"])
    assert facts["size"].split()[0] == run["size"]
    assert (spec.images, spec.batch_size) == (run["images"], run["batch_size"])
    rate = inspect.signature(spec.recipe).parameters["learning_rate"].default
    assert float(facts["learning rate"].split(",")[0]) == rate


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("vanilla_cnn", "rmsprop"), ("vanilla_cnn", "shear"), ("vanilla_cnn", "rotat"),
        ("cbam_gan", "adam"), ("cbam_gan", r"80\b"), ("cbam_gan", "batch size"), ("cbam_gan", "l1"),
        ("attention_pix2pix", "batch size"), ("attention_pix2pix", "adam"),
        ("inception_attention", "batch size"), ("inception_attention", "coordconv"),
        ("colorful", "adam"),
    ],
)  # fmt: skip
def test_what_a_paper_does_not_say_is_not_in_its_text(name, word) -> None:
    body = re.split(r"\*\*reference|\nreferences", text_of(name))[0]
    assert not re.search(rf"\b{word}", body)


def test_the_paper_of_the_old_films_is_experiment_5() -> None:
    spec = MODELS["attention_pix2pix"]
    assert spec.presets["paper"] == spec.ablations["experiment5"]
    assert spec.presets["paper"].build["attention"] == 64
    assert spec.presets["paper"].recipe["adversarial"] == "log"


def test_the_documentation_has_every_field_with_its_source() -> None:
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    for name in OF_PAPERS:
        assert provenance.markdown(MODELS[name].provenance) in text, (
            f"docs/training.md is not what workbench/models/{name}.py says: put there what "
            "`python -m workbench models --recipes` prints"
        )


@pytest.mark.parametrize("name", OF_PAPERS)
def test_a_card_prints_what_is_stated_inferred_and_borrowed_apart(name) -> None:
    spec = MODELS[name]
    told = cards.describe_differences(spec)
    for heading in ("**Stated:**", "**Inferred by us:**", "**Borrowed:**"):
        assert heading in told
    about = inspect.getdoc(sys.modules[spec.build.__module__]) or ""
    assert "Differs from the paper" in about
    for word in ("The paper trained on", "starts at 14.053"):
        assert word not in told + about


def test_no_preset_puts_a_borrowed_optimizer_in_a_papers_mouth() -> None:
    for name in OF_PAPERS:
        kinds = {fact.field: fact.kind for fact in MODELS[name].provenance}
        title = MODELS[name].presets["paper"].title
        if kinds["optimizer"] != STATED:
            assert "Adam" not in title
            assert "RMSprop" not in title
