"""Sources: what each text of the grammar yields, on small data made here."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_pictures import encoded, listed, run, write

from workbench.data import DATASETS, pictures, sums
from workbench.data.sources import KINDS, open_source
from workbench.errors import Problem

# ------------------------------------------------------------------------------- folders, files


def test_a_folder_yields_its_pictures_in_order_and_labels_them_by_their_folder(tmp_path):
    for name in ("b.png", "cats/2.jpg", "cats/1.webp", "dogs/big/3.PNG", "日本/é .jpeg"):
        write(tmp_path / name)
    assert listed(tmp_path) == [
        ("b.png", None),
        ("cats/1.webp", "cats"),
        ("cats/2.jpg", "cats"),
        ("dogs/big/3.PNG", "big"),
        ("日本/é .jpeg", "日本"),
    ]


def test_hidden_files_and_other_files_are_no_pictures(tmp_path):
    for name in (".hidden.png", ".git/x.png", "__MACOSX/x.png", "a.png"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.png").mkdir()
    assert listed(tmp_path) == [("a.png", None)]


def test_the_key_is_that_of_names_and_contents_and_not_of_place_and_time(tmp_path):
    write(tmp_path / "one/a.png")
    key = open_source(str(tmp_path / "one")).key
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    os.utime(tmp_path / "two/a.png", (1, 1))
    assert open_source(str(tmp_path / "two")).key == key
    content = bytearray((tmp_path / "two/a.png").read_bytes())
    content[-1] ^= 1  # the same size
    (tmp_path / "two/a.png").write_bytes(content)
    changed = open_source(str(tmp_path / "two")).key
    write(tmp_path / "two/b.png")
    assert len({key, changed, open_source(str(tmp_path / "two")).key}) == 3


def test_a_file_is_read_for_its_sum_once(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "one/a.png")
    key = open_source(str(tmp_path / "one")).key
    sums.keep_sums()
    sums._known.clear()  # as in another process

    def refuse(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(sums.hashlib, "file_digest", refuse)
    assert open_source(str(tmp_path / "one")).key == key


def test_a_pattern_or_a_single_file_is_pictures_without_labels(tmp_path):
    for name in ("x/a1.png", "x/a2.png", "x/b.png"):
        write(tmp_path / name)
    assert listed(tmp_path / "x/a*.png") == [("a1.png", None), ("a2.png", None)]
    assert listed(tmp_path / "x/b.png") == [("b.png", None)]


def parquet(path: Path, columns: dict[str, list], metadata: dict | None = None) -> Path:
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


def test_parquet_in_the_form_of_the_datasets_library_yields_names_and_labels(tmp_path):
    rows = [{"bytes": encoded(i), "path": f"{i}.png"} for i in range(3)]
    file = parquet(
        tmp_path / "t.parquet",
        {"image": rows, "label": ["cat", None, "dog"], "source": ["s"] * 3, "split": ["train"] * 3},
    )
    assert listed(file) == [
        ("t.parquet[0] 0.png", "cat"),
        ("t.parquet[1] 1.png", None),
        ("t.parquet[2] 2.png", "dog"),
    ]
    items = list(open_source(str(file)).items())
    assert [item.data for item in items] == [encoded(i) for i in range(3)]
    assert [item.group for item in items] == ["s"] * 3


def test_parquet_with_plain_bytes_and_numbers_as_labels_is_read(tmp_path):
    columns = {"picture": [encoded(0), None, encoded(1)], "label": [7, -1, 8]}
    file = parquet(tmp_path / "t.parquet", columns)
    items = list(open_source(str(file)).items())
    assert [item.label for item in items] == ["7", None, "8"]
    assert [len(item.data) > 0 for item in items] == [True, False, True]


def test_class_names_in_the_schema_replace_the_numbers(tmp_path):
    about = b'{"info": {"features": {"label": {"names": ["cat", "dog"]}}}}'
    columns = {"image": [encoded(0), encoded(1)], "label": [1, 0]}
    file = parquet(tmp_path / "t.parquet", columns, {b"huggingface": about})
    assert [label for _, label in listed(file)] == ["dog", "cat"]


def test_a_folder_of_parquet_keeps_what_is_held_out_out(tmp_path):
    parquet(tmp_path / "train-0.parquet", {"image": [encoded(0)]})
    parquet(tmp_path / "train-1.parquet", {"image": [encoded(1)]})
    parquet(tmp_path / "validation-0.parquet", {"image": [encoded(2)]})
    assert [name for name, _ in listed(tmp_path)] == ["train-0.parquet[0]", "train-1.parquet[0]"]
    assert [name for name, _ in listed(tmp_path / "v*.parquet")] == ["validation-0.parquet[0]"]


def tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as opened:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            opened.addfile(about, io.BytesIO(content))
    return path


def test_tar_files_yield_the_samples_of_webdataset_with_their_labels(tmp_path):
    tar(
        tmp_path / "s-008.tar",
        {
            "a/1.jpg": encoded(0, "JPEG"),
            "a/1.cls": b"3\n",
            "._x.png": b"",
            "a/2.json": b'{"label": "cat"}',
            "a/2.input.png": encoded(1),
        },
    )
    tar(tmp_path / "s-009.tar", {"3.png": encoded(2), "3.cls": b"\xff", "notes.txt": b"no"})
    tar(tmp_path / "s-010.tar", {"../../4.webp": encoded(3, "WEBP")})
    expected = [("s-008.tar/a/1.jpg", "3"), ("s-008.tar/a/2.input.png", "cat"),
                ("s-009.tar/3.png", None), ("s-010.tar/../../4.webp", None)]  # fmt: skip
    assert listed(tmp_path / "s-{008..010}.tar") == listed(tmp_path / "s-*.tar") == expected
    assert pictures.load([str(tmp_path / "s-*.tar")], 8, cache=tmp_path / "c").report["n"] == 4
    with pytest.raises(Problem, match=r"s-011\.tar, which is not there"):
        open_source(str(tmp_path / "s-{009..012}.tar"))


def test_what_is_damaged_in_a_tar_is_named_and_the_rest_goes_on(tmp_path):
    cut = tar(tmp_path / "a.tar", {"1.png": encoded(0), "2.png": encoded(1), "3.png": bytes(5000)})
    cut.write_bytes(cut.read_bytes()[:4000])
    (tmp_path / "b.tar").write_bytes(b"no tar at all")
    with tarfile.open(tmp_path / "c.tar", "w") as opened:
        link = tarfile.TarInfo("passwords.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        opened.addfile(link)
        about = tarfile.TarInfo("4.png")
        about.size = len(encoded(2))
        opened.addfile(about, io.BytesIO(encoded(2)))
    report = pictures.load([str(tmp_path / "*.tar")], 8, cache=tmp_path / "c").report
    assert report["n"] == 3
    assert report["unreadable"] == ["a.tar: damaged after 3 members",
                                    "b.tar: damaged after 0 members"]  # fmt: skip


def test_a_table_of_paths_yields_its_files_and_none_outside_its_folder(tmp_path):
    write(tmp_path / "set/x/a.png")
    write(tmp_path / "set/b.png", 1)
    write(tmp_path / "secret.png", 2)
    (tmp_path / "set/link.png").symlink_to(tmp_path / "secret.png")
    rows = [("x/a.png", "warm"), ("b.png", ""), ("../secret.png", "no"), ("link.png", "no"),
            (str(tmp_path / "secret.png"), "no"), ("gone.png", "no"),
            (str(tmp_path / "set/b.png"), "cold")]  # fmt: skip
    lines = "".join(f"{path},{label},1\n" for path, label in rows)
    (tmp_path / "set/list.csv").write_text("\ufefffile_name,label,width\n" + lines)
    expected = [("x/a.png", "warm"), ("b.png", None), (str(tmp_path / "set/b.png"), "cold")]
    source = open_source(str(tmp_path / "set/list.csv"))
    assert source.count() == 7
    assert [(item.name, item.label) for item in source.items() if item.data] == expected
    report = pictures.load([str(tmp_path / "set/list.csv")], 8, cache=tmp_path / "c").report
    assert (report["n"], len(report["unreadable"])) == (3, 4)

    table = pa.table({"path": pa.array([path for path, _ in rows], pa.large_string()),
                      "label": list(range(7))})  # fmt: skip
    pq.write_table(table, tmp_path / "set/list.parquet")
    found = open_source(str(tmp_path / "set/list.parquet")).items()
    assert [item.label for item in found if item.data] == ["0", "1", "6"]


def test_the_key_of_a_table_changes_with_the_pictures_that_it_names(tmp_path):
    write(tmp_path / "a.png")
    (tmp_path / "list.tsv").write_text("path\tlabel\na.png\twarm\n")
    first = open_source(str(tmp_path / "list.tsv")).key
    write(tmp_path / "a.png", 1)
    second = open_source(str(tmp_path / "list.tsv")).key
    (tmp_path / "list.tsv").write_text("path\tlabel\na.png\tcold\n")
    assert len({first, second, open_source(str(tmp_path / "list.tsv")).key}) == 3


# ---------------------------------------------------------------------------- what is no source


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("absent", "There is no file or folder 'absent'"),
        ("ftp:somewhere", "is not a source of pictures. It is one of: FOLDER"),
        ("hub:", "names nothing after the colon"),
        ("{empty}", "holds no pictures"),
        ("{text}", "neither parquet nor a picture"),
        ("{broken}", "is not a readable parquet file"),
        ("{numbers}", "has no column of pictures: expected `image`"),
        ("{columns}", "has no column of paths (path, file_name, image), found a, b"),
    ],
)
def test_what_is_no_source_is_said_in_a_sentence(tmp_path, text, sentence):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 broken")
    (tmp_path / "columns.csv").write_text("a,b\n1,2\n")
    parquet(tmp_path / "numbers.parquet", {"number": [1, 2]})
    places = {
        "empty": tmp_path / "empty",
        "text": tmp_path / "notes.txt",
        "broken": tmp_path / "broken.parquet",
        "numbers": tmp_path / "numbers.parquet",
        "columns": tmp_path / "columns.csv",
    }
    with pytest.raises(Problem) as problem:
        open_source(text.format(**places))
    assert sentence in str(problem.value)


# ------------------------------------------------------------------------------------- DATASETS


def test_every_set_has_a_source_terms_and_a_split():
    for name, spec in DATASETS.items():
        assert spec.name == name
        assert spec.title
        assert spec.source
        assert spec.licence
        assert spec.split in ("train", "validation", "test")
        kind, colon, rest = spec.source.partition(":")
        known = not colon or kind in KINDS or kind in ("http", "https")
        assert known, spec.source
        assert rest or not colon, spec.source
        assert kind != "torchvision" or rest in ("ImageNet", "Places365", "VOC2012", "Flowers102")


def test_datasets_are_listed_as_json_and_as_a_table():
    rows = json.loads(run(["datasets", "--json"]).output)
    assert [row["name"] for row in rows] == list(DATASETS)
    assert "Places365" in run(["datasets"]).output


def test_every_set_that_is_shared_is_in_the_table_with_its_classes(shared):
    files = {file.stem: [file] for file in (shared / "data/test").glob("*.parquet")}
    for split in ("train", "validation"):
        files[f"{split}-128"] = list((shared / "data/train-128").glob(f"{split}-*.parquet"))
    assert len(files) == 18
    for name, parts in files.items():
        tables = [pq.read_table(part, columns=["label"]) for part in parts]
        labels = {label for table in tables for label in table.column("label").to_pylist()}
        assert DATASETS[name].labels == len(labels - {None}), name
        assert DATASETS[name].split == name.removesuffix("-128") or len(parts) == 1


def test_pictures_of_different_sources_share_their_classes(tmp_path):
    write(tmp_path / "pets/dog/1.png", 1)
    write(tmp_path / "pets/cat/2.png", 2)
    row = {"image": [encoded(3), encoded(4)], "label": ["dog", None]}
    file = parquet(tmp_path / "t.parquet", row)
    loaded = pictures.load([str(file), str(tmp_path / "pets")], 8, cache=tmp_path / "cache")
    assert loaded.classes == ("cat", "dog")
    assert loaded.labels.tolist() == [1, -1, 0, 1]
