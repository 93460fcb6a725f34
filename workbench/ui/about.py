"""What the About page states: read from the registry, the checkpoints and the installation."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from workbench import __version__, provenance
from workbench.evaluation.fine_tuned import name_training
from workbench.samples import SAMPLES
from workbench.ui import state

if TYPE_CHECKING:
    from workbench.spec import ModelSpec

WHAT = """
Networks of published papers, built again to the layer, and a reference of ours that is none of
them, trained by one trainer on real photographs and compared on one page. Every number on the
leaderboard is computed from a row per picture that lies beside the weights; none was typed in.
"""
LICENCES = """
- **The code** is under the Apache License 2.0.
- **The bundled weights** were trained on photographs that are, in part, for non-commercial
  research only (the table below). Whether weights inherit such terms is not settled; treat them
  as **for research and teaching, not for commercial use**. For anything else, train on pictures
  you hold the rights to: `python -m workbench train MODEL --data YOUR_FOLDER`.
- **Your pictures stay on this server**, in memory, for as long as the page is open. Nothing is
  sent to another machine, and no use is counted.
- **Colours are guesses.** A network sees only lightness; it cannot know which colour a dress had.
  Downloads say in their metadata that a machine coloured them.
"""
DATA = """
The training pictures are not in this repository: their terms do not allow it. What the data sets
are, where they come from and what their terms say:
"""
MODEL_COLUMNS = {
    "Parameters": st.column_config.NumberColumn(format="localized"),
    "Images seen": st.column_config.NumberColumn(format="localized"),
    "Width": st.column_config.NumberColumn(format="%.3g"),
}
DATASET_COLUMNS = {"Licence": st.column_config.TextColumn(width="large")}
PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "scikit-image",
    "streamlit",
    "gradio",
    "huggingface-hub",
    "pandas",
    "plotly",
)


def list_models() -> pd.DataFrame:
    """One row per usable checkpoint: what it is, how large, and what it was trained on."""
    rows = []
    for name, checkpoint in state.checkpoints().items():
        config = checkpoint.config
        rows.append(
            {
                "Name": name,
                "Title": checkpoint.spec.title,
                "Width": config.get("width"),
                "Parameters": state.parameters(checkpoint),
                "Images seen": config.get("images_seen"),
                "Trained on": name_training(config),
                "Hardware": config.get("machine", {}).get("device", ""),
                "Revision": checkpoint.revision,
                "Licence": config.get("licence", "terms of the photographs"),
            }
        )
    return pd.DataFrame(rows)


def list_papers() -> list[tuple[str, str, str, str]]:
    """(title, where it is from, claim, where ours differs) of each model in the registry."""
    from workbench.models import MODELS

    return [
        (
            spec.title,
            f"[{spec.source}]({spec.url})" if spec.url else spec.source,
            spec.claim if spec.ours else f"The paper's claim, in our words: {spec.claim}",
            _differences(spec),
        )
        for spec in MODELS.values()
    ]


def list_datasets() -> pd.DataFrame:
    """The data sets that the workbench knows, with their terms."""
    from workbench.data import DATASETS

    return pd.DataFrame(
        {
            "Name": spec.name,
            "Title": spec.title,
            "Split": spec.split,
            "Source": spec.source,
            "Licence": spec.licence,
            "Note": spec.note,
        }
        for spec in DATASETS.values()
    )


def list_samples() -> pd.DataFrame:
    """The pictures in the repository and their terms."""
    kodak = ("24 test photographs (Leaderboard)", "Eastman Kodak", "github.com/cszn/FFDNet")
    rows = [(each.title, each.author, each.source, each.licence) for each in SAMPLES.values()]
    return pd.DataFrame(
        [*rows, (*kodak, "Free use")], columns=["Picture", "Author", "Source", "Licence"]
    )


def list_versions() -> pd.DataFrame:
    """What is installed here."""
    rows = [("colorization-workbench", __version__), ("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            rows.append((name, "not installed"))
    return pd.DataFrame(rows, columns=["Package", "Version"])


def _differences(spec: ModelSpec) -> str:
    """How ours differs, and which fields the paper states, we infer or we borrow, as Markdown."""
    differences = provenance.differences(spec.build)
    parts = [f"**Differs from the paper:**\n\n{differences}"] if differences else []
    if table := provenance.markdown(spec.provenance):
        parts.append(f"**Whose each field of its recipe is:**\n\n{table}")
    return "\n\n".join(parts)
