"""Two whole studies in real browsers, and the pages around them."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from browser import RUN_PATIENCE, free_port, running, serving, watched_page
from visitors import visiting
from websockets import ConnectionClosed

from workbench.models import MODELS as MODELS_BY_NAME
from workbench.study import plans, rendering, simulate, trials
from workbench.study.votes import Votes

pytestmark = pytest.mark.browser
PASSWORD = "a long secret"
MODELS = ("secretalpha", "secretbeta", "secretgamma")


def painter(share: float):
    """Chroma times `share`."""

    def paint(rgb: torch.Tensor) -> torch.Tensor:
        grey = rgb.float().mean(0, keepdim=True)
        return (grey + share * (rgb.float() - grey)).clamp(0, 255).to(torch.uint8)

    return paint


PAINTERS = {f"{name}@{i}{i}": painter(0.9 - 0.4 * i) for i, name in enumerate(MODELS)}
PAIR = plans.Plan(
    name="pairs", title="Which is better?", question="Which would you <b>hang</b> up?", size=96,
    trials=4, practice=1, catch=1, minimum_dwell_ms=0,
    instructions="**Look** <script>alert(1)</script> closely.",
)  # fmt: skip
FAKE = plans.Plan(
    name="fakes", design="real_or_fake", title="Which is the fake?", size=96, trials=4, practice=2,
    catch=1, exposure_ms=200, gap_ms=100, minimum_dwell_ms=0,
)  # fmt: skip
RANK = plans.Plan(name="orders", design="rank", size=96, trials=1, practice=0, minimum_dwell_ms=0)


@pytest.fixture(scope="module")
def study_server(small_checkpoints, tmp_path_factory):
    """(address, votes): a workbench with three open studies in a database of its own."""
    folder = tmp_path_factory.mktemp("studies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_STUDIES", str(folder))
        patch.delenv("WORKBENCH_DATABASE_URL", raising=False)
        votes = Votes()
        for plan in (PAIR, FAKE, RANK):
            votes.create_study(plan.to_dict())
            rendering.render(votes, plan.name, PAINTERS)
            rendering.open_study(votes, plan.name)
        with serving(
            folder / "server.log",
            WORKBENCH_STUDIES=str(folder),
            WORKBENCH_CHECKPOINTS=str(small_checkpoints),
            WORKBENCH_STUDY_PASSWORD=PASSWORD,
        ) as address:
            yield address, votes
        votes.close()


def overhear(page) -> list[str]:
    """Everything that reaches this page's browser: addresses and messages of the server."""
    page.set_default_timeout(90_000)  # several raters at once on a busy machine
    heard: list[str] = []
    page.on("request", lambda request: heard.append(request.url))

    def listen(socket) -> None:
        socket.on(
            "framereceived",
            lambda frame: heard.append(
                frame if isinstance(frame, str) else frame.decode("utf-8", "replace")
            ),
        )

    page.on("websocket", listen)
    return heard


def join(page, address: str, study: str) -> None:
    """Consent and begin."""
    page.goto(f"{address}/study?study={study}")
    page.get_by_text("I see colours as most people do").click()
    page.get_by_text("I agree; begin").click()


def wait_for_question(page, progress: str) -> None:
    """Until the question of that progress line takes an answer."""
    page.locator(".question .progress", has_text=progress).wait_for()
    page.locator(".question .choice:enabled").first.wait_for()


def progress_of(plan: plans.Plan) -> list[str]:
    practice = [f"Practice {i + 1} of {plan.practised}" for i in range(plan.practised)]
    rest = plan.scored + plan.caught
    return practice + [f"Question {i + 1} of {rest}" for i in range(rest)]


def code_of(page) -> str:
    return page.url.partition("rater=")[2].partition("&")[0]


KEYS = {"left": "ArrowLeft", "tie": "Space", "right": "ArrowRight"}


def test_three_raters_vote_at_once_and_the_results_are_exactly_their_votes(study_server, chromium):
    address, votes = study_server
    given: dict[str, list[str]] = {}
    with (
        watched_page(chromium) as one,
        watched_page(chromium, viewport={"width": 390, "height": 800}, has_touch=True) as two,
        watched_page(chromium) as three,
    ):
        pages = (one, two, three)
        heard = [overhear(page) for page in pages]
        for page in pages:
            join(page, address, "pairs")
        for number, progress in enumerate(progress_of(PAIR)):
            for place, page in enumerate(pages):
                wait_for_question(page, progress)
                choice = ("left", "tie", "right")[(number * (place + 1) + place) % 3]
                given.setdefault(code_of(page), []).append(choice)
                if page is two:  # a phone: fingers
                    name = {"left": "Upper", "tie": "No difference", "right": "Lower"}[choice]
                    page.locator(".question .choice", has_text=name).tap()
                else:
                    page.keyboard.press(KEYS[choice])
                if number == 3 and page is three:  # reload: goes on where it was
                    page.locator(".progress", has_text=progress_of(PAIR)[4]).wait_for()
                    page.reload()
        for page in pages:
            page.get_by_text("Thank you!").wait_for()
            page.locator("code", has_text=code_of(page)).first.wait_for()
        assert not two.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
        for page_heard in heard:
            for name in MODELS:
                assert not [text for text in page_heard if name in text]
    assert len(given) == 3
    study = votes.study("pairs")
    rows = votes.rows(study)
    for code, choices in given.items():
        mine = sorted((row for row in rows if row["rater"] == code), key=lambda r: r["number"])
        assert [row["choice"] for row in mine] == choices
        assert all(0 < row["dwell_ms"] < 60_000 for row in mine)
        assert {row["viewport"].partition("x")[0] for row in mine} <= {"1280", "390"}
        for row in mine:
            width, height = map(int, row["shown_size"].split("x"))
            assert width == height
            assert 250 < width < (350 if row["viewport"].startswith("390") else 650)
            assert row["theme"] in ("light", "dark")
    check_results_page(chromium, address, "pairs", given)


def test_one_rater_goes_through_real_or_fake_with_timed_exposures(study_server, chromium):
    address, votes = study_server
    given = []
    with watched_page(chromium) as page:
        heard = overhear(page)
        join(page, address, "fakes")
        page.locator(".question .start").wait_for()
        page.keyboard.press("Space")
        for number, progress in enumerate(progress_of(FAKE)):
            wait_for_question(page, progress)
            assert page.locator(".question .picture:visible").count() == 0
            given.append(("left", "right")[number % 2])
            page.keyboard.press(KEYS[given[-1]])
            if number == 0:  # practice says whether it was right
                page.locator(".question .feedback", has_text="fake was the other").or_(
                    page.locator(".question .feedback", has_text="Right!")
                ).wait_for()
        page.get_by_text("Thank you!").wait_for()
        code = code_of(page)
        assert not [text for text in heard for name in MODELS if name in text]
    rows = votes.rows(votes.study("fakes"))
    assert [row["choice"] for row in rows] == given
    assert Counter(row["kind"] for row in rows) == {"practice": 2, "scored": 4, "catch": 1}
    for row in rows:
        fake = "right" if row["shown"].startswith(plans.TRUTH) else "left"
        assert row["correct"] is (row["choice"] == fake)
        exposures = [float(ms) for ms in row["exposures_ms"].split(",")]
        assert len(exposures) == 2
        assert exposures == pytest.approx([200, 200], abs=120)  # a busy machine drops frames
    check_results_page(chromium, address, "fakes", {code: given})


def check_results_page(chromium, address: str, study: str, given: dict[str, list[str]]) -> None:
    """Behind the password: the counts, and in the download every choice, no more and no less."""
    with watched_page(chromium, viewport={"width": 1360, "height": 900}) as page:
        page.set_default_timeout(90_000)
        page.goto(f"{address}/study_results?study={study}")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Open").click()
        page.get_by_text("For a paper").wait_for()
        scored = sum(len(choices) for choices in given.values())
        plan = {"pairs": PAIR, "fakes": FAKE}[study]
        scored -= len(given) * (plan.practised + plan.caught)
        raters = f"{len(given)} {'rater' if len(given) == 1 else 'raters'}"
        paper = page.get_by_text(f"{raters} gave {scored} scored answers")
        paper.first.wait_for()
        with page.expect_download() as download:
            page.get_by_text("Download everything").click()
        with zipfile.ZipFile(Path(download.value.path())) as archive:
            text = archive.read(f"{study}/votes.csv").decode()
    cast: dict[str, list[str]] = {}
    for row in sorted(csv.DictReader(io.StringIO(text)), key=lambda row: int(row["trial"])):
        cast.setdefault(row["rater"], []).append(row["choice"])
    assert cast == given


def test_the_next_questions_pictures_are_fetched_while_this_one_is_looked_at(
    study_server, browser_page
):
    address, _ = study_server
    page = browser_page
    fetched = "performance.getEntriesByType('resource').map(each => new URL(each.name).pathname)"
    join(page, address, "pairs")
    first, second = progress_of(PAIR)[:2]
    wait_for_question(page, first)
    page.wait_for_function(f"{fetched}.filter(path => path.startsWith('/media/')).length > 3")
    before = page.evaluate(fetched)
    page.keyboard.press(KEYS["tie"])
    wait_for_question(page, second)
    shown = page.locator(".question .picture").all()
    assert {image.get_attribute("src") for image in shown} <= set(before)


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (390, 844)])
def test_a_question_fills_the_window_without_a_menu_and_enlarges_all_pictures_together(
    study_server, chromium, width, height
):
    address, _ = study_server
    with watched_page(chromium, viewport={"width": width, "height": height}) as page:
        join(page, address, "pairs")
        wait_for_question(page, progress_of(PAIR)[0])
        assert page.locator("h1").all_text_contents() == [PAIR.question]
        assert page.get_by_text("Study results").count() == 0
        assert page.get_by_test_id("stHeader").is_hidden()
        pictures = page.locator(".question .picture")
        before = [picture.bounding_box() for picture in pictures.all()]
        free = min((width - 40) / 2, height) if width > height else min(width, (height - 40) / 2)
        assert all(0.75 * free < box["width"] == box["height"] for box in before)
        buttons = [box.bounding_box() for box in page.locator(".question .choice").all()]
        assert all(box["y"] + box["height"] <= height for box in buttons)
        page.keyboard.press("e")
        page.locator(".question .enlarge", has_text="Close").wait_for()
        after = [picture.bounding_box() for picture in pictures.all()]
        assert after[0]["width"] == after[1]["width"] > before[0]["width"]
        page.keyboard.press("Escape")
        page.locator(".question .enlarge", has_text="Enlarge").wait_for()
        assert [picture.bounding_box() for picture in pictures.all()] == before


def test_back_and_reload_keep_the_code_until_somebody_else_takes_part(study_server, browser_page):
    address, votes = study_server
    page = browser_page
    join(page, address, "pairs")
    first, second = progress_of(PAIR)[:2]
    wait_for_question(page, first)
    code = code_of(page)
    page.keyboard.press(KEYS["left"])
    wait_for_question(page, second)
    page.go_back()
    page.wait_for_url(f"**/study?study=pairs&rater={code}")
    wait_for_question(page, second)
    page.goto(f"{address}/study?study=pairs")  # the link that was sent: a new session
    page.wait_for_url(f"**/study?study=pairs&rater={code}")
    wait_for_question(page, second)
    page.get_by_role("button", name="It is not mine").click()
    page.get_by_text("I agree; begin").wait_for()
    assert "rater" not in page.url
    votes.delete_rater(code)


def test_who_finished_sees_what_they_preferred_and_a_closed_study_is_a_sentence(
    study_server, browser_page
):
    address, votes = study_server
    page = browser_page
    plan = replace(PAIR, name="open-book", trials=2, practice=0, catch=0, reveal=True)
    rendering.make_study(votes, plan, painters=PAINTERS)
    rendering.open_study(votes, plan.name)
    join(page, address, plan.name)
    for progress in progress_of(plan):
        wait_for_question(page, progress)
        page.keyboard.press(KEYS["left"])
    page.get_by_text("Thank you!").wait_for()
    page.get_by_text("What you chose").wait_for()
    page.get_by_text(f"{MODELS[0]}: ").or_(page.get_by_text(f"{MODELS[1]}: ")).first.wait_for()
    code = code_of(page)
    votes.set_state(plan.name, "closed")
    page.goto(f"{address}/study?study={plan.name}")
    page.get_by_text("This study has ended").wait_for()
    page.locator("code", has_text=code).first.wait_for()
    assert page.get_by_test_id("stAlertContentError").count() == 0


def answer_on_and_on(address: str, study: str, code: str, acknowledged: list[int]) -> None:
    """A rater in a window of their own, until the server dies or there is no question left."""
    with (
        suppress(ConnectionClosed),
        visiting(address, "study", f"study={study}&rater={code}") as visitor,
    ):
        visitor.look()
        while True:
            question = visitor.data("workbench_question")
            said = {"shown_at": 1.0, "answered_at": 901.0, "dwell_ms": 900.0, "exposures_ms": []}
            said |= {"token": question["token"], "choice": "left", "viewport": "400x600x1"}
            visitor.send("workbench_question", "answer", said)
            assert visitor.data("workbench_question")["token"] != question["token"], visitor.said
            acknowledged.append(int(question["progress"].split()[1]) - 1)


def test_killing_the_server_under_20_raters_loses_no_answer_and_all_can_go_on(
    small_checkpoints, tmp_path, monkeypatch
):
    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    monkeypatch.delenv("WORKBENCH_DATABASE_URL", raising=False)
    votes = Votes()
    plan = replace(PAIR, name="crowd", trials=500, practice=0, catch=0)
    rendering.make_study(votes, plan, painters=PAINTERS)
    rendering.open_study(votes, "crowd")
    study = votes.study("crowd")
    acknowledged = {votes.add_rater(study, "consent", "normal").code: [] for _ in range(20)}
    environment = {"WORKBENCH_CHECKPOINTS": str(small_checkpoints)}
    port, log = free_port(), tmp_path / "server.log"
    with (
        ThreadPoolExecutor(20) as room,
        running(log, port, **environment) as (address, process),
    ):
        raters = [
            room.submit(answer_on_and_on, address, "crowd", code, numbers)
            for code, numbers in acknowledged.items()
        ]
        while not any(r.done() for r in raters):
            given = [len(numbers) for numbers in acknowledged.values()]
            if min(given) > 0 and sum(given) >= 200:  # all of them, however slow the machine is
                break
            time.sleep(0.01)
        process.kill()
        for rater in raters:
            rater.result(timeout=RUN_PATIENCE)
    assert all(acknowledged.values())  # they did vote side by side
    kept = {(row["rater"], row["number"]) for row in votes.rows(study)}
    assert {(code, n) for code, numbers in acknowledged.items() for n in numbers} <= kept
    with running(log, port, **environment):
        for code in list(acknowledged)[:3]:
            answered = sum(rater == code for rater, _ in kept)
            with visiting(address, "study", f"study=crowd&rater={code}") as visitor:
                visitor.look()
                progress = visitor.data("workbench_question")["progress"]
                assert progress == f"Question {answered + 1} of 500"
    votes.close()


def test_an_order_is_given_by_choosing_the_best_first(study_server, chromium):
    address, votes = study_server
    with watched_page(chromium) as page:
        join(page, address, "orders")
        page.locator(".question .said", has_text="Choose number 1").wait_for()
        slots = page.locator(".question .slot")
        slots.nth(2).click()
        slots.nth(0).click()  # the last one follows
        page.get_by_text("Send this order").click()
        page.get_by_text("Thank you!").wait_for()
        code = code_of(page)
        [row] = votes.rows(votes.study("orders"))
        assert row["choice"] == "2,0,1"
        page.get_by_text("Delete my answers").click()
        page.get_by_label("Your code").fill(code)
        page.get_by_text("Delete for good").click()
        page.get_by_text("Deleted, with 1 answers").wait_for()
    assert votes.rows(votes.study("orders")) == []


TRANSFORMS = "els => els.map(each => each.style.transform)"


def test_one_zoom_moves_every_picture_and_the_reference_and_a_drag_is_no_answer(
    study_server, chromium
):
    address, votes = study_server
    plan = replace(PAIR, name="beside", trials=1, practice=0, catch=0, reference=plans.GREY)
    rendering.make_study(votes, plan, painters=PAINTERS)
    rendering.open_study(votes, plan.name)
    for width, height in ((1360, 900), (390, 844)):
        with watched_page(chromium, viewport={"width": width, "height": height}) as page:
            join(page, address, plan.name)
            wait_for_question(page, "Question 1 of 1")
            slots, pictures = page.locator(".question .slot"), page.locator(".question .picture")
            left, right, reference = (slots.nth(place).bounding_box() for place in range(3))
            assert page.get_by_role("img", name="Black and white original").is_visible()
            if width > 1000:
                assert left["x"] < reference["x"] < right["x"]
            else:
                assert reference["y"] + reference["height"] <= left["y"]
                assert not page.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
            page.get_by_role("button", name="Zoom in all pictures").click()
            page.keyboard.press("+")
            moved = set(pictures.evaluate_all(TRANSFORMS))
            assert len(moved) == 1
            assert "scale(2.25)" in moved.pop()
            page.mouse.move(left["x"] + 50, left["y"] + 50)
            page.mouse.down()
            page.mouse.move(left["x"] + 80, left["y"] + 60, steps=3)
            page.mouse.up()
            page.keyboard.press("Shift+ArrowRight")
            assert len(set(pictures.evaluate_all(TRANSFORMS))) == 1
            assert page.locator(".question .choice:enabled").count() == 3  # not answered yet
            page.keyboard.press("0")
            assert "scale(1)" in pictures.first.evaluate("each => each.style.transform")
            slots.first.click()
            page.get_by_text("Thank you!").wait_for()
    rows = votes.rows(votes.study(plan.name))
    assert [row["choice"] for row in rows] == ["left", "left"]


def test_html_in_the_instructions_is_shown_and_not_run(study_server, browser_page):
    address, _ = study_server
    asked = []
    browser_page.on("dialog", lambda dialog: (asked.append(dialog), dialog.dismiss()))
    browser_page.goto(f"{address}/study?study=pairs")
    browser_page.get_by_text("closely.").wait_for()
    assert not asked
    assert browser_page.locator("strong", has_text="Look").is_visible()
    assert browser_page.locator("script", has_text="alert(1)").count() == 0


def fresh_page(monkeypatch, tmp_path, password: str, name: str = "study_results"):
    """A page of the studies in Streamlit's own test harness."""
    from streamlit.testing.v1 import AppTest

    from workbench.ui import state

    monkeypatch.setenv("WORKBENCH_STUDIES", str(tmp_path))
    monkeypatch.setenv("WORKBENCH_STUDY_PASSWORD", password)
    state.study_limits.clear()
    state.study_votes.clear()
    page = Path(__file__).resolve().parent.parent / "pages" / f"{name}.py"
    return AppTest.from_file(str(page), default_timeout=RUN_PATIENCE)


def try_password(page, password: str) -> str:
    page.text_input[0].set_value(password)
    page.button[0].click().run()
    return page.error[0].value if page.error else ""


def test_the_results_open_with_the_password_and_not_without(monkeypatch, tmp_path):
    page = fresh_page(monkeypatch, tmp_path, PASSWORD).run()
    assert not page.info
    assert try_password(page, "wrong") == "That is not the password."
    assert try_password(page, PASSWORD) == ""
    assert "There is no study yet" in page.info[0].value


def test_after_five_wrong_passwords_even_the_right_one_waits(monkeypatch, tmp_path):
    page = fresh_page(monkeypatch, tmp_path, PASSWORD).run()
    for _ in range(5):
        assert try_password(page, "wrong") == "That is not the password."
    assert "Try again in 15 min" in try_password(page, PASSWORD)
    other = fresh_page(monkeypatch, tmp_path, "")
    assert "none is set" in other.run().info[0].value


def test_a_study_is_made_on_its_page(monkeypatch, tmp_path, small_checkpoints):
    from streamlit.testing.v1 import AppTest

    from workbench import checkpoints
    from workbench.ui import state

    fresh_page(monkeypatch, tmp_path, PASSWORD)
    import streamlit as st

    linked = []
    monkeypatch.setattr(
        st, "page_link", lambda page, **options: linked.append((page, options["query_params"]))
    )
    here = checkpoints.available(small_checkpoints)
    monkeypatch.setattr(checkpoints, "scan", lambda *roots: (here, []))
    state.checkpoints.clear()
    root = Path(__file__).resolve().parent.parent
    page = AppTest.from_file(
        str(root / "pages" / "study_new.py"), default_timeout=RUN_PATIENCE
    ).run()
    assert try_password(page, PASSWORD) == ""
    page.multiselect[0].set_value(["cbam_gan", "vanilla_cnn"])
    title, name = (box for box in page.text_input if box.label in ("Title", "Name in the link"))
    title.set_value("Ours")
    name.set_value("ours")
    next(box for box in page.number_input if box.label == "Photographs, at most").set_value(1)
    next(button for button in page.button if button.label == "Make it").click().run()
    assert not page.error
    assert "1 photographs are ready" in page.success[0].value
    assert linked == [("pages/study_results.py", {"study": "ours"})]
    models = page.multiselect[0]
    assert models.options == [MODELS_BY_NAME[name].title for name in here]
    study = Votes().study("ours")
    assert trials.plan_of(study).models == ("cbam_gan", "vanilla_cnn")
    next(button for button in page.button if button.label == "Make it").click().run()
    assert "already" in page.error[0].value
    state.checkpoints.clear()


@pytest.mark.parametrize("design", ["pair", "real_or_fake", "rank"])
def test_the_results_page_has_every_figure_and_deletes_a_rater(monkeypatch, tmp_path, design):
    page = fresh_page(monkeypatch, tmp_path, PASSWORD).run()
    store, study = simulate.simulate(design=design, raters=8, trials=6)
    assert try_password(page, PASSWORD) == ""
    assert not page.exception
    said = {metric.label: metric.value for metric in page.metric}
    assert said["Raters"] == "8"
    assert said["Scored votes"] == "48"
    assert {"Krippendorff's alpha", "Left : right", "Side bias, p"} <= set(said)
    columns = {column for frame in page.dataframe for column in frame.value.columns}
    assert {"low", "high", "share"} <= columns
    assert columns >= ({"fool_rate"} if design == "real_or_fake" else {"strength", "more_votes"})
    headings = [heading.value for heading in page.subheader]
    assert ("Who was preferred to whom" in headings) == (design != "real_or_fake")
    assert any("8 raters gave 48 scored answers" in code.value for code in page.code)
    first = store.raters(study)[0].code
    next(box for box in page.text_input if box.label == "Code").set_value(first)
    next(button for button in page.button if button.label == "Delete for good").click().run()
    [done] = [box.value for box in page.success]
    assert done.startswith("Deleted, with")
    assert store.rater(study, first) is None
    store.close()


def test_whoever_runs_a_study_by_invitation_sees_the_links_that_are_free(monkeypatch, tmp_path):
    page = fresh_page(monkeypatch, tmp_path, PASSWORD).run()
    store = Votes()
    store.create_study(plans.Plan(name="guests", invites=3).to_dict())
    store.freeze("guests", list(PAINTERS), [])
    store.set_state("guests", "open")
    study = store.study("guests")
    used, *free = store.free_invites(study)
    store.add_rater(study, "consent", "normal", invite=used)
    assert try_password(page, PASSWORD) == ""
    links = page.code[0].value.splitlines()
    assert [link.partition("/study?")[2] for link in links] == [
        f"study=guests&invite={code}" for code in free
    ]
    store.close()


def test_where_no_study_is_open_one_can_be_tried_and_colour_vision_is_asked(monkeypatch, tmp_path):
    import streamlit as st

    monkeypatch.setattr(st, "page_link", lambda *words, **options: None)  # of the router
    page = fresh_page(monkeypatch, tmp_path, "", "study").run()
    assert not page.exception
    assert "Try one" not in {button.label for button in page.button}  # hosted, without a password
    monkeypatch.setenv("WORKBENCH_LOCAL", "1")
    page.run()
    next(button for button in page.button if button.label == "Try one").click().run()
    assert page.title[0].value == "A study to try"
    assert page.radio[0].value is None
    page.button[0].click().run()
    assert "how you see colours" in page.error[0].value
    store = Votes()
    study = simulate.study_to_try(store)  # the same one
    assert store.counts(study)["raters"] == 0
    names = [one.partition("@")[0] for one in json.loads(study.models)]
    assert len(names) == 3
    assert not set(names) & set(MODELS_BY_NAME)  # arithmetic is nobody's vote for a model
    store.close()
