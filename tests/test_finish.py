"""Hints, exemplar and draws from the command line, and what is refused of them."""

from __future__ import annotations

import json

import pytest
import torch
from PIL import Image
from test_cli_colorize import colorize  # noqa: F401

from workbench.color import split_lab
from workbench.coloring.finish import Finish, finish_picture, parse_hint, read_hints
from workbench.errors import Problem
from workbench.images import open_image
from workbench.samples import SAMPLES

CHELSEA, ROCKET, STREET = (SAMPLES[name].path for name in ("chelsea", "rocket", "street"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10,20=#3070C0", (10, 20, 3.0, None)),
        ("10.5, 20, 8=#37c", (10.5, 20, 8, None)),
        ("1,2,30,40=#3070c0", (1, 2, 3.0, (30, 40))),
    ],
)
def test_a_hint_is_typed_as_a_point_a_disc_or_a_rectangle(text, expected):
    hint = parse_hint(text)
    assert (hint.x, hint.y, hint.radius, hint.to) == expected
    told = {"x": hint.x, "y": hint.y, "color": hint.color}
    told |= {"to": list(hint.to)} if hint.to else {"radius": hint.radius}
    assert read_hints([told]) == (hint,)


@pytest.mark.parametrize("text", ["", "10=#fff", "1,2", "a,b=#fff", "1,2,3,4,5=#fff"])
def test_what_is_no_hint_is_refused_in_a_sentence(text):
    with pytest.raises(Problem, match="is no hint"):
        parse_hint(text)


@pytest.mark.parametrize(
    "told",
    ["#fff", {"x": 1}, [{"x": 1, "y": 2}], [3], [{"x": "1", "y": 2, "color": "#fff"}],
     [{"x": float("nan"), "y": 2, "color": "#fff"}], [{"x": 1, "y": 2, "color": 7}],
     [{"x": 1, "y": 2, "color": "#fff", "to": [1]}, None],
     [{"x": 1, "y": 2, "color": "#fff", "radius": -4}]],
)  # fmt: skip
def test_what_a_caller_sends_instead_of_hints_is_refused_in_a_sentence(told):
    with pytest.raises(Problem):
        read_hints(told)


def test_limits_are_said():
    hint = parse_hint("1,1=#fff")
    for wrong in ({"hints": (hint,) * 201}, {"reach": 0.0}, {"strength": 2.0}):
        with pytest.raises(Problem):
            Finish(**wrong)
    with pytest.raises(Problem, match="no colours to be taken"):
        Finish(exemplar=open_image(STREET))
    with pytest.raises(Problem, match="is no colour"):
        Finish((parse_hint("1,1=blue"),))


def test_a_hint_has_the_last_word_over_an_exemplar():
    picture = open_image(CHELSEA)
    finish = Finish((parse_hint("100,100,30=#3050e0"),), exemplar=open_image(ROCKET), strength=1)
    out = finish_picture(picture, picture.rgb, finish)
    wanted = finish.hints[0].ab
    assert torch.dist(split_lab(out)[1][:, 100, 100], wanted) < 12
    assert torch.equal(finish_picture(picture, picture.rgb, Finish()), picture.rgb)
    lightness = split_lab(out)[0] - split_lab(picture.rgb)[0]
    assert float(lightness.abs().mean()) < 0.6


def test_the_command_takes_hints_and_an_exemplar_and_the_file_says_so(colorize, tmp_path):  # noqa: F811
    out = tmp_path / "out.png"
    words = ("--model", "vanilla_cnn", "--out", out, "--hint", "50,60,20=#2040c0")
    code, _, said = colorize(CHELSEA, *words, "--exemplar", ROCKET, "--exemplar-strength", 0.4)
    assert code == 0, said
    about = json.loads((tmp_path / "out.png.json").read_text())
    assert about["hints"] == [{"x": 50, "y": 60, "to": None, "radius": 20, "color": "#2040c0"}]
    assert (about["exemplar"], about["exemplar_strength"]) == ("rocket.jpg", 0.4)
    with Image.open(out) as image:
        assert "exemplar=rocket.jpg" in image.text["Settings"]
    b = split_lab(open_image(out).rgb)[1][1, 60, 50]
    assert float(b) < -20  # blue, where the hint is


def test_the_command_draws_samples_each_in_its_own_file(colorize, tmp_path):  # noqa: F811
    words = ("--model", "colorful", "--out", tmp_path / "new", "--samples", 3)
    assert colorize(CHELSEA, *words)[0] == 0
    files = sorted(path.name for path in (tmp_path / "new").glob("*.jpg"))
    assert files == [f"chelsea_sample{number}.jpg" for number in (1, 2, 3)]
    assert json.loads((tmp_path / "new" / "chelsea_sample2.jpg.json").read_text())["sample"] == 2
    first, second = (open_image(tmp_path / "new" / name).rgb for name in files[:2])
    assert not torch.equal(first, second)
    code, _, said = colorize(CHELSEA, "--model", "cbam_gan", "--out", tmp_path, "--samples", 3)
    assert code == 2
    assert "no distribution to draw from" in said


def test_the_command_suggests_colours_as_a_table_and_as_json(colorize, capsys, monkeypatch):  # noqa: F811
    from workbench.cli import main

    monkeypatch.setattr("sys.argv", ["workbench", "suggest", str(CHELSEA), "50", "60", "--json"])
    with pytest.raises(SystemExit):
        main()
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 5
    assert all(row["colour"].startswith("#") and 0 < row["share"] <= 1 for row in rows)
