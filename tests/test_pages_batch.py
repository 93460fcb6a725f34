"""Batches: the ZIP that comes out, what is named when it goes wrong, and the page."""

from __future__ import annotations

import csv
import io
import json
import threading
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest
from test_pages_compare import picture_bytes

from workbench import checkpoints
from workbench.coloring.colorize import Settings
from workbench.errors import Problem
from workbench.jobs import batch as batches
from workbench.jobs.form import Form
from workbench.samples import SAMPLES


@contextmanager
def no_wait():
    yield


@pytest.fixture
def painters(small_checkpoints: Path) -> list[batches.Painter]:
    found = checkpoints.available(small_checkpoints)
    return [batches.Painter(c, c.net()) for c in (found["vanilla_cnn"], found["colorful"])]


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def colored(
    uploads: list[tuple[str, bytes]], painters, take_place=no_wait, form=Form()
) -> batches.Batch:
    files, failures = batches.unpack_uploads(uploads)
    batch = batches.Batch(files, painters, Settings(), take_place, failures, form)
    batch.start()
    batch.join(30)
    assert not batch.is_alive()
    return batch


def test_names_folders_and_sizes_are_kept_and_every_model_has_its_own_folder(painters) -> None:
    inside = zipped({"summer/a.png": picture_bytes((30, 20)), "b.jpg": picture_bytes((17, 33))})
    batch = colored([("pictures.zip", inside), ("c.png", picture_bytes())], painters)
    with zipfile.ZipFile(batch.archive) as out:
        pictures = {name for name in out.namelist() if name.endswith(".png")}
        expected = {"summer/a.png", "b.png", "c.png"}
        assert pictures == {f"{p.name}/{name}" for p in painters for name in expected}
        rows = list(csv.DictReader(io.TextIOWrapper(out.open("metrics.csv"), "utf-8")))
        about = json.loads(out.read("settings.json"))
    assert {row["file"] for row in rows} == pictures
    assert all(float(row["psnr_db"]) > 0 for row in rows)
    assert {row["revision"] for row in rows} == {p.checkpoint.revision for p in painters}
    assert [model["name"] for model in about["models"]] == [p.name for p in painters]


def test_the_first_files_are_kept_small_to_be_looked_at(painters) -> None:
    uploads = [(f"{i}.png", picture_bytes((400, 30 + i))) for i in range(8)]
    batch = colored([("broken.png", b"no picture"), *uploads], painters)
    assert list(batch.shown) == [f"{i}.png" for i in range(batches.SHOWN)]
    for shown in batch.shown.values():
        assert [title for title, _ in shown] == [
            "The file",
            *(p.checkpoint.title for p in painters),
        ]
        sizes = {Image.open(io.BytesIO(data)).width for _, data in shown}
        assert sizes == {batches.THUMBNAIL}


def test_files_may_be_jpeg_and_say_in_the_picture_what_they_are(painters) -> None:
    uploads = [("a.png", picture_bytes((200, 90)))]
    plain, stamped = (
        colored(uploads, painters[:1], form=Form("jpeg", stamped=stamped))
        for stamped in (False, True)
    )
    pictures = []
    for batch in (plain, stamped):
        with zipfile.ZipFile(batch.archive) as out, out.open("vanilla_cnn/a.jpg") as file:
            pictures.append(np.asarray(Image.open(file)))
            about = json.loads(out.read("settings.json"))
    assert about["form"] == {"kind": "jpeg", "stamped": True}
    assert not np.array_equal(*pictures)


def test_a_broken_file_is_named_and_the_rest_go_on(painters) -> None:
    batch = colored(
        [("one.png", picture_bytes()), ("bad.png", b"no picture"), ("two.png", picture_bytes())],
        painters,
    )
    assert batch.done == 3
    (failure,) = batch.failures
    assert failure.startswith("bad.png is not a picture")
    with zipfile.ZipFile(batch.archive) as out:
        assert "bad.png" in out.read("report.txt").decode()
        assert {"colorful/one.png", "colorful/two.png"} <= set(out.namelist())


def test_files_of_one_name_do_not_overwrite_each_other(painters) -> None:
    batch = colored([("a.png", picture_bytes()), ("a.jpg", picture_bytes())], painters[:1])
    with zipfile.ZipFile(batch.archive) as out:
        assert {"vanilla_cnn/a.png", "vanilla_cnn/a_2.png"} <= set(out.namelist())


def test_a_stopped_batch_keeps_what_is_done_and_says_so(painters) -> None:
    may_go_on, asked = threading.Event(), threading.Event()

    @contextmanager
    def take_place():
        asked.set()
        may_go_on.wait(10)
        yield

    files, _ = batches.unpack_uploads([(f"{n}.png", picture_bytes()) for n in range(5)])
    batch = batches.Batch(files, painters, Settings(), take_place)
    batch.start()
    asked.wait(10)
    batch.stop()
    may_go_on.set()
    batch.join(30)
    assert batch.done == 1
    assert "stopped" in batch.report
    with zipfile.ZipFile(batch.archive) as out:
        assert "colorful/0.png" in out.namelist()
        assert "colorful/1.png" not in out.namelist()


def test_a_zip_cannot_write_outside_its_folder_and_junk_is_passed_over() -> None:
    inside = zipped(
        {"../../evil.png": b"x", "__MACOSX/._a.png": b"x", ".DS_Store": b"x", "ok.png": b"x"}
    )
    files, failures = batches.unpack_uploads([("in.zip", inside), ("not.zip", b"no archive")])
    assert [file.name for file in files] == ["evil.png", "ok.png"]
    assert failures == ["not.zip is not a ZIP archive, or a damaged one."]


def test_too_many_files_are_refused_with_the_command_that_takes_them(monkeypatch) -> None:
    monkeypatch.setattr(batches, "MOST_FILES", 2)
    with pytest.raises(Problem, match="python -m workbench colorize"):
        batches.unpack_uploads([(f"{n}.png", b"") for n in range(3)])


def test_the_page_colours_the_samples_and_offers_the_zip(workbench: AppTest) -> None:
    workbench.run()
    workbench.switch_page("pages/batch.py").run()
    workbench.pills(key="batch_models").set_value(["vanilla_cnn"]).run()
    workbench.button[0].click().run()
    batch = workbench.session_state["batch"]
    batch.join(30)
    workbench.run()
    assert not workbench.exception
    assert batch.done == batch.total == len(SAMPLES)
    assert not batch.failures
    assert [button.label for button in workbench.download_button] == ["All results (ZIP)"]
    with zipfile.ZipFile(batch.archive) as out:
        assert "vanilla_cnn/chelsea.png" in out.namelist()


def test_other_files_do_not_stand_above_the_result_of_those_before(workbench: AppTest) -> None:
    workbench.run()
    workbench.switch_page("pages/batch.py").run()
    workbench.pills(key="batch_models").set_value(["vanilla_cnn"]).run()
    for name in ("first.png", "second.png"):
        workbench.file_uploader[0].set_value([(name, picture_bytes(), "image/png")]).run()
        assert any("1 chosen, not coloured yet" in each.value for each in workbench.info)
        assert not workbench.download_button
        workbench.button[0].click().run()
        workbench.session_state["batch"].join(30)
        workbench.run()
        assert not workbench.info
        with zipfile.ZipFile(workbench.session_state["batch"].archive) as out:
            assert f"vanilla_cnn/{name}" in out.namelist()


def test_a_discarded_batch_leaves_no_files(painters) -> None:
    batch = colored([("a.png", picture_bytes())], painters[:1])
    assert batch.archive.exists()
    batch.discard()
    assert not batch.folder.exists()


def test_a_member_that_cannot_be_unpacked_is_named_and_the_rest_go_on(painters) -> None:
    buffer = io.BytesIO()
    kinds = (zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, kind in enumerate(kinds):
            archive.writestr(f"{number}.png", picture_bytes((40, 30)), kind)
        archive.writestr("fine.png", picture_bytes())
    data = bytearray(buffer.getvalue())
    for info in zipfile.ZipFile(buffer).infolist()[:3]:
        start = info.header_offset + 40
        data[start : start + 60] = bytes(range(60))
    batch = colored([("in.zip", bytes(data))], painters[:1])
    assert batch.done == 4
    assert [failure.partition(":")[0] for failure in batch.failures] == ["0.png", "1.png", "2.png"]
    assert all("in.zip" in failure for failure in batch.failures)
    with zipfile.ZipFile(batch.archive) as out:
        assert "vanilla_cnn/fine.png" in out.namelist()


@pytest.mark.parametrize("name", ["..", ".", "a/../..", "x" * 400 + ".png", "b\nc.png", "ü"])
def test_a_strange_name_is_made_one_that_unpacks_anywhere(painters, name) -> None:
    for uploads in ([(name, picture_bytes())], [("in.zip", zipped({name: picture_bytes()}))]):
        batch = colored(uploads, painters[:1])
        assert not batch.failures
        if not batch.total:
            continue  # a hidden name in an archive is passed over
        with zipfile.ZipFile(batch.archive) as out:
            (made,) = (each for each in out.namelist() if each.startswith("vanilla_cnn/"))
        assert ".." not in Path(made).parts
        assert len(Path(made).name.encode()) <= 255
        assert made.isprintable()


def test_a_full_disk_leaves_a_sentence_and_no_half_archive(painters, monkeypatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    batch = colored([("a.png", picture_bytes())], painters[:1])
    assert not batch.archive.exists()
    assert "No space left" in batch.failures[0]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_sort_of_broken_tiff_is_named_in_a_batch(painters) -> None:
    good = io.BytesIO()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(good, "TIFF", compression="tiff_lzw")
    data, uploads = good.getvalue(), []
    for cut in range(0, len(data), max(1, len(data) // 30)):
        uploads.append((f"cut{cut}.tif", data[:cut]))
        uploads.append((f"hole{cut}.tif", data[:cut] + b"\xff" * 9 + data[cut + 9 :]))
    batch = colored([*uploads, ("last.png", picture_bytes())], painters[:1])
    assert batch.done == len(uploads) + 1
    with zipfile.ZipFile(batch.archive) as out:
        assert "vanilla_cnn/last.png" in out.namelist()
