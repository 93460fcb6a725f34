"""What a stranger may not do, and what a stranger's words cannot do."""

from __future__ import annotations

import csv
import http.server
import io
import os
import struct
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from streamlit.testing.v1 import AppTest

from workbench import places, spare
from workbench.errors import Problem
from workbench.names import escape_html, escape_markdown
from workbench.samples import SAMPLES
from workbench.ui import gate

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def listener():
    """A third machine: yields its address and the paths that it was asked for."""
    asked: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def hostile(address: str) -> str:
    """Words that would fetch a picture where they are taken for Markdown or HTML."""
    return f"![x]({address}/markdown.png) <img src='{address}/html.png'> [Log in]({address}/in)"


def with_profile(description: str) -> bytes:
    """A PNG whose colour profile swaps red and blue and is called `description`."""
    icc = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    text = description.encode("utf-16-be")
    tag = b"mluc\0\0\0\0" + struct.pack(">II", 1, 12) + b"enUS" + struct.pack(">II", len(text), 28)
    tag += text
    for entry in range(132, 132 + 12 * struct.unpack_from(">I", icc, 128)[0], 12):
        if icc[entry : entry + 4] == b"desc":
            struct.pack_into(">II", icc, entry + 4, len(icc), len(tag))
    icc += tag + b"\0" * (-len(tag) % 4)
    struct.pack_into(">I", icc, 0, len(icc))
    swapped = bytes(icc).replace(b"rXYZ", b"tmp_").replace(b"bXYZ", b"rXYZ")
    out = io.BytesIO()
    pixels = np.tile(np.linspace(20, 230, 60).astype(np.uint8), (40, 1))
    Image.fromarray(np.dstack((pixels, pixels // 2, pixels // 3))).save(
        out, "PNG", icc_profile=swapped.replace(b"tmp_", b"bXYZ")
    )
    return out.getvalue()


# ---------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    "text",
    [
        "![x](http://a.b/c.png)", "<img src=x>", "[Log in](https://evil)", ":red[danger]",
        "$\\LaTeX$", "*bold* _it_", "# heading", "- list", "1. list", "&lt;b&gt;", "a|b", "~~x~~",
    ],
)  # fmt: skip
def test_words_that_mean_something_in_markdown_are_escaped(text):
    safe = escape_markdown(text)
    bare = safe.replace("\\", "").replace("\u2060", "")
    assert bare == text.replace("\\", "")
    for sign in "[]<>*_|~$&`#":
        at = -1
        while (at := safe.find(sign, at + 1)) >= 0:
            assert safe[max(0, at - 1)] in "\\\u2060"


def test_addresses_are_no_links_code_stays_and_the_rest_is_readable():
    safe = escape_markdown(
        "photo.png: see https://evil.example/x, www.evil.example or a@b.cd; `make run`."
    )
    assert "://" not in safe
    assert "www." not in safe
    assert "@b" not in safe
    assert safe.endswith("`make run`.")
    assert (
        escape_markdown("WORKBENCH_DATA is _not_ __set__")
        == r"WORKBENCH_DATA is \_not\_ \_\_set\_\_"
    )
    assert "\\" not in escape_markdown("scan.png is not a picture. Save it again, as PNG (8 bits).")
    assert "<" not in escape_html("<script>alert(1)</script> &lt;")
    assert len(escape_markdown("x" * 5000)) == 600


def test_a_profiles_name_asks_no_third_machine_for_anything(workbench_server, browser_page):
    with listener() as (address, asked):
        browser_page.goto(f"{workbench_server}/compare")
        browser_page.locator("input[type=file]").first.set_input_files(
            {
                "name": f"![n]({address}%2Fname.png).png",
                "mimeType": "image/png",
                "buffer": with_profile(hostile(address)),
            }
        )
        browser_page.get_by_text("converted from its colour profile").wait_for()
        browser_page.locator(".slider img").first.wait_for()
        assert browser_page.get_by_role("link", name="Log in").count() == 0
        browser_page.goto(f"{workbench_server}/study?study={hostile(address)}")
        browser_page.get_by_text("There is no study").wait_for()
        assert browser_page.get_by_text("Log in").count() == 0
        assert asked == []


def pixels_of(name: str) -> str:
    """A sample's size as the demo says it."""
    with Image.open(SAMPLES[name].path) as image:
        return f"{image.width} × {image.height} pixels"


def test_the_demo_shows_a_profiles_name_and_asks_nobody(small_checkpoints, chromium, tmp_path):
    from browser import watched_page
    from test_demo import running

    with (
        listener() as (address, asked),
        running("demo", "/gradio_api/info", small_checkpoints, tmp_path) as (server, _),
        watched_page(chromium) as page,
    ):
        page.goto(server)
        page.get_by_text(pixels_of(next(iter(SAMPLES)))).wait_for()
        field = page.locator("input[type=file]").first
        data = with_profile(hostile(address))
        field.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": data})
        page.get_by_text("converted from its colour profile").wait_for()
        page.locator(".samples .thumbnail-item").last.click()  # empties the field
        page.get_by_text(pixels_of(next(reversed(SAMPLES)))).wait_for()
        bad = f"<img src='{address.replace('/', '%2F')}'>.png"
        field = page.locator("input[type=file]").first
        field.set_input_files({"name": bad, "mimeType": "image/png", "buffer": b"no picture"})
        page.get_by_text("is not a picture").first.wait_for()
        assert asked == []


# ---------------------------------------------------------------------------------- doors


def test_a_hosted_workbench_without_a_password_starts_nothing_and_looks_nowhere(
    workbench: AppTest, monkeypatch
):
    monkeypatch.delenv("WORKBENCH_LOCAL")
    monkeypatch.delenv("WORKBENCH_STUDY_PASSWORD", raising=False)
    workbench.switch_page("pages/training.py").run()
    assert not workbench.exception
    assert "Also look in" not in {field.label for field in workbench.text_input}
    assert not {"Start", "Stop"} & {button.label for button in workbench.button}
    assert any("none is set" in box.value for box in workbench.info)
    for page in ("study_new", "study_results"):
        workbench.switch_page(f"pages/{page}.py").run()
        assert "none is set" in workbench.info[0].value


def test_a_typed_folder_in_the_session_opens_nothing_on_a_hosted_one(
    workbench: AppTest, monkeypatch, tmp_path
):
    monkeypatch.delenv("WORKBENCH_LOCAL")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "log.jsonl").write_text('{"seen": 1}\n')
    workbench.session_state["runs_folder"] = str(tmp_path)
    workbench.switch_page("pages/training.py").run()
    assert not workbench.exception
    assert all("secret" not in str(field.options) for field in workbench.multiselect)


@pytest.mark.parametrize(
    ("text", "opens"),
    [
        ("{data}", True), ("{data}/inner", True), ("{data}/*.png", True),
        ("video:{data}/clip.mp4@2", True), ("hub:OWNER/NAME", True), ("{other}", False),
        ("{data}/../other", False), ("{data}/../*/x.png", False), ("video:{other}/clip.mp4", False),
        ("/tmp/gradio", False), ("/*", False), ("~", False), ("{data}/link", False),
    ],
)  # fmt: skip
def test_with_a_password_paths_stay_under_the_servers_folders(monkeypatch, tmp_path, text, opens):
    data, other = tmp_path / "data", tmp_path / "other"
    (data / "inner").mkdir(parents=True)
    other.mkdir()
    (data / "link").symlink_to(other)
    monkeypatch.setenv("WORKBENCH_DATA", str(data))
    monkeypatch.delenv("WORKBENCH_LOCAL", raising=False)
    monkeypatch.setattr(gate, "may_control", lambda: True)
    text = text.format(data=data, other=other)
    if opens:
        gate.check_source(text)
    else:
        with pytest.raises(Problem, match="WORKBENCH_DATA"):
            gate.check_source(text)
    monkeypatch.setattr(gate, "may_control", lambda: False)
    with pytest.raises(Problem, match="password"):
        gate.check_source(text)


def test_make_run_opens_ones_own_machine_and_only_to_itself():
    line = next(
        line for line in (ROOT / "Makefile").read_text().splitlines() if "streamlit run" in line
    )
    assert "WORKBENCH_LOCAL=1" in line
    assert "--server.address 127.0.0.1" in line
    assert "WORKBENCH_LOCAL" not in (ROOT / "Dockerfile").read_text()
    spaces = (ROOT / "workbench" / "publishing" / "spaces.py").read_text()
    assert "WORKBENCH_LOCAL" not in spaces


# ---------------------------------------------------------------------------------- limits


def test_wrong_codes_of_one_visitor_never_stop_those_who_know_theirs(monkeypatch, tmp_path):
    from test_pages_study import fresh_page

    from workbench.study import plans
    from workbench.study.votes import Votes

    page = fresh_page(monkeypatch, tmp_path, "", "study")
    store = Votes()
    store.create_study(plans.Plan(name="s", invites=2).to_dict())
    store.freeze("s", ["a@1", "b@1"], [])
    store.set_state("s", "open")
    study = store.study("s")
    rater = store.add_rater(study, "c", "normal", invite=store.free_invites(study)[0])
    page.query_params["study"] = "s"
    for number in range(25):
        page.query_params["rater"] = f"wrong{number}"
        page.run()
        assert page.error
    assert "Too many" in page.error[0].value
    page.query_params["rater"] = rater.code
    page.run()
    assert "Too many" not in "".join(error.value for error in page.error)
    assert "no rendered pictures" in page.error[0].value  # it is in: the study is an empty one
    store.close()


@pytest.mark.parametrize(
    ("proxies", "told", "bucket"),
    [
        ("", "198.51.100.9", "127.0.0.1"), ("1", "198.51.100.9", "198.51.100.9"),
        ("1", "1.1.1.1, 198.51.100.9", "198.51.100.9"),
        ("2", "1.1.1.1, 198.51.100.9, 10.0.0.1", "198.51.100.9"),
    ],
)  # fmt: skip
def test_a_forwarding_header_counts_only_where_it_is_configured(monkeypatch, proxies, told, bucket):
    from types import SimpleNamespace

    from workbench.study.limits import Limits
    from workbench.ui.study import voting

    limits = Limits()
    context = SimpleNamespace(ip_address="127.0.0.1", headers={"X-Forwarded-For": told})
    monkeypatch.setenv("WORKBENCH_PROXIES", proxies)
    monkeypatch.setattr(voting.st, "context", context, raising=False)
    monkeypatch.setattr(voting.state, "study_limits", lambda: limits)
    assert voting.address_bucket() == limits.bucket(bucket)


# ------------------------------------------------------------------------- what is left behind


def test_what_a_kill_left_is_swept_by_age_and_what_is_at_work_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(spare.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(spare.tempfile, "tempdir", str(tmp_path))
    mine = spare.make_folder("video")
    (mine / "clip.mp4").write_bytes(b"x")
    dead = tmp_path / f"workbench-batch-{2**22 + 1}-abc"
    alive = tmp_path / f"workbench-video-{os.getppid()}-abc"
    older, others = tmp_path / "workbench-video-abcdefgh", tmp_path / "somebody-elses"
    for folder in (dead, alive, older, others):
        folder.mkdir()
        (folder / "photo.png").write_bytes(b"x")
    uploads = tmp_path / "gradio"
    (uploads / "old").mkdir(parents=True)
    (uploads / "old" / "photo.png").write_bytes(b"x")
    now = time.time()
    assert spare.sweep_folders(uploads, now=now + 60) == []
    assert set(spare.sweep_folders(uploads, now=now + 3600)) == {dead, older}
    assert mine.exists()
    assert alive.exists()
    spare.sweep_folders(uploads, now=now + 2 * 86_400)
    assert not alive.exists()
    assert not (uploads / "old").exists()
    assert others.exists()


@pytest.mark.parametrize("name", ["=1+1.png", "+x.png", "-2.png", "@SUM(A1).png", " =x.png"])
def test_no_csv_of_ours_begins_a_formula_and_scores_come_back_as_they_were(tmp_path, name):
    from workbench.evaluation import scores
    from workbench.jobs.batch import _table

    table = list(csv.DictReader(io.StringIO(_table([{"picture": name, "psnr_db": "-1.5"}]))))
    assert table[0]["picture"] == f"'{name}"
    row = scores.Score("m", "-", "d", name, "cw-1", 256, psnr=-1.5)
    scores.write(tmp_path / "d.csv", [row])
    assert f",'{name}" in (tmp_path / "d.csv").read_text()
    assert scores.read(tmp_path / "d.csv") == [row]


def test_the_same_photograph_has_another_address_in_every_question():
    from workbench.images import encode, open_image
    from workbench.ui.study.voting import mark_once

    data = encode(open_image(with_profile("x")).rgb)
    made = [mark_once(data, f"{token}/0") for token in ("1.aa", "2.bb", "2.bb")]
    assert made[0] != made[1]
    assert made[1] == made[2]
    assert len(made[0]) == len(made[1])
    for each in made:
        assert (open_image(each).rgb == open_image(data).rgb).all()


def test_every_answer_has_safe_headers_and_a_space_may_frame_us():
    from workbench.serving.headers import SafeHeaders

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    told: list[dict] = []

    async def send(message):
        told.append(message)

    with pytest.raises(StopIteration):  # it waits for nothing: one step is all
        SafeHeaders(app)({"type": "http"}, None, send).send(None)
    headers = dict(told[0]["headers"])
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert b"https://huggingface.co" in headers[b"content-security-policy"]
    assert b"x-frame-options" not in headers


# --------------------------------------------------------------------------------- databases


@pytest.mark.parametrize("damage", ["text", "middle", "cut", "folder", "no tables"])
def test_a_damaged_study_database_is_a_sentence(tmp_path, damage):
    import sqlite3

    from workbench.study import plans
    from workbench.study.votes import Votes

    path = tmp_path / "votes.sqlite3"
    store = Votes(f"sqlite:///{path}")
    for number in range(40):
        store.create_study(plans.Plan(name=f"s{number}").to_dict())
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    elif damage == "no tables":
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE studies")
        connection.close()
    else:
        broken = {
            "text": b"this is no database" * 400,
            "middle": data[:2000] + b"\xff" * (len(data) - 4000) + data[-2000:],
            "cut": data[: len(data) // 3],
        }[damage]
        path.write_bytes(broken)
    with pytest.raises(Problem, match=r"study database sqlite:///.*damaged"):
        Votes(f"sqlite:///{path}").studies()


def test_a_study_whose_plan_is_damaged_is_a_sentence(tmp_path):
    from workbench.study import plans, trials
    from workbench.study.votes import Votes

    store = Votes(f"sqlite:///{tmp_path / 'votes.sqlite3'}")
    study = store.create_study(plans.Plan(name="s").to_dict())
    store.close()
    for text in ("{", "[]", "7", None, "[" * 100_000):
        study.plan = text
        with pytest.raises(Problem, match="damaged"):
            trials.plan_of(study)


def test_settings_of_places_are_read_as_they_are_meant(monkeypatch):
    for text, expected in (("1", True), ("0", False), ("", False), ("yes", False)):
        monkeypatch.setenv("WORKBENCH_LOCAL", text)
        assert places.is_local() == expected
    for text, number in (("2", 2), ("-1", 0), ("x", 0), ("", 0)):
        monkeypatch.setenv("WORKBENCH_PROXIES", text)
        assert places.proxies() == number


def test_the_lock_file_holds_every_pin_with_hashes_and_names_no_place():
    import re

    text = (ROOT / "requirements.lock").read_text()
    locked = dict(re.findall(r"^([a-z0-9][\w.-]*)(?:\[\w+\])?==(\S+)", text, re.MULTILINE))
    pins = (ROOT / "requirements.txt").read_text()
    for name, version in re.findall(r"^([\w-]+)(?:\[\w+\])?==(\S+)", pins, re.MULTILINE):
        assert locked[name] == version, f"make lock: {name} differs"
    entries = re.split(r"\n(?=[a-z])", text)
    assert all("--hash=sha256:" in entry for entry in entries if "==" in entry)
    assert not re.search(r"://|file:|index-url|find-links", text)
    assert "requirements.lock" in (ROOT / "Dockerfile").read_text()


def cookie(token: bytes, mask: bytes) -> str:
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(token))
    return f"2|{mask.hex()}|{masked.hex()}|1800000000"


def test_a_browser_is_known_by_its_cookie_however_it_is_masked(monkeypatch):
    from types import SimpleNamespace

    from workbench.ui.study import voting

    def named(text: str | None) -> str:
        context = SimpleNamespace(cookies={"_streamlit_xsrf": text} if text else {})
        monkeypatch.setattr(voting.st, "context", context, raising=False)
        return voting.browser()

    first = named(cookie(b"a" * 16, b"1234"))
    assert first == named(cookie(b"a" * 16, b"5678"))
    assert first != named(cookie(b"b" * 16, b"1234"))
    for wrong in (None, "", "2|zz|zz|1", "x", "2||"):
        with pytest.raises(Problem, match="allow cookies"):
            named(wrong)


def test_one_browser_begins_an_open_study_as_often_as_its_plan_says(monkeypatch, tmp_path):
    from test_pages_study import fresh_page

    from workbench.study import plans
    from workbench.study.votes import Votes
    from workbench.ui.study import taking_part

    page = fresh_page(monkeypatch, tmp_path, "", "study")
    monkeypatch.setattr(taking_part, "browser", lambda: "this one")
    store = Votes()
    store.create_study(plans.Plan(name="s", browsers=2).to_dict())
    store.freeze("s", ["a@1", "b@1"], [])
    store.set_state("s", "open")
    for _ in range(3):
        page.query_params.clear()
        page.query_params["study"] = "s"
        page.session_state["study_codes"] = {"s": None}  # "Somebody else takes part"
        page.run()
        page.radio[0].set_value("normal")
        page.button[0].click().run()
    assert "Too many" in page.error[0].value
    assert store.counts(store.study("s"))["raters"] == 2
    store.close()
