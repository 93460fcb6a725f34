"""The workbench's style stands in the page that Streamlit serves, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import streamlit
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.testclient import TestClient
from streamlit.web.server.app_discovery import discover_asgi_app

from workbench.serving.first_paint import STYLE, FirstPaint

ROOT = Path(__file__).resolve().parent.parent
PAGE = {"accept": "text/html,*/*;q=0.8"}
OTHER = "<html><head><title>Gradio</title></head></html>" * 20


def served() -> TestClient:
    """Streamlit's own files, another page and a text, behind what makes answers smaller."""
    app = Starlette(
        routes=[
            Route("/other", lambda request: HTMLResponse(OTHER)),
            Route("/text", lambda request: PlainTextResponse("<title>Streamlit</title>" * 50)),
            Mount(
                "/", StaticFiles(directory=Path(streamlit.__file__).parent / "static", html=True)
            ),
        ],
        middleware=[Middleware(FirstPaint), Middleware(GZipMiddleware)],
    )
    return TestClient(app)


def test_streamlits_page_comes_with_our_title_and_our_style_in_its_head() -> None:
    answer = served().get("/", headers=PAGE)
    assert answer.status_code == 200
    head, _, body = answer.text.partition("</head>")
    assert "<title>Colorization workbench</title>" in head
    assert STYLE.read_text("utf-8") in head
    assert '<div id="root">' in body
    assert "Streamlit</title>" not in answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)


def test_a_browser_that_knows_an_older_style_gets_the_new_one() -> None:
    client = served()
    as_file = client.get("/index.html")  # asks for no page: the file as it is, with its time
    again = client.get("/", headers={**PAGE, "if-none-match": as_file.headers["etag"]})
    assert again.status_code == 200
    assert STYLE.read_text("utf-8") in again.text
    assert "etag" not in again.headers
    assert "last-modified" not in again.headers


def test_other_pages_and_what_is_no_page_pass_as_they_are() -> None:
    client = served()
    assert client.get("/other", headers=PAGE).text == OTHER
    assert client.get("/text", headers=PAGE).text == "<title>Streamlit</title>" * 50
    assert client.get("/text").headers["content-encoding"] == "gzip"


def test_streamlit_run_finds_the_app_with_its_style_in_the_router() -> None:
    found = discover_asgi_app(ROOT / "app.py")
    assert found.import_string == "app:app"
