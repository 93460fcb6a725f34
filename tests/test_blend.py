"""Several models as one: named on the command line, in the API and on the page."""

from __future__ import annotations

import json

import pytest
import torch
from test_pages_compare import shown, side_by_side

from workbench import checkpoints, places
from workbench.coloring.colorize import Settings, colorize, own_settings, predict_ab
from workbench.errors import Problem
from workbench.evaluation import score_run
from workbench.images import open_image
from workbench.samples import SAMPLES
from workbench.serving.api import find_checkpoints
from workbench.serving.studio import Studio


@pytest.fixture
def trained(small_checkpoints, tmp_path, monkeypatch):
    monkeypatch.setattr(places, "CHECKPOINTS", small_checkpoints)
    monkeypatch.setattr(places, "RUNS", tmp_path / "no-runs")
    monkeypatch.setenv("WORKBENCH_CACHE", str(tmp_path / "cache"))
    return checkpoints.available(small_checkpoints)


def test_a_blend_is_the_weighted_mean_of_its_members_colours(trained):
    L = torch.rand(1, 1, 64, 80) * 100
    blend = checkpoints.find("vanilla_cnn=3+cbam_gan")
    apart = [predict_ab(trained[name].net(), L, 64) for name in ("vanilla_cnn", "cbam_gan")]
    together = predict_ab(blend.net(), L, blend.size)
    assert torch.allclose(together, 0.75 * apart[0] + 0.25 * apart[1], atol=0.05)
    assert (blend.net()(L) - together).abs().mean() < 0.5  # the one in fp32, the other in bf16


def test_its_revision_follows_weights_and_members_and_not_their_scale(trained):
    told = [
        checkpoints.find(name).revision
        for name in ("colorful+cbam_gan", "colorful=2+cbam_gan=2", "colorful=2+cbam_gan")
    ]
    assert told[0] == told[1] != told[2]
    assert checkpoints.find("colorful=2+cbam_gan=2").name == "colorful+cbam_gan"
    assert checkpoints.find("colorful=2+cbam_gan").title == "Blend: 2 × Colorful + 1 × CBAM-GAN"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("colorful+nobody", "There is no model 'nobody'"),
        ("colorful+colorful", "twice"),
        ("colorful=0+cbam_gan", "is no weight"),
        ("colorful=nan+cbam_gan", "is no weight"),
        ("colorful=x+cbam_gan", "'x' is no weight"),
        ("colorful=1e9+cbam_gan", "at most 1000"),
        ("+colorful", "There is no model ''"),
    ],
)
def test_a_blend_that_cannot_be_is_refused_in_a_sentence(trained, name, words):
    for find in (checkpoints.find, lambda name: find_checkpoints([name])):
        with pytest.raises(Problem, match=words):
            find(name)


def test_settings_reach_the_members_that_have_them(trained):
    blend = checkpoints.find("vanilla_cnn+colorful").net()
    told = Settings(temperature=0.1, rebalancing=0.5)
    assert own_settings(blend, told) == told
    assert own_settings(checkpoints.find("vanilla_cnn+cbam_gan").net(), told) == Settings()
    L = torch.rand(1, 1, 64, 64) * 100
    assert not torch.equal(predict_ab(blend, L, 64), predict_ab(blend, L, 64, told))


def test_a_server_joins_the_networks_it_has_and_keeps_no_copies(trained):
    studio, picture = Studio(), open_image(SAMPLES["chelsea"].path)
    (blend,) = find_checkpoints(["vanilla_cnn+colorful=2"])
    rgb, _ = studio.colorize(blend, picture, Settings())
    assert set(studio._networks) == {
        (name, trained[name].revision) for name in ("vanilla_cnn", "colorful")
    }
    expected = colorize(blend.net(), picture.rgb, size=blend.size).rgb
    assert (rgb.int() - expected.int()).abs().float().mean() < 0.5
    assert studio.colorize(blend, picture, Settings())[0] is rgb  # from the shelf


def test_the_command_colours_with_a_blend_and_scores_it_as_a_row(
    trained, small_test_set, tmp_path, monkeypatch
):
    from workbench.cli import main

    def run(*words: object) -> None:
        monkeypatch.setattr("sys.argv", ["workbench", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        assert not end.value.code

    name, out = "vanilla_cnn=2+colorful", tmp_path / "out"
    run("colorize", SAMPLES["chelsea"].path, "--model", name, "--out", out)
    about = json.loads((out / "chelsea.jpg.json").read_text())
    assert about["model"] == "vanilla_cnn=2+colorful=1"
    assert about["architecture"] == "blend"
    run("evaluate", name, "--data", small_test_set, "--size", 32, "--out", tmp_path / "scores")
    (table,) = tmp_path.glob("scores/vanilla*/scores/tiny.csv")
    assert "vanilla_cnn=2+colorful=1," in table.read_text()
    home = score_run.scores_folder(name, checkpoints.find(name).folder)
    assert places.scores() in home.parents  # never beside anybody's weights


def test_the_page_blends_by_weights_and_a_weight_of_nothing_leaves_a_model_out(workbench):
    app = side_by_side(workbench)
    app.toggle(key="blend").set_value(True).run()

    def titles() -> dict[str, str]:
        return {cell["title"]: cell["src"] for cell in shown(app)["cells"]}

    weighed = [each.key for each in app.slider if str(each.key).startswith("blend_")]
    assert f"Blend of {len(weighed)}" in titles()
    for key in weighed[1:]:
        app.slider(key=key).set_value(0.0)
    app.run()
    assert not app.exception
    assert "Blend of 1" in titles()
    app.slider(key=weighed[1]).set_value(0.5).run()
    assert "Blend of 2" in titles()
    app.slider(key=weighed[0]).set_value(0.0)
    app.slider(key=weighed[1]).set_value(0.0).run()
    assert not any("Blend" in title for title in titles())
    assert "Every weight is 0" in app.info[0].value
