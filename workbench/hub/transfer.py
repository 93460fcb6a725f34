"""The Hugging Face Hub: one folder per model, the same on disk and there.

The only module that imports `huggingface_hub`, and only inside functions. What the Hub or the
network refuses becomes a `Problem` in plain words; a token is never part of one.

    publish(folder, "ada/colorful")          one atomic commit, then a tag
    look_up("ada/colorful@v1")               what it is, before it is fetched
    fetch("ada/colorful@v1")                 that commit, checked file by file, in the cache
    publish_space(folder, "ada/demo", ...)   one commit that makes the Space equal to the folder
    publish_dataset(files, "ada/study")      one commit that makes the data set equal to the files
    back_up(folder, "ada/votes")             growing files, to a private data set, again and again
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import EDQUOT, EFBIG, ENOSPC
from glob import escape
from pathlib import Path
from typing import Any

from workbench import places
from workbench.errors import Problem
from workbench.hub.model_folder import (
    BELONGS,
    git_sha1,
    model_files,
    require_model_files,
    sha256,
    verify_weights,
)

MOST_BYTES = 250 << 20  # of a model that a page fetches
MOST_TEXT = 4 << 20  # of its configuration and of its card


@dataclass(frozen=True)
class Published:
    """A model on the Hub that is not fetched yet; configuration and card are anybody's words."""

    repo: str
    commit: str
    bytes: int  # of all that would be fetched
    config: dict[str, Any]
    card: str  # Markdown

    @property
    def name(self) -> str:
        """What `fetch` takes: this very commit."""
        return f"{self.repo}@{self.commit}"

    @property
    def licence(self) -> str:
        """By its configuration, else by its card, else ""."""
        told = dict(
            re.findall(r"^(license(?:_name)?): *[\"']?([\w. ()-]+)", self.card, re.MULTILINE)
        )
        said = self.config.get("licence") or told.get("license_name") or told.get("license")
        return str(said or "").strip()


@dataclass(frozen=True)
class PublishResult:
    """Where a commit went: its page, its full id, and the tag it got ("" for none)."""

    url: str
    commit: str
    tag: str


# What belongs ------------------------------------------------------------------------------------


def list_fetched(root: Path | None = None) -> dict[str, Path]:
    """The fetched models: "owner/name" -> folder, laid out like a bundled one."""
    notes = sorted((root or places.fetched_folder()).glob("*--*/fetched.json"))
    return {json.loads(note.read_text())["repo"]: note.parent for note in notes}


# Sending -----------------------------------------------------------------------------------------


def publish(
    folder: Path | str,
    repo: str,
    private: bool = False,
    tag: str | None = None,
    message: str | None = None,
    parent: str | None = None,
) -> PublishResult:
    """Send a model's folder in one atomic commit, then tag that commit.

    repo is "user/name" and is made when it does not exist. tag defaults to the revision of the
    weights, with -2, -3, ... when the same weights are published again with another card or scores.
    parent is the commit the repository must still be at; by default the one found on arrival.
    Files of ours that the folder no longer has are deleted in the same commit.
    Raises Problem for everything a user can mend.
    """
    folder = Path(folder)
    files = model_files(folder)
    config = json.loads(files["config.json"].read_text(encoding="utf-8"))
    revision = config["revision"]

    api = _api(repo, token_needed=True)
    with _guard_client(repo, "publish"):
        api.create_repo(repo, private=private, exist_ok=True)
        tags = {ref.name: ref.target_commit for ref in api.list_repo_refs(repo).tags}
        if tag in tags:
            raise Problem(f"{repo} has a tag {tag} already. Choose another name for this one.")
        sent = _commit(
            api,
            repo,
            "model",
            files,
            message or f"Publish {config.get('model', folder.name)} {revision}",
            parent,
            replaces=lambda path: bool(BELONGS.fullmatch(path)),
        )
        number, name = 1, tag or revision
        while tags.get(name, sent.commit) != sent.commit:
            number, name = number + 1, f"{revision}-{number + 1}"
        api.create_tag(repo, tag=name, revision=sent.commit, exist_ok=name in tags)
    return PublishResult(sent.url, sent.commit, name)


def publish_space(
    folder: Path | str,
    repo: str,
    sdk: str,
    private: bool = False,
    message: str = "Publish the Space",
    parent: str | None = None,
) -> PublishResult:
    """Make a Space equal to a folder in one commit; sdk is gradio, docker or static.

    Files of the Space that the folder does not have are deleted (its history keeps them).
    """
    files = space_files(Path(folder))
    api = _api(repo, token_needed=True)
    with _guard_client(repo, "publish"):
        api.create_repo(repo, private=private, exist_ok=True, repo_type="space", space_sdk=sdk)
        return _commit(api, repo, "space", files, message, parent, replaces=lambda path: True)


def space_files(folder: Path) -> dict[str, Path]:
    """Every file of an assembled Space, `.streamlit/` and the like among them."""
    files = {f.relative_to(folder).as_posix(): f for f in sorted(folder.rglob("*")) if f.is_file()}
    if "README.md" not in files:
        raise Problem(f"{folder} is not an assembled Space: it has no README.md.")
    return files


def publish_dataset(
    files: Mapping[str, Path],
    repo: str,
    private: bool = False,
    message: str = "Publish the data set",
) -> PublishResult:
    """Make a data set equal to these files (path in it -> file) in one commit; raises Problem."""
    api = _api(repo, token_needed=True)
    with _guard_client(repo, "publish"):
        api.create_repo(repo, private=private, exist_ok=True, repo_type="dataset")
        return _commit(api, repo, "dataset", files, message, None, replaces=lambda path: True)


def _commit(
    api: Any,
    repo: str,
    kind: str,
    files: Mapping[str, Path],
    message: str,
    parent: str | None,
    replaces: Callable[[str], bool],
) -> PublishResult:
    """One commit after which the repository's files are `files`, and what `replaces` spares."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    now = api.repo_info(repo, repo_type=kind)
    there = {sibling.rfilename for sibling in now.siblings or ()} - {".gitattributes"}
    gone = sorted(path for path in there - set(files) if replaces(path))
    sent = api.create_commit(
        repo,
        operations=[
            *(CommitOperationDelete(path_in_repo=path) for path in gone),
            *(CommitOperationAdd(path_in_repo=p, path_or_fileobj=f) for p, f in files.items()),
        ],
        commit_message=message,
        repo_type=kind,
        parent_commit=parent or now.sha,
    )
    return PublishResult(str(sent.commit_url), sent.oid, "")


def back_up(folder: Path | str, repo: str, minutes: float = 5, glob: str = "*.jsonl") -> Any:
    """Copy a folder's growing files to a private data set "user/name" every few minutes.

    For machines whose disk is forgotten, such as Spaces. Files may only grow, one per process.
    Returns the client's CommitScheduler: write under `with scheduler.lock`; `trigger()` sends now,
    `stop()` ends it; what is left is sent when the process ends. Raises Problem.
    """
    api = _api(repo, token_needed=True)
    with _guard_client(repo, "back up to"):
        from huggingface_hub import CommitScheduler

        return CommitScheduler(
            repo_id=repo,
            repo_type="dataset",
            folder_path=folder,
            every=minutes,
            private=True,
            allow_patterns=glob,
            hf_api=api,
        )


# Fetching ----------------------------------------------------------------------------------------


def look_up(name: str) -> Published:
    """What "user/name" or "user/name@revision" is: its commit, size, configuration and card.

    Only these two texts are read. Raises Problem where it is no model of ours, or too large.
    """
    repo, _, revision = name.partition("@")
    api = _api(repo, token_needed=False)
    with _guard_client(name, "fetch"), tempfile.TemporaryDirectory() as folder:
        commit, entries = _list_model(api, name, repo, revision)
        texts = {}
        for path in ("config.json", "README.md"):
            if entries[path].size > MOST_TEXT:
                raise Problem(f"{name}: {path} is longer than {MOST_TEXT >> 20} MB.")
            file = api.hf_hub_download(repo, path, revision=commit, local_dir=folder)
            texts[path] = Path(file).read_text(encoding="utf-8", errors="replace")
    try:
        config = json.loads(texts["config.json"])
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise Problem(f"{name}: config.json is damaged. Publish the model again.")
    size = sum(entry.size for entry in entries.values())
    return Published(repo, commit, size, config, texts["README.md"])


def _list_model(api: Any, name: str, repo: str, revision: str) -> tuple[str, dict[str, Any]]:
    """(commit, path -> entry) of a model's files on the Hub; whatever does not belong is left."""
    commit = api.model_info(repo, revision=revision or None).sha
    entries = {
        entry.path: entry
        for entry in api.list_repo_tree(repo, revision=commit, recursive=True)
        if BELONGS.fullmatch(entry.path) and hasattr(entry, "blob_id")
    }
    require_model_files(entries, f"{name} on the Hub")
    return commit, entries


def count_coming(repo: str, root: Path | None = None) -> int:
    """Bytes of a model that have come so far, while `fetch` is at work."""
    coming = (root or places.fetched_folder()) / ".coming" / repo.replace("/", "--")
    total = 0
    for file in coming.rglob("*"):
        with suppress(OSError):  # renamed meanwhile
            total += file.stat().st_size
    return total


def fetch(name: str, root: Path | None = None, most: int | None = None) -> Path:
    """Bring "user/name" or "user/name@revision" (branch, tag or commit) into the cache.

    The revision is pinned to a commit first; every file is compared with the Hub's checksum and
    the weights with config.json before the folder takes its place. A commit that is there already
    is not asked for again. root: another folder than the cache; most: refused if it has more bytes.
    Returns the folder; raises Problem.
    """
    repo, _, revision = name.partition("@")
    root = root or places.fetched_folder()
    home = root / repo.replace("/", "--")
    note = json.loads((home / "fetched.json").read_text()) if repo in list_fetched(root) else {}
    if revision and revision == note.get("commit"):
        return home
    api = _api(repo, token_needed=False)
    with _guard_client(name, "fetch", kept=home if note else None):
        commit = api.model_info(repo, revision=revision or None).sha
        if commit == note.get("commit"):
            return home
        _, entries = _list_model(api, name, repo, commit)
        size = sum(entry.size for entry in entries.values())
        if most is not None and size > most:
            raise Problem(f"{name} has {size >> 20} MB; at most {most >> 20} MB are fetched here.")
        coming = root / ".coming" / home.name  # a broken download goes on from here
        coming.mkdir(parents=True, exist_ok=True)
        api.snapshot_download(
            repo,
            revision=commit,
            local_dir=coming,
            allow_patterns=[escape(path) for path in entries],
        )
        shutil.rmtree(coming / ".cache", ignore_errors=True)
        try:
            for path, entry in entries.items():
                file = coming / path
                same = (
                    sha256(file) == entry.lfs.sha256
                    if entry.lfs
                    else git_sha1(file) == entry.blob_id
                )
                if not same:
                    raise Problem(f"{name}: {path} was damaged on its way. Fetch it again.")
            for file in coming.rglob("*"):  # of another commit that was broken off
                if file.is_file() and file.relative_to(coming).as_posix() not in entries:
                    file.unlink()
            verify_weights(coming, entries, name)
        except Problem:
            shutil.rmtree(coming)
            raise
        (coming / "fetched.json").write_text(json.dumps({"repo": repo, "commit": commit}) + "\n")
        _take_place(coming, home)
    return home


def _take_place(coming: Path, home: Path) -> None:
    """Put a finished folder where an older one may be."""
    old = coming.with_name(f"{home.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if home.exists():
        home.rename(old)
    coming.rename(home)
    shutil.rmtree(old, ignore_errors=True)


# Words -------------------------------------------------------------------------------------------


def _api(repo: str, token_needed: bool) -> Any:
    """The client; the token comes from HF_TOKEN or from `hf auth login`."""
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", repo):
        raise Problem(f"{repo!r} is not the name of a repository. Write USER/NAME.")
    from huggingface_hub import HfApi, get_token

    if token_needed and not get_token():
        raise Problem(
            "No Hugging Face token was found. Make one with write access at "
            "https://huggingface.co/settings/tokens, then run `hf auth login` or set HF_TOKEN."
        )
    return HfApi(library_name="colorization-workbench")


@contextmanager
def _guard_client(name: str, action: str, kept: Path | None = None) -> Iterator[None]:
    """Make what the client raises a sentence; the token is in none of them."""
    try:
        yield
    except Problem:
        raise
    except Exception as error:
        sentence = _sentence(error, name, action)
        if sentence is None:  # a fault of ours: shown as one
            raise
        if kept:
            sentence += f" The copy fetched earlier is still in {kept}."
        from huggingface_hub import get_token

        raise Problem(sentence.replace(get_token() or "\0", "[token]")) from None


def _sentence(error: BaseException | None, name: str, action: str) -> str | None:
    """What went wrong and what to do, or None when no user could mend it."""
    from huggingface_hub import errors

    repo = name.partition("@")[0]
    match error:
        case errors.GatedRepoError():
            return (
                f"{repo} is gated. Ask for access on its page on the Hub, "
                "then run `hf auth login` and try again."
            )
        case errors.RevisionNotFoundError():
            return f"{repo} has no such revision. Give a tag, a branch or a commit it has."
        case errors.RepositoryNotFoundError() if action == "fetch":
            return (
                f"There is no model {repo} on the Hub, or it is private and your token may not "
                "read it. Check the name; run `hf auth login` for a private one."
            )
        case errors.HfHubHTTPError() if error.response is not None:
            return _refusal(error.response.status_code, error.server_message or "", repo, action)
        case errors.OfflineModeIsEnabled():
            return f"Cannot {action} {name}: HF_HUB_OFFLINE is set. Unset it and try again."
        case errors.LocalEntryNotFoundError() | errors.HTTPError():
            return (
                f"Cannot {action} {name}: the Hub cannot be reached. "
                "Check the connection (and HF_ENDPOINT, if it is set) and try again."
            )
        case OSError() if error.errno in (ENOSPC, EDQUOT, EFBIG):
            full = error.filename or places.fetched_folder()
            return (
                f"Cannot {action} {name}: the disk is full at {full}. "
                "Free some space and try again; what was there before is untouched."
            )
        case OSError() if error.errno:
            where = error.filename or places.fetched_folder()
            return f"Cannot {action} {name}: {error.strerror}: {where}."
        case ValueError() if "README.md" in str(error):
            return f"The Hub refuses the card. {error}"
        case RuntimeError() | OSError() if error.__cause__:  # the client wraps failed transfers
            return _sentence(error.__cause__, name, action)
    return None


def _refusal(status: int, words: str, repo: str, action: str) -> str:
    """The sentence for a status code; `words` are the Hub's own."""
    own = f" The Hub says: {' '.join(words.split())}" if words else ""
    match status:
        case 401:
            return (
                f"The Hub does not accept the token to {action} {repo}. Run `hf auth login` "
                "with a token that has write access, or set HF_TOKEN."
            )
        case 403:
            return f"The token may not {action} {repo}: it needs write access there.{own}"
        case 409:
            return f"{repo} is in use or exists already in a way that conflicts.{own}"
        case 412:
            return (
                f"{repo} has changed in the meantime: somebody else published first. Nothing was "
                "sent. Look at the new commit, then publish again."
            )
        case 429:
            return "The Hub asks for patience: too many requests. Try again in a few minutes."
        case _ if status >= 500:
            return f"The Hub is in trouble (status {status}). Nothing was lost; try again later."
    return f"The Hub refused to {action} {repo} (status {status}).{own}"
