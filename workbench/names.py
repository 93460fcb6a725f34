"""Names and numbers as people read them; names of files, and which of them are passed over."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path, PurePath

MOST_BYTES = 255  # of a name, in most file systems
JOINER = "\u2060"  # takes no room, and no address goes on behind it
ROOM = 40  # of these, for what is added to a name: a model, a number, .json, .part


def printable(name: object) -> str:
    """A name that can be shown and written anywhere: what is not UTF-8, or cannot be seen, is ?."""
    text = str(name).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def count_of(number: int, what: str) -> str:
    """So many things in words: "1 rater", "2 raters"."""
    return f"{number} {what}" + ("s" if number != 1 else "")


def write_number(value: float, form: str) -> str:
    """A number as people read it: `format(value, form)`, with the sign for minus where it is less.

    What is 0 when rounded has no sign. What machines read (CSV, JSON, a terminal) keeps the hyphen.
    """
    text = format(value, form)
    if not re.search("[1-9a-z]", text):  # a letter: inf, nan
        return text.lstrip("+-")
    return text.replace("-", "\u2212")


def escape_markdown(text: object, most: int = 600) -> str:
    """Foreign text for a place that reads Markdown: it is shown as it is, and nothing is fetched.

    What stands between backticks stays code (our own sentences name commands so). Everything else
    that Markdown, HTML, formulas or links could begin with is escaped; addresses stop being links.
    """
    line = printable(" ".join(str(text).split()))[:most]
    parts = re.split(r"(`[^`]+`)", line)
    return "".join(part if number % 2 else _escape(part) for number, part in enumerate(parts))


def _escape(text: str) -> str:
    text = text.replace("://", f":{JOINER}//").replace("@", f"@{JOINER}")
    text = re.sub(r"(?i)\b(www)\.", rf"\1{JOINER}.", text)
    text = re.sub(r"([\\`*{}\[\]<>|~$&^]|:(?=\S))", r"\\\1", text)
    text = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)  # within a word it is a letter
    return re.sub(r"^(\s*)([#+\-=]|\d+(?=[.)]))", rf"\1{JOINER}\2", text)  # no heading, no list


def escape_html(text: object, most: int = 600) -> str:
    """Foreign text for a place that reads HTML: it has no tags and no entities."""
    line = printable(" ".join(str(text).split()))[:most]
    return line.replace("&", "＆").replace("<", "‹").replace(">", "›")


def shorten_stem(stem: str, room: int = ROOM) -> str:
    """A name's stem, cut where the name would be longer than a file system takes."""
    data = os.fsencode(stem)
    if len(data) <= MOST_BYTES - room:
        return stem
    return data[: MOST_BYTES - room].decode("utf-8", "ignore") or "picture"


def safe_path(name: str) -> str:
    """A path inside an archive that unpacks anywhere: no way up, no root, no unseen letters."""
    parts = [part.strip() for part in printable(name).replace("\\", "/").split("/")]
    parts = [shorten_stem(part.replace(":", "_")) for part in parts if part not in ("", ".", "..")]
    return "/".join(parts[-16:]) or "picture"


def is_passed_over(path: PurePath) -> bool:
    """Whether a path is hidden, or what macOS puts beside files: the same rule everywhere."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def walk(
    root: Path, suffixes: Collection[str], left_out: Counter[str] | None = None
) -> Iterator[Path]:
    """Files with one of these endings in a folder and below, sorted; links to folders are followed.

    `left_out` counts the rest by ending ("hidden" for what is hidden); a folder that was seen, or
    cannot be read, is not entered.
    """
    left_out = Counter() if left_out is None else left_out
    seen: set[tuple[int, int]] = set()
    found: list[Path] = []
    for folder, inside, names in os.walk(root, followlinks=True):
        here = os.stat(folder)
        if (here.st_dev, here.st_ino) in seen:
            inside[:] = []
            continue
        seen.add((here.st_dev, here.st_ino))
        for name in (*inside, *names):
            if is_passed_over(PurePath(name)):
                left_out["hidden"] += 1
        inside[:] = sorted(each for each in inside if not is_passed_over(PurePath(each)))
        for name in names:
            path = Path(folder, name)
            if is_passed_over(PurePath(name)):
                continue
            if path.suffix.lower() in suffixes and path.is_file():
                found.append(path)
            else:
                left_out[path.suffix.lower() or "without an ending"] += 1
    yield from sorted(found, key=lambda path: path.relative_to(root).as_posix())


def describe_left_out(left_out: Counter[str]) -> str:
    """What a walk left out, for a sentence: "3 .txt, 1 hidden"; nothing where that is nothing."""
    return ", ".join(f"{number} {printable(kind)}" for kind, number in left_out.most_common(8))
