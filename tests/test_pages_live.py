"""A live class in real browsers: a teacher at the front and two phones."""

from __future__ import annotations

import pytest
import torch
from browser import serving, watched_page

from workbench.study import live
from workbench.study.votes import Votes
from workbench.ui.live import draw_bars, draw_qr

PASSWORD = "a long secret"
MODELS = ("secretalpha", "secretbeta")
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def painter(share: float):
    """Chroma times `share`."""

    def paint(rgb: torch.Tensor) -> torch.Tensor:
        grey = rgb.float().mean(0, keepdim=True)
        return (grey + share * (rgb.float() - grey)).clamp(0, 255).to(torch.uint8)

    return paint


@pytest.mark.browser
def test_two_phones_vote_the_bars_grow_and_names_come_after_the_vote(
    chromium, small_checkpoints, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)
    votes = Votes()
    painters = {f"{name}@{i}{i}": painter(0.9 - 0.5 * i) for i, name in enumerate(MODELS)}
    study = live.make_class(votes, "pair", questions=2, painters=painters)
    code = live.code_of(study)
    environment = {
        "WORKBENCH_STUDIES": str(tmp_path),
        "WORKBENCH_CHECKPOINTS": str(small_checkpoints),
        "WORKBENCH_STUDY_PASSWORD": PASSWORD,
    }
    with (
        serving(tmp_path / "server.log", **environment) as address,
        watched_page(chromium, viewport={"width": 1440, "height": 900}) as teacher,
        watched_page(chromium, **PHONE) as one,
        watched_page(chromium, **PHONE) as two,
    ):
        teacher.goto(f"{address}/live?class={code}")
        teacher.get_by_label("Password", exact=True).fill(PASSWORD)
        teacher.get_by_role("button", name="Open").click()
        teacher.get_by_text("Join with your phone").wait_for()
        heard: list[str] = []
        one.on(
            "websocket", lambda socket: socket.on("framereceived", lambda f: heard.append(str(f)))
        )
        one.goto(f"{address}/live?code={code}")
        two.goto(f"{address}/live")  # without the link: by the code alone
        two.get_by_label("Code of your class").fill(code.upper())
        two.get_by_role("button", name="Join").tap()
        for phone in (one, two):
            phone.get_by_role("button", name="I agree; join").tap()
            phone.get_by_role("heading", name="You are in").wait_for()
        teacher.get_by_role("button", name="Begin").click()
        for phone in (one, two):  # it comes by itself
            phone.locator(".question .choice:enabled").first.wait_for()
        assert not one.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
        one.locator(".question .choice", has_text="A").first.tap()
        one.get_by_role("heading", name="Your answer is in").wait_for()
        teacher.get_by_text("1 of 2 have voted").wait_for()
        assert not [text for text in heard for name in MODELS if name in text]
        two.locator(".question .choice", has_text="No difference").tap()
        teacher.get_by_text("2 of 2 have voted").wait_for()
        assert teacher.locator(".class-bars b").all_inner_texts() == ["1", "1", "0"]
        one.reload()  # the same rater, whose answer is in
        one.get_by_role("heading", name="Your answer is in").wait_for()
        teacher.get_by_role("button", name="Close the vote").click()
        one.get_by_text("You chose: A.").wait_for()
        for page in (one, two, teacher):
            page.get_by_text(MODELS[0]).first.wait_for()
        teacher.get_by_role("button", name="Next question").click()
        two.locator(".question .choice:enabled").first.wait_for()
        teacher.get_by_role("button", name="End the class").click()
        one.get_by_role("heading", name="The class has ended").wait_for()
        one.get_by_text("What you chose").wait_for()
    assert [row["choice"] for row in votes.rows(study)] == ["left", "tie"]
    assert len({row["rater"] for row in votes.rows(study)}) == 2
    votes.close()


def test_a_class_is_begun_on_the_page_by_whoever_may_and_by_nobody_else(
    workbench, tmp_path, monkeypatch
) -> None:
    from workbench.ui import state

    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)
    state.study_votes.clear()
    workbench.switch_page("pages/live.py").run(timeout=120)
    next(each for each in workbench.number_input if each.label == "Questions").set_value(1)
    next(each for each in workbench.multiselect).set_value(["vanilla_cnn", "cbam_gan"])
    next(each for each in workbench.button if each.label == "Begin a class").click()
    workbench.run(timeout=120)
    assert not workbench.exception
    [study] = live.list_classes(state.study_votes())
    assert live.code_of(study) in workbench.query_params["class"]
    assert workbench.title[0].value == "Join with your phone"
    monkeypatch.delenv("WORKBENCH_LOCAL")
    workbench.run(timeout=120)
    assert "needs a password" in workbench.info[0].value
    assert not workbench.title
    state.study_votes.clear()


def test_bars_say_how_many_and_a_qr_code_is_drawn_here() -> None:
    drawn = draw_bars({"left": 3, "right": 1}, "right")
    assert "width: 75.0%" in drawn
    assert "B (the fake)" in drawn
    assert draw_qr("http://192.168.0.7:8501/live?code=abcd").startswith(b"\x89PNG")


def test_a_page_opened_as_localhost_shows_the_address_in_the_network(monkeypatch) -> None:
    from types import SimpleNamespace

    import streamlit as st

    from workbench import places
    from workbench.ui import live as pieces

    monkeypatch.setattr(st, "context", SimpleNamespace(url="http://localhost:8501/live?class=abcd"))
    monkeypatch.setattr(pieces, "_own_address", lambda: "192.168.0.7")
    monkeypatch.setattr(places, "HOST", "0.0.0.0")
    assert pieces._address() == "http://192.168.0.7:8501/live"
    monkeypatch.setattr(places, "HOST", "127.0.0.1")  # nobody else can come
    assert pieces._address() == "http://localhost:8501/live"
    monkeypatch.setattr(st, "context", SimpleNamespace(url="https://school.example/live"))
    assert pieces._address() == "https://school.example/live"


def test_without_the_package_for_qr_codes_there_is_none(monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "segno", None)
    assert draw_qr("anything") is None
