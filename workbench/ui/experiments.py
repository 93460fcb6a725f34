"""The papers' own comparisons on a page: our small repetition beside their numbers, judged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from workbench import ablation, charts
from workbench.evaluation.metrics import METRICS
from workbench.models import MODELS, ab_bins
from workbench.names import write_number
from workbench.spec import ModelSpec
from workbench.ui.lessons.pieces import show_chart, show_numbers

BADGES = {
    ablation.HOLDS: (":material/check:", "green"),
    ablation.REVERSED: (":material/swap_vert:", "red"),
    ablation.NOT_SEEN: (":material/remove:", "gray"),
    ablation.UNDECIDED: (":material/question_mark:", "gray"),
}
SIZES = (
    "Our sizes and data are smaller than the papers', whose numbers stand beside ours to be read, "
    "not to be ranked."
)
ONCE = (
    "An interval is over the pictures alone, between these very trainings. One and the same entry "
    "trained with another seed moves a mean by about 0.25 dB, so that differences of this kind "
    f"decide nothing: a verdict needs {ablation.ENOUGH} trainings of each entry "
    "(`ablate --seeds 3`). "
)
OFTEN = "Intervals are over trainings and pictures (two-level bootstrap). "


def list_models() -> list[ModelSpec]:
    """Those whose paper compares something with itself."""
    return [spec for spec in MODELS.values() if spec.ablations]


def command_for(model: str) -> str:
    """What makes a missing table."""
    return f"python -m workbench ablate {model} --data SOURCE --images 60000"


def show(spec: ModelSpec, projected: bool) -> None:
    """A model's claims and the table behind them; without one, the command that makes it."""
    st.markdown(f"**{spec.source}**\n\n{spec.claim}")
    tables = ablation.read_tables(spec.name)
    if not tables:
        st.info(
            f"This comparison has not been run here yet. Run it with `{command_for(spec.name)}`."
        )
        show_absent(spec, projected)
        return
    where = next(iter(tables))
    if len(tables) > 1:
        where = st.segmented_control(
            "Table", list(tables), default=where, required=True, key=f"table_{spec.name}",
            format_func=lambda name: name.replace("bundled", "Ours").replace("own", "Yours"),
        )  # fmt: skip
    table = tables[where]
    missing = [
        name for name in table["wanted"] if name not in {e["name"] for e in table["entries"]}
    ]
    if missing:
        st.warning(f"Not trained yet: {', '.join(missing)}.", icon=":material/hourglass:")
    show_claims(table)
    if projected:
        show_numbers(tabulate_means(table))
        return
    digits = {
        METRICS[name].title: st.column_config.NumberColumn(format=METRICS[name].format)
        for name in ablation.METRICS
    } | {"Parameters": st.column_config.NumberColumn(format="compact")}
    st.dataframe(tabulate_entries(table), hide_index=True, placeholder="–", column_config=digits)
    st.caption(describe_making(table["about"]))
    enough = all(c["verdict"] != ablation.UNDECIDED for c in table["claims"])
    st.caption((OFTEN if enough else ONCE) + SIZES)


def show_claims(table: Mapping[str, Any]) -> None:
    """Each claim with its verdict, our difference and, where it prints one, the paper's."""
    rows = []
    for claim in table["claims"]:
        icon, color = BADGES[claim["verdict"]]
        verdict = f":{color}[{icon}] {ablation.describe_verdict(claim)}"
        rows.append(
            {"Claim": claim["text"], "Ours": describe_difference(claim), "Verdict": verdict}
        )
    st.table(pd.DataFrame(rows), hide_index=True)


def describe_difference(claim: Mapping[str, Any]) -> str:
    """ "PSNR +0.31 dB [+0.22, +0.41] (cbam − skeleton; the paper: +0.235)"."""
    metric, found = METRICS[claim["metric"]], claim["difference"]
    value, low, high = (
        write_number(found[k], f"+.{metric.digits}f") for k in ("value", "low", "high")
    )
    paper = (
        f"; the paper: {write_number(claim['paper'], '+g')}" if claim["paper"] is not None else ""
    )
    unit = f" {metric.unit}" if metric.unit else ""
    return (
        f"{metric.title} {value}{unit} [{low}, {high}] "
        f"({claim['first']} − {claim['second']}{paper})"
    )


def tabulate_entries(table: Mapping[str, Any]) -> pd.DataFrame:
    """A row per entry: means with intervals, then what the paper prints."""
    rows = []
    for line in table["entries"]:
        row: dict[str, object] = {"Entry": line["name"], "What it is": line["title"]}
        for name in ablation.METRICS:
            mean, digits = line["means"][name], METRICS[name].digits
            row[METRICS[name].title] = round(mean["value"], digits)
            low, high = (f"{mean[k]:.{digits}f}" for k in ("low", "high"))
            row[f"{METRICS[name].title}, 95 %"] = f"{low} – {high}"
        row["Parameters"] = line.get("parameters")
        rows.append(row | papers_columns(line["paper"]))
    frame = pd.DataFrame(rows)
    return frame.dropna(axis=1, how="all")


def tabulate_means(table: Mapping[str, Any]) -> pd.DataFrame:
    """A row per entry for the back row: our means and what the paper prints, as text."""
    rows = []
    for line in table["entries"]:
        row: dict[str, object] = {"Entry": line["name"], "What it is": line["title"]}
        for name in ablation.METRICS:
            row[METRICS[name].title] = f"{line['means'][name]['value']:.{METRICS[name].digits}f}"
        rows.append(row | papers_columns(line["paper"]))
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def papers_columns(paper: Mapping[str, Any] | None) -> dict[str, object]:
    """What a paper prints for an entry, with its spread over pictures."""

    def text(name: str) -> str | None:
        if not paper or name not in paper:
            return None
        spread = paper.get(f"{name}_sd")
        return f"{paper[name]:g}" + (f" ± {spread:g}" if spread else "")

    return {"Paper: PSNR": text("psnr"), "Paper: SSIM": text("ssim")}


def show_absent(spec: ModelSpec, projected: bool) -> None:
    """The entries and claims that would be trained and judged, with the paper's numbers."""
    rows = [
        {"Entry": name, "What it is": preset.title}
        | papers_columns(
            {k: v for k, v in vars(paper).items() if v is not None}
            if (paper := ablation.papers_numbers(spec, name))
            else None
        )
        for name, preset in spec.ablations.items()
    ]
    frame = pd.DataFrame(rows).dropna(axis=1, how="all")
    if projected:
        show_numbers(frame)
    else:
        st.dataframe(frame, hide_index=True, placeholder="–")
    st.markdown("\n".join(f"- {claim.text}" for claim in spec.claims))


def describe_making(about: Mapping[str, Any]) -> str:
    """How a table was made, in a sentence or two."""
    run = about["run"]
    seeds = ", ".join(map(str, about.get("seeds", [run["seed"]])))
    return (
        f"Each entry saw {run['images']:,} images at {run['size']} px in batches of "
        f"{run['batch_size']}, width {about['width']:g}, the same {about['pictures']:,} pictures "
        f"in the same order (seeds {seeds}); scored on {about['scored']:,} held-out pictures "
        f"({about['scored_on']}) at {about['size']} px, whose colourfulness is "
        f"{about['colorfulness_of_the_truth']:.1f}. Intervals: 95 %, 1,000 resamples. "
        f"{about['machine']['device']}, {about['created'][:10]}. "
        f"Made by `{without_folders(about['command'])}`."
    )


def without_folders(command: str) -> str:
    """A command that ran somewhere, as a reader takes it: files by their names alone."""
    return " ".join(Path(word.strip("'\"")).name for word in command.split())


def show_prior(projected: bool) -> None:
    """The bundled prior of the 313 bins, in its own colours."""
    shares = ab_bins.load_prior()
    show_chart(charts.prior_plane(shares), "prior", projected)
    top = (shares / shares.sum()).topk(10)
    reach = float(ab_bins.centres()[top.indices].norm(dim=1).max())
    st.caption(
        "How often each of the 313 colours of *Colorful* occurs in the training photographs: "
        "solid is frequent, faint is rare (logarithmic). The ten most frequent hold "
        f"{float(top.values.sum()):.0%} of all pixels, and none of them is further than "
        f"{reach:.0f} from grey: that is why the paper "
        "weights rare colours up. Yours: `python -m workbench prior --data SOURCE`, then "
        "`train colorful --prior FILE`."
    )


def show_class() -> None:
    """Where a class goes on: a training to watch, and the exercises."""
    st.markdown(
        "Start a `quick` training and watch its film-strip while it learns; then answer the "
        "questions: what must overfitting one picture do, what happens without rebalancing, and "
        "which metric does grey win?"
    )
    st.page_link("pages/training.py", label="Train one now", icon=":material/show_chart:")
    st.page_link(
        "pages/learn_models.py",
        label="Exercises, with their answers",
        icon=":material/school:",
        query_params={"lesson_view": "Exercises"},
    )
