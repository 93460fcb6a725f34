"""Many visitors of one server without as many browsers: what a browser sends and hears, no more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.BidiComponent_pb2 import BidiComponent
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect


@contextmanager
def visiting(address: str, page: str, query: str = "") -> Iterator[Visitor]:
    """A visitor of a page, with the query of its address; gone at the end."""
    stream = f"ws://{urlsplit(address).netloc}/_stcore/stream"
    with connect(stream, subprotocols=["streamlit"], max_size=None) as socket:
        yield Visitor(socket, page, query)


class Visitor:
    """One session of the workbench."""

    def __init__(self, socket: ClientConnection, page: str, query: str) -> None:
        self.said: list[str] = []  # every text that the page showed, in order
        self.components: dict[str, BidiComponent] = {}  # by name, the latest
        self.widgets: dict[str, str] = {}  # Streamlit's name for a widget, by its key
        self.fragment = ""  # Streamlit's name for the part of the page that runs by itself
        self._ask = BackMsg()
        self._ask.rerun_script.query_string = query
        self._ask.rerun_script.page_name = page
        self._socket = socket

    def look(self) -> None:
        """Run the page to its end; raises ConnectionClosed when the server dies."""
        self._run(0)

    def tick(self) -> bool:
        """Run what runs by itself, once; whether the whole page followed."""
        self._ask.rerun_script.fragment_id = self.fragment
        self._ask.rerun_script.is_auto_rerun = True
        followed = self._run(0, 3) == 0  # 3: the fragment alone
        self._ask.rerun_script.fragment_id = ""
        self._ask.rerun_script.is_auto_rerun = False
        return followed

    def _run(self, *ends: int) -> int:
        self._socket.send(self._ask.SerializeToString())
        while True:
            message = ForwardMsg.FromString(self._socket.recv())
            kind = message.WhichOneof("type")
            if kind == "auto_rerun":
                self.fragment = message.auto_rerun.fragment_id
            if kind == "navigation":  # from now on the page is known by its hash
                self._ask.rerun_script.page_name = ""
                self._ask.rerun_script.page_script_hash = message.navigation.page_script_hash
            if kind == "script_finished" and message.script_finished in ends:
                return message.script_finished
            if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
                self._hear(message.delta.new_element)

    def set_slider(self, key: str, value: float) -> None:
        """Move a slider, and run the page with it."""
        self._ask.rerun_script.widget_states.widgets.add(
            id=self.widgets[key], double_array_value={"data": [value]}
        )
        self.look()

    def send(self, component: str, event: str, value: Any) -> None:
        """Let a component of ours say something once, and run the page with it."""
        states = self._ask.rerun_script.widget_states.widgets
        states.add(
            id=f"$$STREAMLIT_INTERNAL_KEY_{self.components[component].id}__events",
            json_trigger_value=json.dumps([{"event": event, "value": value}]),
        )
        self.look()
        states.pop()

    def data(self, component: str) -> dict[str, Any]:
        """What the page told a component of ours."""
        return json.loads(self.components[component].json)

    def _hear(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        heard = getattr(element, kind)
        if kind == "bidi_component":
            self.components[heard.component_name] = heard
        elif key := getattr(heard, "id", ""):
            self.widgets[key.rpartition("-")[2]] = key
        if text := getattr(heard, "body", "") or getattr(heard, "message", ""):
            self.said.append(text)
