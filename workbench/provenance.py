"""Where a field of a paper's recipe comes from: what it states, what we infer, what we borrow."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

STATED, INFERRED, BORROWED = "stated", "inferred", "borrowed"


@dataclass(frozen=True)
class Fact:
    """One field of a recipe and how we know it.

    kind: STATED, INFERRED or BORROWED; words: what the paper prints, letter by letter (stated);
    where: the section of the paper (stated), what it is inferred from, or whose it is (borrowed).
    """

    field: str
    value: str
    kind: str
    where: str
    words: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """'stated (4.1): “a batch size of 50”', 'inferred: ...' or 'borrowed from ...'."""
        if self.kind == STATED:
            return f"stated ({self.where}): " + " … ".join(f"“{each}”" for each in self.words)
        return f"{self.kind}{' from' if self.kind == BORROWED else ':'} {self.where}"


def stated(field: str, value: str, where: str, *words: str) -> Fact:
    """What the paper says, with its own words and their place."""
    return Fact(field, value, STATED, where, words)


def inferred(field: str, value: str, why: str) -> Fact:
    """What the paper leaves open and we settled, and from what."""
    return Fact(field, value, INFERRED, why)


def borrowed(field: str, value: str, whom: str) -> Fact:
    """What the paper leaves open and we took from somebody else's work."""
    return Fact(field, value, BORROWED, whom)


def markdown(facts: Iterable[Fact]) -> str:
    """A Markdown table: a row per field, its value and its source; empty without facts."""
    head = ["| field | in the preset `paper` | source |", "|---|---|---|"]
    rows = [f"| {fact.field} | {fact.value} | {fact.source} |" for fact in facts]
    return "\n".join(head + rows) if rows else ""


def summary(facts: Iterable[Fact]) -> str:
    """'Stated: ... Inferred by us: ... Borrowed: ...', a line for each kind that occurs."""
    names = {STATED: "Stated", INFERRED: "Inferred by us", BORROWED: "Borrowed"}
    facts, lines = tuple(facts), []
    for kind, name in names.items():
        told = [
            f"{fact.field}: {fact.value}" + (f" ({fact.where})" if kind == BORROWED else "")
            for fact in facts if fact.kind == kind
        ]  # fmt: skip
        if told:
            lines.append(f"- **{name}:** {'; '.join(told)}.")
    return "\n".join(lines)


def differences(build: Callable) -> str:
    """The list "Differs from the paper" of the docstring of a model's file, Markdown; or ""."""
    text = inspect.getdoc(sys.modules[build.__module__]) or ""
    _, _, rest = text.partition("Differs from the paper:")
    return rest.strip()
