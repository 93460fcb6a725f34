"""A study as files: votes.csv, raters.csv, ranking.csv, votes.parquet, codebook.md, methods.md."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from workbench.names import count_of, write_number
from workbench.study import ranking
from workbench.study.plans import GREY, TRUTH, Plan
from workbench.study.recruiting import list_recruited
from workbench.study.results import ENOUGH_RATERS, FEW_RATERS, Results, Row, load
from workbench.study.tables import Study
from workbench.study.trials import model_name, plan_of
from workbench.study.votes import Votes
from workbench.writing import as_csv, write_whole

VOTE_COLUMNS = {
    "study": "name of the study",
    "protocol": "design: pair, real_or_fake or rank",
    "rater": "random code of the rater",
    "trial": "number of the trial, from 0, in the order in which the rater saw them",
    "practice": "true: before the scored trials, never counted",
    "catch": "true: a hidden check of attention, never counted",
    "picture": "name of the photograph",
    "picture_sha256": "sha256 of the photograph's file",
    "left": "what was on the left, or shown first: a model, truth or catch; empty for rank",
    "left_revision": "first 12 hex digits of the sha256 of its weights",
    "right": "what was on the right, or shown second; empty for rank",
    "right_revision": "as left_revision",
    "shown": "everything shown, left to right, as model@revision",
    "choice": "pair: left, right or tie; arena: the same, tie for both good, and bad for both bad; "
    "real_or_fake: the side named as the fake; "
    "rank: positions in `shown`, from 0, best first",
    "correct": "true or false where one answer is right (real_or_fake, catch), else empty",
    "dwell_ms": "milliseconds from the pictures' appearance (real_or_fake: the end of the second "
    "exposure) to the answer, by the browser's monotonic clock",
    "exposures_ms": "real_or_fake: measured milliseconds of the two exposures, comma-separated",
    "shown_at": "UTC time at which the pictures appeared, by the browser's clock",
    "answered_at": "UTC time of the answer, by the browser's clock",
    "received_at": "UTC time at which the server had stored the answer",
    "viewport": "width x height x pixel ratio of the browser window",
    "shown_size": "width x height of a picture on the screen, CSS pixels; empty where not recorded",
    "theme": "of the page around the question: light or dark; the ground of the question is always "
    "the same grey",
    "measures": "arena: colourfulness, mean chroma and PSNR to grey of what was shown, left to "
    "right, as JSON; else empty",
    "session": "random id of the visit: changes with a reload",
    "app_version": "version of the workbench",
}
RATER_COLUMNS = {
    "study": "name of the study",
    "rater": "random code of the rater",
    "colour_vision": "self-report: normal, deficient, unsure or unsaid",
    "consent_version": "first 12 hex digits of the sha256 of the consent text",
    "consent_at": "UTC time of consent",
    "finished_at": "UTC time of the last trial; empty if the rater left before",
    "votes": "scored answers",
    "flags": "dwell, catch, side, outlier: see the rules below; nothing is deleted for a flag",
}
RANKING_COLUMNS = {
    "rank": "1 is best",
    "model": "name of the model",
    "revision": "first 12 hex digits of the sha256 of its weights",
    "strength": "pair, rank: Bradley-Terry log odds against the average model",
    "fool_rate": "real_or_fake: share of wrong answers; 0.5 is perfect",
    "low": "lower end of the 95 % interval (bootstrap over raters)",
    "high": "upper end of the 95 % interval",
    "deviation": "real_or_fake: standard deviation over the bootstrap",
    "wins": "pair, rank: comparisons won, a tie is half",
    "comparisons": "pair, rank: comparisons it took part in",
    "trials": "real_or_fake: scored trials",
    "counted": "all: every rater; unflagged: without the flagged ones",
}

GROUND = "128, 128, 128"  # behind every question, see ui/study/voting.py


def as_parquet(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """The same rows as Parquet; text stays as it is, nothing runs it there."""
    import pyarrow as pa
    from pyarrow import parquet

    kinds = {
        "trial": pa.int64(), "practice": pa.bool_(), "catch": pa.bool_(), "correct": pa.bool_(),
        "dwell_ms": pa.float64(),
    }  # fmt: skip
    table = pa.table(
        {
            name: pa.array([row.get(name) for row in rows], kinds.get(name, pa.string()))
            for name in columns
        }
    )
    out = io.BytesIO()
    parquet.write_table(table, out)
    return out.getvalue()


def vote_rows(study: Study, rows: Sequence[Row]) -> list[Row]:
    """Rows of votes.csv from the rows of the database."""
    plan = plan_of(study)
    out = []
    for row in rows:
        shown = row["shown"].split(",")
        sides = {}
        if plan.design != "rank":
            for side, one in zip(("left", "right"), shown, strict=True):
                sides[side], _, sides[f"{side}_revision"] = one.partition("@")
        out.append(
            {
                **{name: row[name] for name in VOTE_COLUMNS if name in row},
                **sides,
                "protocol": plan.design,
                "trial": row["number"],
                "practice": row["kind"] == "practice",
                "catch": row["kind"] == "catch",
                "shown_at": utc_text(row["shown_at"] / 1000),
                "answered_at": utc_text(row["answered_at"] / 1000),
                "received_at": utc_text(row["received_at"]),
            }
        )
    return out


def rater_rows(votes: Votes, study: Study, results: Results, rows: Sequence[Row]) -> list[Row]:
    """Rows of raters.csv."""
    scored: dict[str, int] = {}
    for row in rows:
        scored[row["rater"]] = scored.get(row["rater"], 0) + (row["kind"] == "scored")
    return [
        {
            "study": study.name,
            "rater": rater.code,
            "colour_vision": rater.colour_vision,
            "consent_version": rater.consent_version,
            "consent_at": utc_text(rater.consent_at),
            "finished_at": utc_text(rater.finished_at),
            "votes": scored.get(rater.code, 0),
            "flags": " ".join(results.flags.get(rater.code, [])),
        }
        for rater in votes.raters(study)
    ]


def ranking_rows(votes: Votes, study: Study, results: Results) -> list[Row]:
    """Rows of ranking.csv: with every rater, then without the flagged ones."""
    rows = [{**row, "counted": "all"} for row in results.table()]
    kept = load(votes, study, results.flagged)
    return rows + [{**row, "counted": "unflagged"} for row in kept.table()]


def write_codebook(study: Study, results: Results) -> str:
    """What every column means, the plan of the study, and its models."""
    plan = plan_of(study)
    lines = [f"# {plan.title or study.name}: codebook", "", write_methods(results), ""]
    for file, columns in (
        ("votes.csv, votes.parquet", VOTE_COLUMNS),
        ("raters.csv", RATER_COLUMNS),
        ("ranking.csv", RANKING_COLUMNS),
    ):
        lines += [f"## {file}", "", "| column | meaning |", "|---|---|"]
        lines += [f"| `{name}` | {meaning} |" for name, meaning in columns.items()] + [""]
    lines += [
        "In the CSV files an apostrophe stands before text that begins with = + - or @, so that "
        "no spreadsheet runs it; votes.parquet has the text as it is.",
        "",
        "## Flags",
        "",
        f"`dwell`: median dwell below {plan.flag_dwell_ms:g} ms. `catch`: fewer than "
        f"{plan.flag_catch_share:.0%} of catch trials passed. `side`: one side chosen too often "
        f"(binomial p < {plan.flag_side_p:g}). `outlier`: answers more than "
        f"{plan.flag_outlier_z:g} standard deviations from what the other raters' predict. "
        f"Headline figures {'leave flagged raters out' if plan.exclude_flagged else 'count all'}.",
        "",
        "## Models",
        "",
        *(f"- `{shown}`" for shown in json.loads(study.models)),
        f"- `{TRUTH}`: the photograph's own colours",
        "",
        "## Plan",
        "",
        "```json",
        json.dumps(plan.to_dict(), indent=2, ensure_ascii=False),
        "```",
        "",
    ]
    return "\n".join(lines)


def make_files(votes: Votes, study: Study) -> dict[str, bytes]:
    """Every file of an export, by name."""
    rows = votes.rows(study)
    results = load(votes, study)
    vote_table = vote_rows(study, rows)
    texts = {
        "votes.csv": as_csv(vote_table, list(VOTE_COLUMNS)),
        "raters.csv": as_csv(rater_rows(votes, study, results, rows), list(RATER_COLUMNS)),
        "ranking.csv": as_csv(ranking_rows(votes, study, results), list(RANKING_COLUMNS)),
        "codebook.md": write_codebook(study, results),
        "methods.md": write_methods(results) + "\n",
    }
    return {
        **{name: text.encode() for name, text in texts.items()},
        "votes.parquet": as_parquet(vote_table, list(VOTE_COLUMNS)),
    }


def make_private_files(votes: Votes, study: Study) -> dict[str, bytes]:
    """recruited.csv, where a platform sent raters: for whoever pays them, never published."""
    rows = list_recruited(votes.raters(study))
    columns = ["rater", *plan_of(study).link_parameters]
    return {"recruited.csv": as_csv(rows, columns).encode()} if rows else {}


def export(votes: Votes, study: Study, folder: Path, private: bool = False) -> list[Path]:
    """Write every file of an export into a folder; where they are. private: recruited.csv, too."""
    made = make_files(votes, study) | (make_private_files(votes, study) if private else {})
    write_whole(folder, made)
    return [folder / name for name in made]


def make_archive(votes: Votes, study: Study) -> bytes:
    """Every file of an export in one zip, in a folder named after the study."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as folder:
        for name, data in make_files(votes, study).items():
            folder.writestr(f"{study.name}/{name}", data)
    return out.getvalue()


def utc_text(seconds: float | None) -> str | None:
    """Seconds since 1970 -> 2026-01-31T12:00:00.000Z."""
    if seconds is None:
        return None
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_methods(results: Results) -> str:
    """A paragraph for a paper, with the numbers of this study filled in."""
    plan = results.plan
    names = ", ".join(model_name(shown) for shown in results.models)
    raters = count_of(len(results.raters), "rater")
    who = f"{raters} gave {count_of(results.votes, 'scored answer')}"
    unnamed = "no model was named before its answer" if plan.live else "no model was named"
    shown = (
        f"Pictures were rendered as squares of {plan.size} pixels, at most "
        f"{plan.limit} of them, coloured by {names}; sides and order were balanced by the server "
        f"(seed {plan.seed}) and {unnamed}. {describe_screens(results.screens)}"
    )
    checks = f"{plan.caught} catch trials per rater" if plan.caught else "No catch trials"
    rules = plan.rules
    flagged = (
        f"{checks} were hidden among the {plan.scored} scored ones. Declared beforehand, a rater "
        f"was flagged for a median dwell below {rules.dwell_ms:.0f} ms, fewer than "
        f"{rules.catch_share:.0%} of catch trials passed, a side bias with p < {rules.side_p:g}, "
        f"or answers more than {rules.outlier_z:g} standard deviations from what the others' "
        f"predict; {len(results.flagged)} of the raters counted here are flagged."
    )
    best = results.table()
    if results.fool is not None:
        figures = "; ".join(
            f"{row['model']} {row['fool_rate']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"
            for row in best
            if row["trials"]
        )
        found = (
            f"Fool rates (share of wrong answers, 50% is perfect) with 95% intervals from a "
            f"two-level bootstrap (raters, then trials within a rater; {len(results.fool.draws)} "
            f"rounds): {figures}."
        )
    else:
        figures = "; ".join(
            f"{row['model']} {write_number(row['strength'], '+.2f')} {_describe_bounds(row)}"
            for row in best
        )
        found = (
            f"Bradley-Terry strengths (log odds against the average model, ties half a win, a "
            f"prior of {ranking.PRIOR} votes per pair) with 95% intervals from a cluster bootstrap "
            f"over raters ({len(results.strengths.draws)} rounds): {figures}."
        )
    side = f"Left was chosen {results.lefts} and right {results.rights} times"
    ends = (
        f"{side} (two-sided binomial p = {results.side_p:.2g})."
        if results.lefts + results.rights
        else ""
    )
    agreement = (
        ""
        if np.isnan(results.alpha)
        else f" Krippendorff's alpha (nominal) is {results.alpha:.2f}."
    )
    weak = warn_of_few_raters(results)
    return (
        f"{who}. {_describe_design(plan)} {shown} {flagged} {found} {weak}{ends}{agreement}".strip()
    )


def _describe_design(plan: Plan) -> str:
    """What raters saw and did, in sentences."""
    beside = {
        GREY: " The black and white original stood beside them.",
        TRUTH: " The photograph in its own colours stood beside them.",
    }.get(plan.reference, "")
    return _describe_task(plan) + beside


def _describe_task(plan: Plan) -> str:
    if plan.live:
        seen = (
            "A photograph and a colourization of it stood side by side; raters named the fake."
            if plan.design == "real_or_fake"
            else "Two colourizations of one photograph stood side by side; raters chose one of "
            "them or a tie."
        )
        return (
            f"{seen} All raters, a class, got the same question at the same moment, each on a "
            "screen of their own; the votes may have been seen to grow on a common screen, and "
            "models were named after each question."
        )
    if plan.design == "real_or_fake":
        return (
            "Two versions of a photograph, its own colours and a colourization, appeared one "
            f"after the other for {plan.exposure_ms} ms each, {plan.gap_ms} ms apart; raters then "
            f"named the fake without a time limit, after {plan.practised} practice trials with "
            "feedback (Zhang, Isola & Efros 2016)."
        )
    if plan.design == "rank":
        return (
            "Raters put the colourizations of one photograph in order, best first; an order counts "
            "as all its pairs."
        )
    return (
        "Raters saw two colourizations of one photograph beside each other and chose one of them "
        "or a tie."
    )


def describe_screens(screens: Sequence[tuple[str, str, str]]) -> str:
    """How pictures stood on the screens, from (shown size, viewport, theme) of every answer."""
    known = [screen for screen in screens if screen[0]]
    if not known:
        return "The size on the screen and the ground were not recorded." if screens else ""
    sides = sorted(max(map(float, size.split("x"))) for size, _, _ in known)
    ratios = sorted({float(view.split("x")[2]) for _, view, _ in known if view.count("x") == 2})
    across = (
        f"{sides[0]:.0f}" if sides[0] == sides[-1]
        else f"{sides[0]:.0f} to {sides[-1]:.0f} (median {np.median(sides):.0f})"
    )  # fmt: skip
    ratio = ""
    if ratios:
        span = f"{ratios[0]:g}" if len(ratios) == 1 else f"{ratios[0]:g} to {ratios[-1]:g}"
        ratio = f" at a device pixel ratio of {span}"
    dark = sum(theme == "dark" for *_, theme in known)
    said = (
        f"On the screens they were {across} CSS pixels wide{ratio}, on one neutral grey (sRGB "
        f"{GROUND}) in both themes of the page; its theme was dark in {dark} of {len(known)} "
        "answers."
    )
    if len(known) < len(screens):
        said += f" In {len(screens) - len(known)} older answers none of this was recorded."
    return said


def _describe_bounds(row: Mapping[str, Any]) -> str:
    """The 95 % interval of a strength; none where one rater is all there is."""
    ends = row["low"], row["high"]
    if not all(map(np.isfinite, ends)):
        return "(no interval yet)"
    low, high = (write_number(end, "+.2f") for end in ends)
    return f"[{low}, {high}]"


def warn_of_few_raters(results: Results) -> str:
    """What a bootstrap over few raters is worth, in a sentence with a space behind; or ""."""
    if results.unflagged >= FEW_RATERS:
        return ""
    said = (
        f"With {count_of(results.unflagged, 'rater')} without a flag a bootstrap over raters draws "
        "from few clusters and its intervals are too narrow (Cameron, Gelbach & Miller 2008). "
    )
    if results.unflagged < ENOUGH_RATERS:
        said += f"Under {ENOUGH_RATERS} nothing is said of how sure an order is. "
    return said
