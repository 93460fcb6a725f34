"""Rows of scores, their files, and the figures made of them."""

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from workbench.errors import Problem
from workbench.evaluation import scores, summaries
from workbench.evaluation.scores import Score


def row(model="net", picture="p", dataset="set", size=256, **values) -> Score:
    return Score(model, "0123456789ab", dataset, picture, "cw-1", size, **values)


def rows(model: str, values, dataset="set", metric="psnr") -> list[Score]:
    return [row(model, f"p{i:03}", dataset, **{metric: v}) for i, v in enumerate(values)]


@pytest.mark.parametrize("name", ["set.csv", "set.csv.gz"])
def test_what_is_written_is_read_again(tmp_path, name):
    written = [
        row(psnr=23.456789, ssim=0.98765432, ms=1.5),
        row(picture='a, "b"\nc', psnr=math.inf, ssim=1.0, ms=0.000123456),
    ]
    path = tmp_path / "net" / "scores" / name
    scores.write(path, written)
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == name.endswith(".gz")
    read = scores.read(path)
    assert [r.picture for r in read] == [r.picture for r in written]
    assert read[0].psnr == pytest.approx(23.457)
    assert read[1].psnr == math.inf
    assert read[0].delta_e is None
    told = path.read_bytes()
    assert b"delta_e" not in (gzip.decompress(told) if name.endswith(".gz") else told)
    scores.write(path, read)
    assert scores.read(path) == read, "writing what was read changes nothing"
    assert [p.name for p in path.parent.iterdir()] == [name], "no temporary file is left"


def test_tables_are_found_below_their_roots(tmp_path):
    scores.write(tmp_path / "a" / "scores" / "coco.csv", [row("a", dataset="coco", psnr=1.0)])
    scores.write(tmp_path / "b" / "scores" / "food.csv", [row("b", dataset="food", psnr=2.0)])
    scores.write(tmp_path / "b" / "scores" / ".food.part.csv", [row("b", psnr=2.0)])
    roots = [tmp_path, tmp_path / "not there"]
    assert scores.datasets(roots) == ["coco", "food"]
    assert {r.model for r in scores.read_all(roots)} == {"a", "b"}
    assert [r.model for r in scores.read_all(roots, "food")] == ["b"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no column 'model'"),
        ("model,revision,dataset,picture,protocol,size,beauty\n", "a column 'beauty'"),
        ("model,revision,dataset,picture,protocol,size,psnr\na,b,c,d,e,256,high\n", "line 2"),
        ("model,revision,dataset,picture,protocol,size,psnr\na,b,c,d,e,256\n", "line 2"),
    ],
)
def test_a_file_that_is_no_table_of_scores_is_named(tmp_path, text, sentence):
    path = tmp_path / "set.csv"
    path.write_text(text)
    with pytest.raises(Problem, match=sentence) as raised:
        scores.read(path)
    assert "set.csv" in str(raised.value)


def test_a_compressed_table_that_is_none_or_torn_is_named(tmp_path):
    path = tmp_path / "set.csv.gz"
    scores.write(path, rows("net", [20.0, 21.0]))
    whole = path.read_bytes()
    scores.write(path, rows("net", [20.0, 21.0]))
    assert path.read_bytes() == whole  # no time, no name in it
    for torn in (whole[:40], b"model,revision\n", whole[:30] + b"?" * 30):
        path.write_bytes(torn)
        with pytest.raises(Problem, match="not compressed, or torn"):
            scores.read(path)


def test_merging_twice_is_merging_once_and_the_later_row_wins():
    old = [row(picture="a", psnr=1.0), row(picture="b", psnr=2.0)]
    new = [row(picture="b", psnr=3.0), row(picture="b", size=128, psnr=4.0)]
    merged = scores.merge(old, new)
    assert [r.psnr for r in merged] == [1.0, 3.0, 4.0]
    assert scores.merge(merged, new) == merged
    assert scores.merge(new, old[:1]) == merged, "the order of rows is that of their keys"


def test_a_constant_has_an_interval_of_no_width():
    found = summaries.mean([np.full(30, 2.5)])
    assert (found.value, found.low, found.high, found.sd, found.n) == (2.5, 2.5, 2.5, 0, 30)


def test_the_interval_is_that_of_scipys_bootstrap():
    values = np.random.default_rng(1).gamma(2, 3, 200)
    found = summaries.mean([values])
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(2)
    ).confidence_interval
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(expected.low, abs=0.1)
    assert found.high == pytest.approx(expected.high, abs=0.1)
    assert summaries.mean([values]) == found, "seeded"


def test_large_sets_have_the_interval_of_the_normal_law():
    values = np.random.default_rng(1).normal(10, 2, 5000)
    found = summaries.mean([values])
    half = 1.96 * 2 / math.sqrt(5000)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.15)


def test_infinite_values_are_counted_apart_and_never_averaged_in():
    found = summaries.mean([np.array([20.0, 22.0, np.inf])])
    assert (found.value, found.n, found.infinite) == (21, 2, 1)
    assert summaries.mean([np.array([np.inf])]).value == math.inf


def test_over_several_sets_every_set_counts_alike():
    found = summaries.lines(rows("net", [10.0] * 90, "large") + rows("net", [20.0] * 10, "small"))
    assert len(found) == 1
    assert found[0].datasets == ("large", "small")
    assert found[0].means["psnr"].value == 15
    assert found[0].pictures == 100


def test_lines_keep_sizes_protocols_and_revisions_apart():
    some = [row(psnr=1.0), row(size=128, psnr=2.0), row("other", psnr=3.0)]
    assert [(n.model, n.size) for n in summaries.lines(some)] == [
        ("net", 256),
        ("net", 128),
        ("other", 256),
    ]


def test_rebalanced_auc_is_pooled_by_weight_and_delta_cf_is_a_difference_of_means():
    some = [
        row(picture="a", auc_rebalanced=50.0, auc_weight=3.0, colorfulness=10.0,
            colorfulness_truth=30.0),
        row(picture="b", auc_rebalanced=90.0, auc_weight=1.0, colorfulness=20.0,
            colorfulness_truth=20.0),
    ]  # fmt: skip
    means = summaries.lines(some)[0].means
    assert means["auc_rebalanced"].value == 60
    assert means["delta_cf"].value == -10
    assert "psnr" not in means


def test_a_model_that_is_better_by_one_on_every_picture_wins_them_all():
    values = np.random.default_rng(0).normal(23, 4, 50)
    found = summaries.compare_paired(rows("a", values + 1), rows("b", values), "psnr")
    assert found.won == 1
    assert found.difference.value == pytest.approx(1)
    assert found.difference.low == pytest.approx(1)
    back = summaries.compare_paired(rows("b", values), rows("a", values + 1), "psnr")
    assert (back.won, back.difference.value) == (0, pytest.approx(-1))


def test_where_lower_is_better_lower_wins_and_a_draw_is_half_a_picture():
    first, second = (
        rows("a", [1.0, 5.0, 3.0, 2.0], metric="delta_e"),
        rows("b", [2.0, 4.0, 3.0, 9.0], metric="delta_e"),
    )
    found = summaries.compare_paired(first, second, "delta_e")
    assert found.won == 2.5 / 4
    assert found.differences == (-1, 1, 0, -7)


def test_colourfulness_is_compared_by_its_distance_to_the_truth():
    first = [row("a", colorfulness=60.0, colorfulness_truth=40.0)]
    second = [row("b", colorfulness=35.0, colorfulness_truth=40.0)]
    assert summaries.compare_paired(first, second, "colorfulness").won == 0


def test_only_common_pictures_are_compared():
    found = summaries.compare_paired(rows("a", [1.0, 2.0, 3.0]), rows("b", [1.0]), "psnr")
    assert found.pictures == ("set: p000",)
    with pytest.raises(Problem, match="common picture"):
        summaries.compare_paired(rows("a", [1.0]), rows("b", [1.0], "other"), "psnr")
    with pytest.raises(Problem, match="'beauty' is no metric"):
        summaries.compare_paired([], [], "beauty")


def test_the_generalisation_matrix_has_training_data_in_rows_and_test_sets_in_columns():
    some = rows("a", [20.0, 22.0], "coco") + rows("a", [30.0], "food") + rows("b", [25.0], "food")
    some += rows("grey", [1.0], "food")
    names, columns, means = summaries.generalisation(some, {"a": "train-128", "b": "food"})
    assert names == ["a (train-128)", "b (food)"]
    assert columns == ["coco", "food"]
    assert [[m and m.value for m in line] for line in means] == [[21, 30], [None, 25]]


def test_published_numbers_carry_their_protocol_and_source():
    from workbench.evaluation.reported import REPORTED

    assert len(set(REPORTED)) == len(REPORTED) == 28
    for line in REPORTED:
        assert line.protocol
        assert line.source
        assert any(value is not None for value in (line.psnr, line.auc, line.pixels_differ)), (
            line.system
        )
    best = max((r for r in REPORTED if r.psnr_sd), key=lambda r: r.ssim)
    assert best.system.startswith("attention_pix2pix, experiment 8"), "the text says 5, the table 8"


def test_old_names_of_protocols_and_columns_are_read_and_accepted(tmp_path):
    from workbench.evaluation import protocols

    table = tmp_path / "set.csv"
    head = "model,revision,dataset,picture,protocol,size,psnr,psnr_seed003\n"
    table.write_text(head + "grey,-,set,a,seed003,128,20.5,33.1\ngrey,-,set,a,seed002,256,20.5,\n")
    first, second = scores.read(table)
    assert (first.protocol, first.psnr_unsquared) == ("ranjan-agrawal", 33.1)
    assert second.protocol == "liu-gao-li"
    for old, name in scores.OLD_PROTOCOLS.items():
        assert protocols.find_protocol(old) is protocols.PROTOCOLS[name]


def test_no_number_of_a_paper_is_where_a_person_reads():
    import re

    root = Path(__file__).resolve().parent.parent
    files = [root / "README.md", *root.glob("docs/*.md"), *root.glob("pages/*.py")]
    files += root.glob("workbench/**/*.py")
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"[Pp]aper 00\d", text), file.name
        if file.name != "scores.py":  # the old names it still reads
            assert not re.search(r"seed00\d", text), file.name


def test_places_are_counted_over_sets_and_a_model_that_lacks_one_is_not_ranked():
    some = [
        *rows("a", [30, 30], "x"), *rows("b", [20, 20], "x"), *rows("c", [20, 20], "x"),
        *rows("a", [10, 10], "y"), *rows("b", [30, 30], "y"), *rows("c", [20, 20], "y"),
        *rows("short", [90, 90], "x"),
    ]  # fmt: skip
    places = summaries.aggregate_ranks(some, "psnr")
    assert [each.model for each in places] == ["b", "a", "c", "short"]
    found = {each.model: each for each in places}
    assert found["a"].ranks == (1, 3)  # `short` is better on x and takes no place there
    assert found["b"].ranks == (2.5, 1)
    assert [found[name].borda for name in "abc"] == [2, 2.5, 1.5]
    assert found["short"].missing == ("y",)
    assert found["short"].mean_rank is None


def test_places_by_a_metric_where_less_is_better_and_where_the_truth_is():
    low = [*rows("a", [3, 5], metric="delta_e"), *rows("b", [9, 9], metric="delta_e")]
    assert [each.model for each in summaries.aggregate_ranks(low, "delta_e")] == ["a", "b"]
    near = [
        row("a", "p", colorfulness=50.0, colorfulness_truth=40.0),
        row("b", "p", colorfulness=38.0, colorfulness_truth=40.0),
    ]
    assert [each.model for each in summaries.aggregate_ranks(near, "colorfulness")] == ["b", "a"]
