"""Plans, simulated studies, results and exports: from a YAML file to a folder of CSV files."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from workbench.errors import Problem
from workbench.models import MODELS
from workbench.study import export, own, plans, rendering, results, simulate
from workbench.study.votes import Votes


@pytest.fixture(autouse=True)
def studies(tmp_path, monkeypatch) -> Path:
    """Databases and pictures of these tests lie in a folder of their own."""
    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path / "studies"))
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)
    return tmp_path / "studies"


def rows_of(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode())))


# plans ---------------------------------------------------------------------------------------


def test_a_plan_is_read_from_yaml_with_defaults_of_the_published_protocols(tmp_path):
    file = tmp_path / "study.yaml"
    file.write_text("name: zhang\ndesign: real_or_fake\nmodels: [colorful]\n")
    plan = plans.read_plan(file)
    assert (plan.practised, plan.scored, plan.caught) == (10, 50, 5)
    assert (plan.exposure_ms, plan.gap_ms) == (1000, 600)
    assert plans.plan_from(plan.to_dict()) == plan


def test_the_documented_study_names_every_field_with_its_default(tmp_path):
    text = (Path(__file__).resolve().parent.parent / "docs" / "study.md").read_text("utf-8")
    file = tmp_path / "study.yaml"
    file.write_text(text.partition("```yaml")[2].partition("```")[0], encoding="utf-8")
    documented = plans.read_plan(file).to_dict()
    default = plans.Plan(name="landscapes").to_dict()
    assert documented | {"consent": plans.CONSENT} == default
    for field in default:
        assert f"\n{field}: " in text, field


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: Ünfit", "small letters"),
        ("title: no name", "needs a name"),
        ("name: a\ndesign: quiz", "design must be one of"),
        ("name: a\ntrials: many", "trials must be of kind int"),
        ("name: a\ntrials: true", "trials must be of kind int"),
        ("name: a\ntrials: -3", "between 0 and 1000"),
        ("name: a\ncolour: red", "colour is no field"),
        ("name: a\nmodels: [x, x]", "named twice"),
        ("name: a\nmodels: [x]", "at least 2 models"),
        ("name: a\nmodels: [catch, x]", "are not models"),
        ("- just\n- a list", "name: value"),
        ("name: [", "is not YAML"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused_with_a_sentence(tmp_path, text, sentence):
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(Problem, match=sentence):
        plans.read_plan(file)


# pictures ------------------------------------------------------------------------------------


def half_color(rgb):
    return (rgb.float().mean(0, keepdim=True) / 2 + rgb.float() / 2).to(torch.uint8)


def test_every_picture_is_rendered_before_a_study_can_be_opened(studies):
    votes = Votes()
    votes.create_study(plans.Plan(name="s", size=64).to_dict())
    with pytest.raises(Problem, match="study render s"):
        rendering.open_study(votes, "s")
    painters = {"one@1": half_color, "owner/two@2": lambda rgb: rgb}
    assert rendering.render(votes, "s", painters) == 4  # the grey sample is left out
    study = votes.study("s")
    files = sorted(studies.glob("s/pictures/*/*.png"))
    assert len(files) == 4 * 4
    assert len(json.loads(study.pictures)) == 4
    files[0].unlink()
    with pytest.raises(Problem, match="is missing"):
        rendering.open_study(votes, "s")
    rendering.render(votes, "s", painters)
    rendering.open_study(votes, "s")
    with pytest.raises(Problem, match="cannot change"):
        rendering.render(votes, "s", painters)
    votes.close()


def test_a_reference_is_rendered_without_colours_and_missing_it_keeps_a_study_closed():
    from workbench.images import open_image

    votes = Votes()
    plan = plans.Plan(name="beside", size=64, limit=1, reference=plans.GREY)
    rendering.make_study(votes, plan, painters={"a@1": lambda rgb: rgb, "b@1": lambda rgb: rgb})
    [made] = json.loads(votes.study("beside").pictures)
    file = rendering.picture_file("beside", made["sha256"], plans.GREY)
    rgb = open_image(file).rgb.int()
    assert (rgb.amax(0) - rgb.amin(0)).max() <= 1
    file.unlink()
    with pytest.raises(Problem, match="of grey is missing"):
        rendering.open_study(votes, "beside")
    votes.close()
    told = {"design": "real_or_fake", "reference": plans.GREY}
    for fields in (told, {"models": (plans.TRUTH, "a"), "reference": plans.TRUTH}):
        with pytest.raises(Problem, match="reference"):
            plans.Plan(name="beside", **fields)


def test_the_catch_picture_has_the_photographs_lightness_and_none_of_its_colours():
    from workbench import color
    from workbench.images import open_image
    from workbench.samples import SAMPLES

    rgb = open_image(SAMPLES["coffee"].path).rgb[:, ::4, ::4]
    L, ab = color.split_lab(rgb)
    L_turned, ab_turned = color.split_lab(rendering.rotate_to_purple(rgb))
    assert float((L - L_turned).abs().mean()) < 8
    assert float((ab - ab_turned).norm(dim=0).mean()) > 40


def test_no_rendered_picture_carries_the_name_of_its_model(studies):
    votes = Votes()
    votes.create_study(plans.Plan(name="s", size=64).to_dict())
    rendering.render(votes, "s", {"secretname@1": half_color, "two@2": half_color})
    for file in studies.glob("s/pictures/*/*.png"):
        data = file.read_bytes()
        assert b"secretname" not in data
        assert b"tEXt" not in data
        assert b"iTXt" not in data
    votes.close()


def test_models_that_are_not_there_are_named(monkeypatch):
    from workbench import checkpoints

    monkeypatch.setattr(checkpoints, "available", dict)
    votes = Votes()
    votes.create_study(plans.Plan(name="s", models=("a", "b")).to_dict())
    with pytest.raises(Problem, match="no weights called 'a'"):
        rendering.render(votes, "s")
    votes.close()


def test_networks_render_the_pictures_and_their_revisions_are_recorded(
    small_checkpoints, monkeypatch, studies
):
    from workbench import checkpoints
    from workbench.coloring.colorize import colorize
    from workbench.data.pictures import decode_square
    from workbench.images import open_image
    from workbench.samples import IN_COLOR, SAMPLES

    here = checkpoints.available(small_checkpoints)
    monkeypatch.setattr(checkpoints, "available", lambda: here)
    votes = Votes()
    plan = plans.Plan(name="s", size=64, limit=1, models=("vanilla_cnn", "cbam_gan"))
    assert rendering.make_study(votes, plan) == 1
    study = votes.study("s")
    assert json.loads(study.models) == [
        f"{name}@{here[name].revision}" for name in ("vanilla_cnn", "cbam_gan")
    ]
    [picture] = json.loads(study.pictures)
    file = rendering.picture_file("s", picture["sha256"], json.loads(study.models)[0])
    sample = SAMPLES[IN_COLOR[0]]  # black and white ones are left out
    photograph = torch.from_numpy(decode_square(sample.path.read_bytes(), 64)[0])
    vanilla = here["vanilla_cnn"]
    expected = colorize(vanilla.net(), photograph, size=vanilla.size).rgb
    assert torch.equal(open_image(file).rgb, expected), "as the network colours it everywhere else"
    votes.close()


def test_what_fails_leaves_no_draft_behind(tmp_path):
    votes = Votes()
    painters = {"one@1": half_color, "two@2": half_color}
    with pytest.raises(Problem, match="no colour photograph"):
        rendering.make_study(
            votes,
            plans.Plan(name="s", pictures=rendering.UPLOADS),
            [("../../broken.png", b"no picture")],
            painters,
        )
    assert votes.studies() == []
    from workbench.samples import SAMPLES

    upload = [("../mine.jpg", SAMPLES["coffee"].path.read_bytes())]
    plan = plans.Plan(name="s", pictures=rendering.UPLOADS, size=64)
    assert rendering.make_study(votes, plan, upload, painters) == 1
    assert not list(tmp_path.rglob("broken.png"))
    votes.close()


# simulated studies ---------------------------------------------------------------------------


@pytest.mark.parametrize("design", ["pair", "real_or_fake", "rank"])
def test_a_simulated_study_is_analysed_and_exported(design, tmp_path):
    votes, study = simulate.simulate(design=design, raters=14, trials=15, name="demo")
    written = {path.name for path in export.export(votes, study, tmp_path / "out")}
    assert written == {
        "votes.csv", "raters.csv", "ranking.csv", "codebook.md", "methods.md", "votes.parquet"
    }  # fmt: skip
    files = export.make_files(votes, study)
    cast = rows_of(files["votes.csv"])
    assert len(cast) == 14 * plans.Plan(name="x", design=design, trials=15).total
    assert sum(row["practice"] == "false" and row["catch"] == "false" for row in cast) == 14 * 15
    raters = rows_of(files["raters.csv"])
    assert {row["rater"] for row in cast} == {row["rater"] for row in raters}
    assert all(row["votes"] == "15" for row in raters)
    table = rows_of(files["ranking.csv"])
    count = len(MODELS)
    assert len(table) == 2 * count  # all models, with and without the flagged raters
    assert [row["rank"] for row in table[:count]] == [str(i + 1) for i in range(count)]
    book = files["codebook.md"].decode()
    for column in (*cast[0], *raters[0], *table[0]):
        assert f"`{column}`" in book, column
    votes.close()


@pytest.mark.parametrize("design", ["pair", "rank"])
def test_what_colourfulness_explains_is_measured_on_the_pictures_of_a_study(design):
    votes, study = simulate.simulate(design=design, raters=6, trials=6)
    found = results.load(votes, study)
    adjusted = results.load_adjusted(votes, study)
    per_model, per_measure = results.tabulate_adjusted(found.models, adjusted)
    plain = {row["model"]: row["strength"] for row in found.table()}
    assert {row["model"]: pytest.approx(row["strength"]) for row in per_model} == plain
    assert [row["measure"] for row in per_measure] == [
        "Colourfulness",
        "Mean chroma",
        "PSNR to grey",
    ]
    assert all(row["low"] <= row["effect"] <= row["high"] for row in per_measure)
    assert results.load_adjusted(votes, study, set(found.raters[1:])) is None
    votes.close()


def test_the_simulation_recovers_the_order_of_its_strengths():
    votes, study = simulate.simulate(raters=30, trials=20)
    found = results.load(votes, study)
    order = [row["model"] for row in found.table()]
    assert [order[0], order[-1]] == [next(iter(MODELS)), next(reversed(MODELS))]
    honest = results.load(votes, study, found.flagged)
    assert honest.votes == found.votes - 20 * len(found.flagged)
    gap = honest.ranking.strength - np.array(simulate.strengths(len(MODELS)))
    assert np.abs(gap).max() < 0.6
    votes.close()


def test_the_same_seed_exports_the_same_bytes_and_another_seed_others(tmp_path):
    exports = []
    for seed in (3, 3, 4):
        votes, study = simulate.simulate(raters=3, trials=4, seed=seed)
        exports.append(export.make_files(votes, study))
        votes.close()
    assert exports[0] == exports[1]
    assert exports[0]["votes.csv"] != exports[2]["votes.csv"]


def test_two_simulations_with_one_seed_stand_side_by_side():
    simulate.simulate(name="one", raters=1, trials=1)[0].close()
    votes, _ = simulate.simulate(name="two", raters=1, trials=1)
    assert [study.name for study in votes.studies()] == ["two", "one"]
    votes.close()


def test_a_simulation_never_replaces_a_real_study():
    votes = Votes()
    votes.create_study(plans.Plan(name="real", title="My study").to_dict())
    with pytest.raises(Problem, match="is real"):
        simulate.simulate(name="real", raters=1, trials=1)
    votes.close()


def test_a_study_without_votes_has_results_that_say_nothing():
    for design in plans.DESIGNS:
        found = results.analyse(plans.Plan(name="x", design=design), ["a@1", "b@2"], [])
        assert found.votes == 0
        assert len(found.table()) == 2
        assert "0 raters" in export.write_methods(found)


def row(**fields):
    return {
        "kind": "scored", "rater": "r", "picture": "p", "picture_sha256": "0", "shown": "a@1,b@2",
        "choice": "left", "correct": None, "dwell_ms": 2000.0, "number": 0,
    } | fields  # fmt: skip


def seen(size: str, ratio: str = "1", theme: str = "light") -> dict[str, str]:
    viewport = f"390x800x{ratio}"
    return {"shown_size": size, "viewport": viewport, "theme": theme} if size else {}


def test_the_methods_text_says_what_was_recorded_of_the_screens():
    plan = plans.Plan(name="x", size=256)
    rows = [
        row(**seen("177x177", "3", "dark")), row(**seen("480x480")), row(**seen("480x480")),
        row(**seen("")),
    ]  # fmt: skip
    text = export.write_methods(results.analyse(plan, ["a@1", "b@2"], rows))
    assert "rendered as squares of 256 pixels" in text
    assert "177 to 480 (median 480) CSS pixels wide at a device pixel ratio of 1 to 3" in text
    assert "one neutral grey (sRGB 128, 128, 128) in both themes" in text
    assert "dark in 1 of 3 answers" in text
    assert "In 1 older answers none of this was recorded" in text


def test_where_nothing_was_recorded_the_methods_text_claims_nothing_of_the_screens():
    found = results.analyse(plans.Plan(name="x"), ["a@1", "b@2"], [row()])
    text = export.write_methods(found)
    assert "were not recorded" in text
    assert "neutral grey" not in text


def test_of_one_rater_the_methods_text_gives_no_interval():
    text = export.write_methods(results.analyse(plans.Plan(name="x"), ["a@1", "b@2"], [row()]))
    assert text.startswith("1 rater gave 1 scored answer.")
    assert text.count("(no interval yet)") == 2
    assert "inf" not in text


def test_how_sure_an_order_is_is_not_said_below_five_raters_without_a_flag():
    plan = plans.Plan(name="x")
    for raters in (3, 4, 5, 25):
        rows = [
            row(rater=f"r{i}", number=n, choice=("left", "tie", "left", "right")[n % 4])
            for i in range(raters) for n in range(8)
        ]  # fmt: skip
        found = results.analyse(plan, ["a@1", "b@2"], rows)
        assert found.unflagged == raters
        assert bool(found.separations()) == (raters >= 5)
        text = export.write_methods(found)
        assert ("too narrow" in text) == (raters < 20)
        assert ("nothing is said of how sure" in text) == (raters < 5)
    hasty = [{**each, "dwell_ms": 1.0} for each in rows if each["rater"] < "r22"]
    flagged = results.analyse(plan, ["a@1", "b@2"], hasty + rows[-24:])
    assert flagged.unflagged < 5
    assert flagged.separations() == []


def test_practice_and_catch_trials_are_never_counted():
    plan = plans.Plan(name="x")
    rows = [
        row(choice="left"),
        *[row(choice="right", kind="practice", dwell_ms=1.0) for _ in range(20)],
        row(choice="right", kind="catch", shown="truth,catch", correct=False),
    ]
    found = results.analyse(plan, ["a@1", "b@2"], rows)
    assert found.votes == 1
    assert found.ranking.wins.tolist() == [[0, 1], [0, 0]]
    assert found.flags == {"r": ["catch"]}


def test_an_order_counts_as_all_its_pairs():
    plan = plans.Plan(name="x", design="rank")
    found = results.analyse(
        plan, ["a@1", "b@2", "c@3"], [row(shown="b@2,c@3,a@1", choice="2,0,1")]
    )  # best first: a, b, c
    assert found.ranking.wins.tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0]]


def test_the_fool_rate_is_the_share_of_wrong_answers():
    plan = plans.Plan(name="x", design="real_or_fake")
    rows = [row(shown="truth,a@1", choice="left", correct=i == 0, number=i) for i in range(4)]
    found = results.analyse(plan, ["a@1", "b@2"], rows)
    assert found.fool.rate[0] == 0.75
    assert found.pictures[0]["share"] == 0.75
    assert "a 75.0%" in export.write_methods(found)


def test_cells_that_a_spreadsheet_would_run_are_neutralised():
    cells = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " \r=1", "plain", "a=b", -2.5, True, None]
    text = export.as_csv([{"cell": cell} for cell in cells], ["cell"])
    read = [line["cell"] for line in csv.DictReader(io.StringIO(text, newline=""))]
    assert read == [
        "'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\t=1", "'  =1", "plain", "a=b", "-2.5", "true", "",
    ]  # fmt: skip


def test_parquet_and_csv_have_the_same_votes():
    from pyarrow import parquet

    votes, study = simulate.simulate(raters=2, trials=3)
    files = export.make_files(votes, study)
    table = parquet.read_table(io.BytesIO(files["votes.parquet"])).to_pylist()
    text = rows_of(files["votes.csv"])
    assert [row["choice"] for row in table] == [row["choice"] for row in text]
    assert list(table[0]) == list(text[0])
    votes.close()


# the command line ----------------------------------------------------------------------------


def command(*words: str, fails: bool = False) -> subprocess.CompletedProcess:
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "study", *words], capture_output=True, text=True
    )
    assert done.returncode == (2 if fails else 0), done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_the_command_line_simulates_lists_exports_and_withdraws(tmp_path):
    out = tmp_path / "out"
    command("simulate", "--raters", "3", "--trials", "4", "--export", str(out))
    assert {"votes.csv", "raters.csv", "codebook.md", "ranking.csv"} <= {
        path.name for path in out.iterdir()
    }
    listed = json.loads(command("list", "--json").stdout)
    assert listed[0]["name"] == "demo"
    assert listed[0]["state"] == "closed"
    assert listed[0]["votes"] == 12
    code = rows_of((out / "raters.csv").read_bytes())[0]["rater"]
    assert "Deleted" in command("withdraw", code).stdout
    command("export", "demo", str(out))
    assert code not in (out / "votes.csv").read_text()


def test_the_command_line_says_what_is_wrong_in_a_sentence(tmp_path):
    assert "no study called 'ghost'" in command("open", "ghost", fails=True).stderr
    assert "There is no file" in command("create", str(tmp_path / "no.yaml"), fails=True).stderr


# what a rater preferred ------------------------------------------------------------------------


def test_a_rater_reads_their_own_choices_only_where_the_plan_reveals_them(studies):
    for reveal in (False, True):
        votes, study = simulate.simulate(name=f"s{reveal}".lower(), raters=2, trials=6)
        mine, other = votes.raters(study)
        plan = json.loads(study.plan) | {"reveal": reveal}
        study.plan = json.dumps(plan)
        rows = own.list_choices(votes, study, mine)
        assert len(rows) == (6 if reveal else 0)
        assert {row["rater"] for row in rows} <= {mine.code}
        assert {row["kind"] for row in rows} <= {"scored"}
        assert len(votes.rows(study, other)) == len(votes.rows(study)) // 2
        votes.close()


@pytest.mark.parametrize(
    ("design", "row", "scores"),
    [
        ("pair", {"shown": "a@1,b@1", "choice": "right"}, {"a@1": 0, "b@1": 1}),
        ("pair", {"shown": "a@1,truth", "choice": "tie"}, {"a@1": 0.5, "truth": 0.5}),
        ("rank", {"shown": "a@1,b@1,c@1", "choice": "2,0,1"}, {"c@1": 1, "a@1": 0.5, "b@1": 0}),
        ("real_or_fake", {"shown": "truth,a@1", "choice": "left", "correct": False}, {"a@1": 1}),
        ("real_or_fake", {"shown": "a@1,truth", "choice": "left", "correct": True}, {"a@1": 0}),
    ],
)
def test_an_answer_is_shared_out_among_the_pictures_that_were_shown(design, row, scores):
    plan = plans.Plan(name="s", design=design)
    assert own.score_choice(plan, row) == scores
    table = own.tabulate_choices(plan, [row, row])
    assert [each["questions"] for each in table] == [2] * len(scores)
    shares = [each["share"] for each in table]
    assert shares == sorted(scores.values(), reverse=True)
    names = {own.name_shown(shown) for shown in scores}
    assert {each["model"] for each in table} == names
