"""A Hub on the loopback, for the real `huggingface_hub` client.

It speaks what the client needs to create, fill, tag, list and read model, dataset and Space
repositories; everything lies in memory. It is strict where the Hub is: a commit is all or nothing,
a stale parent is 412, a large file that was never uploaded is refused, writing needs a token.

The client reads HF_ENDPOINT when it is imported: run it in a process of its own with
`loopback_hub.environment(home)`. Xet is off there, so large files travel by Git LFS.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import uvicorn
from hub_repos import Blob, Commit, Refusal, Repo, sha256
from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TOKEN = "hf_LoopbackTokenThatMustNeverBePrinted"
READ_ONLY = "hf_LoopbackTokenThatMayOnlyRead"
WHEN = "2026-01-01T00:00:00.000Z"
LARGE = (".safetensors", ".png", ".webp", ".parquet", ".sqlite3")  # stored by LFS
REGULAR_LIMIT = 10_000_000  # bytes; a larger file is stored by LFS whatever its name


class Kind(StringConvertor):
    """The first part of an address that is no user's name."""

    regex = "models|datasets|spaces"


register_url_convertor("kind", Kind())


class LoopbackHub:
    """What the tests hold: the repositories, the requests seen, and two ways to misbehave."""

    def __init__(self) -> None:
        self.endpoint = ""
        self.repos: dict[tuple[str, str], Repo] = {}
        self.large: dict[str, bytes] = {}  # by sha256
        self.seen: list[tuple[str, str]] = []  # (method, path)
        self.before_commit: Callable[[Repo], None] | None = None  # somebody is faster
        self.corrupt: str | None = None  # the path of a file that is damaged on its way down

    def repo(self, id: str, kind: str = "models") -> Repo:
        return self.repos[kind, id]

    def create(self, id: str, kind: str = "models", **fields) -> Repo:
        attributes = Blob(b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n", False)
        repo = self.repos[kind, id] = Repo(kind, id, **fields)
        repo.add("initial commit", {".gitattributes": attributes})
        return repo

    def environment(self, home: Path, token: str | None = TOKEN) -> dict[str, str]:
        """The variables of a process whose Hub is this one and whose home is `home`."""
        mine = ("HF_", "HUGGING", "WORKBENCH_", "http_proxy", "https_proxy", "all_proxy")
        mine += tuple(name.upper() for name in mine)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
        kept |= {"HF_ENDPOINT": self.endpoint, "HF_HUB_DISABLE_XET": "1"}
        kept |= {"HF_HOME": str(home / "huggingface")}
        kept |= {"WORKBENCH_CACHE": str(home / "cache"), "HF_HUB_DISABLE_TELEMETRY": "1"}
        kept |= {"HOME": str(home), "OMP_NUM_THREADS": "1"}
        return kept | ({"HF_TOKEN": token} if token else {})

    # What a request may see and do

    def authorised(self, request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {TOKEN}"

    def need_token(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not self.authorised(request):
            # The Hub does not repeat a token; this one does, to see that we do not pass it on.
            status = 403 if READ_ONLY in given else 401
            raise Refusal(status, f"{given} has no write access here")

    def named(self, request: Request) -> Repo:
        kind = request.path_params.get("kind", "models")
        name = "{owner}/{name}".format(**request.path_params)
        repo = self.repos.get((kind, name))
        if repo is None or (repo.private and not self.authorised(request)):
            status = 404 if self.authorised(request) else 401
            raise Refusal(status, "Repository not found", "RepoNotFound")
        if repo.gated and "/resolve/" in request.url.path:
            raise Refusal(403, "Access to this repository is restricted", "GatedRepo")
        return repo

    def commit_of(self, request: Request) -> tuple[Repo, Commit]:
        repo = self.named(request)
        revision = request.path_params.get("revision", "main")
        commit = repo.at(revision)
        if commit is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return repo, commit

    # Repositories

    async def create_repo(self, request: Request) -> Response:
        self.need_token(request)
        asked = await request.json()
        kind = asked.get("type", "model") + "s"
        id = f"{asked['organization'] or 'tester'}/{asked['name']}"
        url = f"{self.endpoint}/{'' if kind == 'models' else kind + '/'}{id}"
        if (kind, id) in self.repos:
            raise Refusal(409, "You already created this repo", url=url)
        self.create(id, kind, private=asked.get("visibility") == "private", sdk=asked.get("sdk"))
        return JSONResponse({"url": url})

    async def delete_repo(self, request: Request) -> Response:
        self.need_token(request)
        asked = await request.json()
        key = asked.get("type", "model") + "s", f"{asked['organization']}/{asked['name']}"
        if self.repos.pop(key, None) is None:
            raise Refusal(404, "Repository not found", "RepoNotFound")
        return JSONResponse({})

    async def whoami(self, request: Request) -> Response:
        self.need_token(request)
        return JSONResponse({"type": "user", "name": "tester", "orgs": [], "auth": {}})

    async def validate_yaml(self, request: Request) -> Response:
        import yaml

        text = (await request.json())["content"]
        try:
            yaml.safe_load(text.split("---")[1] if text.startswith("---") else "")
        except yaml.YAMLError as error:
            body = {"errors": [{"message": str(error)}], "warnings": []}
            return JSONResponse(body, status_code=400)
        return JSONResponse({"errors": [], "warnings": []})

    async def info(self, request: Request) -> Response:
        repo, commit = self.commit_of(request)
        siblings = [{"rfilename": path} for path in sorted(commit.files)]
        row = {"_id": repo.id, "id": repo.id, "sha": commit.oid, "siblings": siblings, "tags": []}
        row |= {"private": repo.private, "gated": "manual" if repo.gated else False}
        row |= {"lastModified": WHEN, "createdAt": WHEN}
        return JSONResponse(row | ({"sdk": repo.sdk} if repo.sdk else {}))

    async def tree(self, request: Request) -> Response:
        _, commit = self.commit_of(request)
        under = request.path_params.get("path", "")
        start = f"{under}/" if under else ""
        deep = request.query_params.get("recursive", "").lower() in ("true", "1")
        rows = {}
        for path, blob in sorted(commit.files.items()):
            if not path.startswith(start):
                continue
            *folders, _ = path[len(start) :].split("/")
            for depth in range(len(folders) if deep else min(len(folders), 1)):
                folder = start + "/".join(folders[: depth + 1])
                rows[folder] = {"type": "directory", "path": folder, "size": 0, "oid": "0" * 40}
            if deep or not folders:
                rows[path] = blob.entry(path)
        if under and not rows:
            raise Refusal(404, f"{under} does not exist", "EntryNotFound")
        return JSONResponse(list(rows.values()))

    async def paths_info(self, request: Request) -> Response:
        _, commit = self.commit_of(request)
        body = await request.body()
        if request.headers.get("content-type", "").startswith("application/json"):
            paths = json.loads(body)["paths"]
        else:
            paths = parse_qs(body.decode()).get("paths", [])
        return JSONResponse([commit.files[p].entry(p) for p in paths if p in commit.files])

    async def refs(self, request: Request) -> Response:
        repo = self.named(request)
        head = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.commits[-1].oid}
        tags = [
            {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": oid}
            for tag, oid in repo.tags.items()
        ]
        return JSONResponse({"branches": [head], "converts": [], "tags": tags, "pullRequests": []})

    async def commits(self, request: Request) -> Response:
        repo, last = self.commit_of(request)
        row = {"authors": [{"user": "tester"}], "date": WHEN, "message": ""}
        until = repo.commits[: repo.commits.index(last) + 1]
        return JSONResponse([row | {"id": c.oid, "title": c.title} for c in reversed(until)])

    async def tag(self, request: Request) -> Response:
        self.need_token(request)
        repo, commit = self.commit_of(request)
        name = (await request.json())["tag"]
        if name in repo.tags:
            raise Refusal(409, "Reference already exists")
        repo.tags[name] = commit.oid
        return JSONResponse({})

    # Files on their way up

    async def preupload(self, request: Request) -> Response:
        self.need_token(request)
        _, commit = self.commit_of(request)
        rows = []
        for file in (await request.json())["files"]:
            path, large = file["path"], file["path"].endswith(LARGE) or file["size"] > REGULAR_LIMIT
            row = {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
            if path in commit.files:
                blob = commit.files[path]
                row["oid"] = sha256(blob.data) if blob.large else blob.oid
            rows.append(row)
        return JSONResponse({"files": rows})

    async def lfs_batch(self, request: Request) -> Response:
        self.need_token(request)
        self.named(request)
        rows = []
        for asked in (await request.json())["objects"]:
            oid, href = asked["oid"], f"{self.endpoint}/lfs/{asked['oid']}"
            row = {"oid": oid, "size": asked["size"]}
            if oid not in self.large:  # no actions: it is here already
                row["actions"] = {"upload": {"href": href}, "verify": {"href": href}}
            rows.append(row)
        return JSONResponse({"transfer": "basic", "objects": rows})

    async def lfs_put(self, request: Request) -> Response:
        data = await request.body()
        if sha256(data) != request.path_params["oid"]:
            raise Refusal(400, "The bytes do not have the announced sha256")
        self.large[request.path_params["oid"]] = data
        return Response()

    async def lfs_verify(self, request: Request) -> Response:
        asked = await request.json()
        if len(self.large.get(asked["oid"], b"")) != asked["size"]:
            raise Refusal(404, "No such object")
        return JSONResponse({})

    async def commit(self, request: Request) -> Response:
        self.need_token(request)
        repo, _ = self.commit_of(request)
        lines = [json.loads(line) for line in (await request.body()).splitlines()]
        if self.before_commit:
            self.before_commit(repo)
        header, files = lines[0]["value"], dict(repo.commits[-1].files)
        parent = header.get("parentCommit")
        if parent and not repo.commits[-1].oid.startswith(parent):
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        for line in lines[1:]:
            key, value = line["key"], line["value"]
            path = value["path"]
            if key == "file":
                files[path] = Blob(base64.b64decode(value["content"]), False)
            elif key == "lfsFile":
                if value["oid"] not in self.large:
                    raise Refusal(400, f"{path}: its LFS object was never uploaded")
                files[path] = Blob(self.large[value["oid"]], True)
            elif key == "deletedFile":
                if files.pop(path, None) is None:
                    raise Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
            elif key == "deletedFolder":
                files = {p: b for p, b in files.items() if not p.startswith(f"{path.strip('/')}/")}
        made = repo.add(header["summary"], files)
        place = "" if repo.kind == "models" else f"{repo.kind}/"
        url = f"{self.endpoint}/{place}{repo.id}/commit/{made.oid}"
        return JSONResponse({"success": True, "commitOid": made.oid, "commitUrl": url})

    # Files on their way down

    async def resolve(self, request: Request) -> Response:
        _, commit = self.commit_of(request)
        path = request.path_params["path"]
        if path not in commit.files:
            raise Refusal(404, f"{path} does not exist", "EntryNotFound")
        blob = commit.files[path]
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{blob.oid}"', "Accept-Ranges": "bytes"}
        if blob.large:
            headers |= {"X-Linked-Etag": f'"{sha256(blob.data)}"'}
            headers |= {"X-Linked-Size": str(len(blob.data))}
        data = blob.data
        if path == self.corrupt:
            data = bytes([data[0] ^ 1]) + data[1:]
        if request.method == "HEAD":
            return Response(headers=headers | {"Content-Length": str(len(data))})
        wanted = request.headers.get("range", "")
        if not wanted:
            return Response(data, headers=headers)
        start = int(wanted.removeprefix("bytes=").split("-")[0])
        headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        return Response(data[start:], status_code=206, headers=headers)

    def app(self) -> Callable:
        """The routes. `{kind}` is models, datasets or spaces; a model's own pages have none."""
        api, post = "/api/{kind:kind}/{owner}/{name}", ["POST"]
        routes = [
            Route("/api/repos/create", self.create_repo, methods=post),
            Route("/api/repos/delete", self.delete_repo, methods=["DELETE"]),
            Route("/api/whoami-v2", self.whoami),
            Route("/api/validate-yaml", self.validate_yaml, methods=post),
            Route(api, self.info),
            Route(api + "/revision/{revision}", self.info),
            Route(api + "/tree/{revision}", self.tree),
            Route(api + "/tree/{revision}/{path:path}", self.tree),
            Route(api + "/paths-info/{revision}", self.paths_info, methods=post),
            Route(api + "/refs", self.refs),
            Route(api + "/commits/{revision}", self.commits),
            Route(api + "/tag/{revision}", self.tag, methods=post),
            Route(api + "/preupload/{revision}", self.preupload, methods=post),
            Route(api + "/commit/{revision}", self.commit, methods=post),
            Route("/lfs/{oid}", self.lfs_put, methods=["PUT"]),
            Route("/lfs/{oid}", self.lfs_verify, methods=post),
        ]
        for place in ("/{owner}", "/{kind:kind}/{owner}"):
            batch = place + "/{name}.git/info/lfs/objects/batch"
            routes.append(Route(batch, self.lfs_batch, methods=post))
            routes.append(Route(place + "/{name}/resolve/{revision}/{path:path}", self.resolve))

        async def refuse(request: Request, refusal: Exception) -> Response:
            assert isinstance(refusal, Refusal)
            headers = {"X-Error-Message": refusal.message}
            if refusal.code:
                headers["X-Error-Code"] = refusal.code
            body = {"error": refusal.message, **refusal.body}
            return JSONResponse(body, status_code=refusal.status, headers=headers)

        app = Starlette(routes=routes, exception_handlers={Refusal: refuse})

        async def note(scope, receive, send):
            if scope["type"] == "http":
                self.seen.append((scope["method"], scope["path"]))
            await app(scope, receive, send)

        return note


@contextmanager
def serve() -> Iterator[LoopbackHub]:
    """A running Hub on a free port of the loopback, for as long as the block lasts."""
    hub = LoopbackHub()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        hub.endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(hub.app(), log_level="warning", ws="none", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            server.should_exit = True
            thread.join(timeout=5)


@pytest.fixture
def loopback_hub() -> Iterator[LoopbackHub]:
    """An empty Hub; a test's own processes reach it through `environment(home)`."""
    with serve() as hub:
        yield hub
