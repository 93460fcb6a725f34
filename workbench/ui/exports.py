"""What a visitor takes home: pictures that say what made them, with their settings beside them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING

import streamlit as st

from workbench import __version__
from workbench.jobs.form import STAMP, SUFFIXES, Form, stem_of
from workbench.jobs.made import Made

if TYPE_CHECKING:
    from workbench.images import Picture


def make_sidecar(picture: Picture, made: list[Made], form: Form = Form()) -> dict:
    """What made these pictures: source, models, revisions, settings, in plain JSON."""
    return {
        "workbench": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "picture": {"name": picture.name, "sha256": picture.sha256},
        "form": asdict(form),
        "results": [
            {
                "file": form.name(picture, each),
                "title": each.title,
                "seconds": round(each.seconds, 3),
                **each.settings,
            }
            for each in made
        ],
    }


def make_archive(picture: Picture, made: list[Made], form: Form = Form()) -> bytes:
    """A ZIP of all results with their settings beside them."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as folder:
        for each in made:
            folder.writestr(form.name(picture, each), form.write(picture, each))
        text = json.dumps(make_sidecar(picture, made, form), indent=2, ensure_ascii=False)
        folder.writestr(f"{stem_of(picture.name)}_settings.json", text)
    return buffer.getvalue()


def choose_form(where=st) -> Form:
    """PNG or JPEG, marked visibly or not."""
    where.segmented_control(
        "Format",
        list(SUFFIXES),
        default="png",
        required=True,
        format_func=str.upper,
        key="form",
        persist_state="session",
    )
    choose_stamp("picture", where)
    return read_form()


def choose_stamp(what: str, where=st) -> bool:
    """Whether the visible mark is written into the picture or the clip."""
    return where.toggle(f"Write “{STAMP}” into the {what}", key="stamped", persist_state="session")


def read_form() -> Form:
    """The form that this visitor chose last."""
    return Form(st.session_state.get("form", "png"), st.session_state.get("stamped", False))


def offer_downloads(picture: Picture, made: list[Made], where=st) -> None:
    """One button for all results, one for each; files are made when they are asked for."""
    together = where.container(width="content")
    with where.popover("One result", icon=":material/download:"):
        form = choose_form()
        for each in made:
            offer_download(picture, each, form, label=each.title, width="stretch")
    together.download_button(
        "All results (ZIP)",
        lambda: make_archive(picture, made, form),
        file_name=f"{stem_of(picture.name)}_colourized.zip",
        mime="application/zip",
        icon=":material/folder_zip:",
        on_click="ignore",
        type="primary",
        key="download_all",
    )


def offer_download(
    picture: Picture,
    made: Made,
    form: Form = Form(),
    where=st,
    *,
    label: str = "",
    width: str = "content",
) -> None:
    """A button for one result; the file is made when it is asked for."""
    where.download_button(
        label or f"Download {form.kind.upper()}",
        lambda: form.write(picture, made),
        file_name=form.name(picture, made),
        mime=f"image/{form.kind}",
        on_click="ignore",
        width=width,
        key=f"download_{made.name}_{label}",
    )
