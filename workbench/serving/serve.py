"""Workbench and demo on one port, for a single container: Streamlit at /, Gradio at /demo/.

One process, so both share networks, queue and results (`studio.shared_studio`).
"""

from __future__ import annotations

import logging
import os

from workbench import places


def serve(port: int = 7860, host: str = "127.0.0.1") -> None:
    """Serve both until stopped."""
    import uvicorn
    from starlette.middleware import Middleware
    from starlette.responses import RedirectResponse
    from starlette.routing import Route
    from streamlit import App

    from workbench.serving import demo, demo_arena
    from workbench.serving.first_paint import FirstPaint
    from workbench.serving.headers import SafeHeaders

    # where .streamlit/config.toml lies: STREAMLIT_* variables do not count here
    os.chdir(places.APP.parent)
    inner = demo.mount_demo("/demo", demo_arena.add_screen)
    places.DEMO, places.HOST = "demo/", host
    routes = [route for route in inner.routes if getattr(route, "path", "") == "/demo"]
    # without its slash, Streamlit would take it for the name of a page
    routes.insert(0, Route("/demo", lambda request: RedirectResponse(f"{request.url.path}/")))
    lifespan = inner.router.lifespan_context  # starts the queue
    app = App(
        places.APP, routes=routes, lifespan=lambda _: lifespan(inner),
        middleware=[Middleware(SafeHeaders), Middleware(FirstPaint)],
    )  # fmt: skip
    logging.getLogger("uvicorn.access").disabled = True  # Streamlit would log every address
    uvicorn.run(app, host=host, port=port, log_config=None)
