"""A stand-in of the Hugging Face Hub on this machine: the part of its HTTP interface that its library calls."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_made_up"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Repository:
    """Branches and commits of files.

    ``served`` and ``listed`` replace what the server sends of a file, and what it lists of it: a repository that lies.
    """

    private: bool = True
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    served: dict[str, bytes] = field(default_factory=dict)
    listed: dict[str, dict[str, Any]] = field(default_factory=dict)

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        """Put the files of a branch, all of them, and return the digest of the commit."""
        content = json.dumps([[name, sha256(own)] for name, own in sorted(files.items())] + [len(self.commits)])
        digest = hashlib.sha1(content.encode()).hexdigest()
        self.commits[digest] = dict(files)
        self.branches[branch] = digest
        return digest

    def find(self, revision: str) -> str | None:
        return revision if revision in self.commits else self.branches.get(revision)

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.branches["main"]]


def is_large(name: str) -> bool:
    """Whether the Hub keeps a file outside git, and lists its SHA-256."""
    return name.endswith((".safetensors", ".bin", ".pt"))


class Hub(ThreadingHTTPServer):
    """The server, its repositories, and the requests that it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.stored: dict[str, bytes] = {}
        self.requests: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, name: str, files: dict[str, bytes], **options: Any) -> Repository:
        self.repositories[name] = Repository(**options)
        self.repositories[name].commit(files)
        return self.repositories[name]


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(f"{self.command} {path}")
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self.body = b"".join(self._read_chunks())
        for method, pattern, answer in ROUTES:
            if method in (self.command, "*") and (match := re.fullmatch(pattern, path)):
                return answer(self, *match.groups())
        return self.send(404, {"error": f"no route {path}"})

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def send(self, status: int, content: Any, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def open(self, name: str, *, write: bool = False) -> Repository | None:
        """The repository, or None where the error was sent."""
        repository = self.server.repositories.get(name)
        if write and not self.known:
            self.send(403, {"error": "Forbidden"})
        elif repository is None or (repository.private and not self.known):
            self.send(401, {"error": "Repository Not Found"}, X_Error_Code="RepoNotFound")
        elif repository.gated:
            self.send(403, {"error": "gated"}, X_Error_Code="GatedRepo")
        else:
            return repository
        return None

    def create(self) -> None:
        asked = json.loads(self.body)
        if not self.known:
            return self.send(401, {"error": "Invalid username or password."})
        name = f"{asked['organization']}/{asked['name']}"
        if name in self.server.repositories:
            return self.send(409, {"error": "You already created this model repo"})
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        repository = self.server.add(name, {".gitattributes": b""}, private=private)
        return self.send(200, {"url": f"{self.server.address}/{name}", "id": repository.branches["main"]})

    def validate(self) -> None:
        self.send(200, {"errors": [], "warnings": []})

    def branch(self, name: str, branch: str) -> None:
        if repository := self.open(name, write=True):
            if branch in repository.branches:
                return self.send(409, {"error": "Reference already exists"})
            repository.branches[branch] = repository.branches["main"]
            self.send(200, {})
        return None

    def preupload(self, name: str, revision: str) -> None:
        if repository := self.open(name, write=True):
            files = repository.commits[repository.branches[revision]]
            answers = [
                {"path": one["path"], "uploadMode": "lfs" if is_large(one["path"]) else "regular",
                 "shouldIgnore": False, "oid": (sha256 if is_large(one["path"]) else git_sha1)(files[one["path"]])
                 if one["path"] in files else None}
                for one in json.loads(self.body)["files"]
            ]  # fmt: skip
            self.send(200, {"files": answers, "commitOid": repository.branches[revision]})

    def batch(self, name: str) -> None:
        if self.open(name, write=True):
            objects = [
                {"oid": one["oid"], "size": one["size"], "authenticated": True}
                | ({} if one["oid"] in self.server.stored else
                   {"actions": {"upload": {"href": f"{self.server.address}/lfs/{one['oid']}"}}})
                for one in json.loads(self.body)["objects"]
            ]  # fmt: skip
            self.send(200, {"transfer": "basic", "objects": objects})

    def put(self, oid: str) -> None:
        if sha256(self.body) != oid:
            return self.send(400, {"error": "another digest"})
        self.server.stored[oid] = self.body
        return self.send(200, b"")

    def commit(self, name: str, revision: str) -> None:
        repository = self.open(name, write=True)
        if repository is None:
            return
        files = dict(repository.commits[repository.branches[revision]])
        for line in self.body.splitlines():
            entry = json.loads(line)
            key, value = entry["key"], entry["value"]
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.server.stored[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        digest = repository.commit(files, revision)
        url = f"{self.server.address}/{name}/commit/{digest}"
        self.send(200, {"success": True, "commitUrl": url, "commitOid": digest, "hookOutput": ""})

    def info(self, name: str, revision: str | None = None) -> None:
        repository = self.open(name)
        if repository is None:
            return None
        digest = repository.find(revision or "main")
        if digest is None:
            return self.send(404, {"error": "Invalid rev id"}, X_Error_Code="RevisionNotFound")
        siblings = [describe(file, own) | repository.listed.get(file, {})
                    for file, own in repository.commits[digest].items()]  # fmt: skip
        about = {"id": name, "modelId": name, "sha": digest, "private": repository.private, "gated": repository.gated}
        return self.send(200, about | {"siblings": siblings, "tags": [], "downloads": 0, "likes": 0})

    def resolve(self, name: str, revision: str, file: str) -> None:
        repository = self.open(name)
        if repository is None:
            return None
        digest = repository.find(revision)
        if digest is None:
            return self.send(404, {"error": "Invalid rev id"}, X_Error_Code="RevisionNotFound")
        content = repository.commits[digest].get(file)
        if content is None:
            return self.send(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound", X_Repo_Commit=digest)
        content = repository.served.get(file, content)
        tag = sha256(content) if is_large(file) else git_sha1(content)
        linked = {"X_Linked_Etag": f'"{tag}"', "X_Linked_Size": str(len(content))} if is_large(file) else {}
        return self.send(200, content, ETag=f'"{tag}"', X_Repo_Commit=digest, **linked)


def describe(name: str, content: bytes) -> dict[str, Any]:
    """What the Hub lists of a file."""
    about: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": git_sha1(content)}
    if is_large(name):
        about["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
    return about


NAME = "([^/]+/[^/]+)"
ROUTES = (
    ("POST", "/api/repos/create", Handler.create),
    ("POST", "/api/validate-yaml", Handler.validate),
    ("POST", f"/api/models/{NAME}/branch/(.+)", Handler.branch),
    ("POST", f"/api/models/{NAME}/preupload/(.+)", Handler.preupload),
    ("POST", f"/api/models/{NAME}/commit/(.+)", Handler.commit),
    ("POST", rf"/{NAME}\.git/info/lfs/objects/batch", Handler.batch),
    ("PUT", "/lfs/([0-9a-f]{64})", Handler.put),
    ("GET", f"/api/models/{NAME}/revision/(.+)", Handler.info),
    ("GET", f"/api/models/{NAME}", Handler.info),
    ("*", f"/{NAME}/resolve/([^/]+)/(.+)", Handler.resolve),
)


@contextmanager
def serving() -> Iterator[Hub]:
    """Run a server while a test lasts."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
