"""What a Hub on the loopback keeps: repositories of commits of files, in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Blob:
    """A file's bytes, and whether git or LFS holds them."""

    data: bytes
    large: bool

    @property
    def oid(self) -> str:  # what `git hash-object` gives
        body = self.data
        if self.large:
            body = (
                "version https://git-lfs.github.com/spec/v1\n"
                f"oid sha256:{sha256(self.data)}\nsize {len(self.data)}\n"
            ).encode()
        return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()

    def entry(self, path: str) -> dict:
        row = {"type": "file", "path": path, "size": len(self.data), "oid": self.oid}
        if self.large:
            row["lfs"] = {"oid": sha256(self.data), "size": len(self.data), "pointerSize": 134}
        return row


@dataclass
class Commit:
    oid: str
    title: str
    files: dict[str, Blob]


@dataclass
class Repo:
    kind: str  # models, datasets or spaces
    id: str
    private: bool = False
    gated: bool = False
    sdk: str | None = None
    commits: list[Commit] = field(default_factory=list)  # oldest first
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, bytes]:
        """The newest commit, as a test wants to see it."""
        return {path: blob.data for path, blob in self.commits[-1].files.items()}

    def add(self, title: str, files: dict[str, Blob]) -> Commit:
        parts = [self.id, title, *(self.commits[-1].oid if self.commits else "", *sorted(files))]
        oid = hashlib.sha1("\n".join([*parts, str(len(self.commits))]).encode()).hexdigest()
        self.commits.append(Commit(oid, title, files))
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag or a (shortened) commit id names."""
        if revision == "main":
            return self.commits[-1]
        oid = self.tags.get(revision, revision)
        found = [c for c in self.commits if len(oid) >= 7 and c.oid.startswith(oid)]
        return found[0] if found else None


class Refusal(Exception):
    """An answer that is an error, in the Hub's own words."""

    def __init__(self, status: int, message: str, code: str = "", **body: str) -> None:
        self.status, self.message, self.code, self.body = status, message, code, body
