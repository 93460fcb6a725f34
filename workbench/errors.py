"""The one exception a user is meant to read, and the border where others' exceptions become it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeVar

_HERE = str(Path(__file__).resolve().parent)
Row = TypeVar("Row")
_SLIPS = (AssertionError, AttributeError, IndexError, KeyError, NameError, TypeError)


class Problem(Exception):
    """Something the user can mend.

    The message is one or two whole sentences: what was wrong, where, and what to do.
    The command line prints it and exits with 2; a page shows it in place; an API returns it.
    """


@contextlib.contextmanager
def guard_decoder(sentence: str | Callable[[Exception], str]) -> Iterator[None]:
    """Around the calls of a decoder that others wrote, and nothing else.

    Decoders of broken files raise anything (struct.error, KeyError, RecursionError ..): here it
    becomes a Problem with `sentence`, in which `{error}` is what the decoder said. A slip of our
    own inside (a wrong name, type or index, raised by a line of this package) stays what it is,
    so that a test sees it. A Problem passes through.
    """
    try:
        yield
    except Problem:
        raise
    except MemoryError as error:
        raise Problem(_fill_in(sentence, error) + " It is too large for this machine.") from error
    except Exception as error:
        if isinstance(error, _SLIPS) and _is_ours(error.__traceback__):
            raise
        raise Problem(_fill_in(sentence, error)) from error


def read_each(
    read: Callable[[Path], Iterable[Row]], files: Iterable[Path]
) -> tuple[list[Row], list[str]]:
    """All rows that `read` finds in some files, and a sentence about each it raises Problem for."""
    found: list[Row] = []
    complaints: list[str] = []
    for file in files:
        try:
            found += read(file)
        except Problem as problem:
            complaints.append(str(problem))
    return found, complaints


def _fill_in(sentence: str | Callable[[Exception], str], error: Exception) -> str:
    if callable(sentence):
        return sentence(error)
    return sentence.replace("{error}", reason_of(error))


def reason_of(error: BaseException, most: int = 200) -> str:
    """What an exception says, in one line without a full stop, its kind where it says nothing."""
    text = getattr(error, "strerror", None) or str(error)
    text = " ".join(str(text).split()).rstrip(".")[:most]
    return text or type(error).__name__


def _is_ours(traceback: TracebackType | None) -> bool:
    """Whether the innermost line is one of this package."""
    file = ""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        traceback = traceback.tb_next
    return file.startswith(_HERE)
