"""The arena on the demo's screen: the same standing study, votes and limits as the page's.

Apart from demo.py, because it needs the database: a Gradio Space, whose disk is forgotten, has
neither.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import gradio as gr

from workbench.errors import Problem
from workbench.serving.api import find_checkpoints, open_upload
from workbench.serving.arena_round import Round, start_round
from workbench.serving.demo import keep_for_screen, raise_as_sentence
from workbench.study import arena, backup, figures, limits
from workbench.study.limits import Limits
from workbench.study.tables import Rater, Study
from workbench.study.votes import Votes, new_code

NAMES = ("A", "B")
ASK = "Which colours look better? Vote first; then you are told who they were."


class Arena:
    """What the visitors of one server share: the database, and how often who did what."""

    def __init__(self) -> None:
        self.limits = Limits()

    @cached_property
    def votes(self) -> Votes:
        """The database, opened by the first visitor who asks for a pair."""
        made = Votes()
        backup.start(made)
        return made

    def visitor(self, code: str, request: gr.Request) -> tuple[Study, Rater]:
        """The standing study and this visitor's rater, made at the first round."""
        study = arena.open_arena(self.votes)
        rater = self.votes.rater(study, code) if code else None
        if rater is None:
            address = request.client.host if request.client else None
            true = limits.true_address(address, request.headers.get("x-forwarded-for"))
            self.limits.count(limits.BEGIN, self.limits.bucket(true))
            rater = arena.add_visitor(self.votes, study)
        return study, rater

    def start(self, source: str, code: str, request: gr.Request) -> tuple:
        """Two results without a name for the photograph on the screen: see `add_screen`."""
        study, rater = self.visitor(code, request)
        made = start_round(self.votes, study, rater, open_upload(source), find_checkpoints())
        # nothing in a file's name or bytes says who made it
        files = [keep_for_screen(rgb, new_code()) for rgb in made.painted]
        line = f"{ASK} {arena.CONSENT} Your code: `{rater.code}`."
        shown = [gr.Image(file, label=name) for file, name in zip(files, NAMES, strict=True)]
        return made, rater.code, *shown, line, *_buttons(True)

    def vote(self, choice: str, made: Round | None, code: str, request: gr.Request) -> tuple:
        """Keep a vote, and say who they were."""
        if made is None:
            raise Problem("There is no pair to vote on yet. Ask for one.")
        study, rater = self.visitor(code, request)
        self.limits.count(limits.VOTE, rater.code)
        arena.take_vote(self.votes, study, rater, made.battle, choice, session="demo")
        told = [
            f"{n}: {figures.title_of(s)}" for n, s in zip(NAMES, made.battle.shown, strict=True)
        ]
        line = f"You said: {arena.CHOICES[choice].lower()}. **{told[0]}**, **{told[1]}**."
        return None, *(gr.Image(label=each) for each in told), line, *_buttons(False)


def _buttons(open_now: bool) -> list[gr.Button]:
    return [gr.Button(interactive=open_now) for _ in arena.CHOICES]


def add_screen(source: gr.State, alone: dict[str, Any]) -> None:
    """The arena below the demo's screen, on the photograph in `source`; it is not in the API."""
    here = Arena()
    made, code = gr.State(None), gr.State("")
    with gr.Accordion("Arena: two networks without names", open=False):
        begin = gr.Button("Two networks on this photograph")
        with gr.Row():
            pictures = [
                gr.Image(
                    label=name, type="filepath", interactive=False, buttons=["fullscreen"],
                    min_width=280,
                )
                for name in NAMES
            ]  # fmt: skip
        with gr.Row():
            buttons = {
                choice: gr.Button(words, interactive=False, min_width=120)
                for choice, words in arena.CHOICES.items()
            }
        line = gr.Markdown(ASK)
    after = [*pictures, line, *buttons.values()]
    screen = {"api_visibility": "private"}
    begin.click(
        raise_as_sentence(here.start), [source, code], [made, code, *after], **alone, **screen
    )
    for choice, button in buttons.items():

        def vote(made: Round | None, code: str, request: gr.Request, choice: str = choice) -> tuple:
            return here.vote(choice, made, code, request)

        button.click(raise_as_sentence(vote), [made, code], [made, *after], **screen)
