"""A Kubernetes API server as far as watchfloor sees one: lists in pages, watches, bookmarks, and the ways they end;
merge patches and evictions, and the ways they are turned down.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.loopback import QuietHandler

Object = dict[str, Any]


class KubeApi:
    """Objects by plural; every change has a version and is kept, so that a watch goes on from any of them."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Object]] = defaultdict(dict)
        self.history: list[tuple[int, str, Object]] = []  # version, plural, event
        self.version = 100
        self.forgotten = 0  # versions up to this one are gone
        self.refused: dict[str, tuple[int, str, dict[str, str]]] = {}  # plural -> status, message, headers
        self.token = ""  # what a client must show; "" lets everybody in
        self.stalled = threading.Event()  # while set, nothing is answered
        self.page = 500
        self.written: list[tuple[str, str, Object]] = []  # method, path, body
        self.forbidden: set[str] = set()  # methods
        self.conflicts = 0  # so many writes to come meet an object that has changed meanwhile
        self.budgets: dict[str, int] = {}  # pod -> so many evictions to come are more than its budget allows
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.headers: list[dict[str, str]] = []
        self.changed = threading.Condition()
        self._epoch = 0  # watches of an older one end
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    # -- what happens in the cluster

    def put(self, plural: str, thing: Object) -> None:
        uid = thing["metadata"]["uid"]
        self._happened(plural, "MODIFIED" if uid in self.objects[plural] else "ADDED", thing)
        self.objects[plural][uid] = thing

    def delete(self, plural: str, uid: str) -> None:
        self._happened(plural, "DELETED", self.objects[plural].pop(uid))

    def bookmark(self, plural: str) -> None:
        self._happened(plural, "BOOKMARK", {"metadata": {}})

    def say(self, plural: str, event: Object) -> None:
        """An event as it is: an error, or garbage."""
        with self.changed:
            self.version += 1
            self.history.append((self.version, plural, event))
            self.changed.notify_all()

    def forget(self, plural: str, uid: str) -> None:
        """What happened so far, and an object that vanishes while every watch is broken."""
        with self.changed:
            del self.objects[plural][uid]
            self.history.clear()
            self.forgotten = self.version
            self.version += 1
            self._epoch += 1
            self.changed.notify_all()

    def drop(self) -> None:
        """Break every watch in the middle of its answer."""
        with self.changed:
            self._epoch += 1
            self.changed.notify_all()

    def count(self, plural: str, **asked: str) -> int:
        """How often it was asked for, with these parameters among others ("" for: without)."""
        return sum(
            path.endswith(f"/{plural}") and all(query.get(name, "") == value for name, value in asked.items())
            for path, query in list(self.asked)
        )

    def _happened(self, plural: str, kind: str, thing: Object) -> None:
        with self.changed:
            self.version += 1
            thing["metadata"]["resourceVersion"] = str(self.version)
            self.history.append((self.version, plural, {"type": kind, "object": json.loads(json.dumps(thing))}))
            self.changed.notify_all()

    # -- what is answered

    def _handler(self) -> type[QuietHandler]:
        api = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
                api.asked.append((parts.path, query))
                api.headers.append(dict(self.headers))
                with api.changed:
                    while api.stalled.is_set():
                        api.changed.wait(0.05)
                try:
                    api._answer(self, parts.path, query)
                except OSError:
                    self.close_connection = True

            def do_PATCH(self) -> None:
                self._write()

            def do_POST(self) -> None:
                self._write()

            def _write(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api.written.append((self.command, self.path, body))
                api._change(self, self.command, self.path, body)

        return Handler

    def _change(self, to: QuietHandler, method: str, path: str, body: Object) -> None:
        plural, name = self._named(path.strip("/").split("/"))
        found = [thing for thing in self.objects[plural].values() if thing["metadata"]["name"] == name]
        if method in self.forbidden:
            self._status(to, 403, f'{plural} "{name}" is forbidden: User "viewer" cannot do this')
        elif not found:
            self._status(to, 404, f'{plural} "{name}" not found')
        elif self.conflicts:
            self.conflicts -= 1
            self._status(to, 409, f"Operation cannot be fulfilled on {plural}: the object has been modified")
        elif path.endswith("/eviction"):
            self._evict(to, found[0], body)
        else:
            self.put(plural, _merged(found[0], body))
            self._send(to, 200, found[0])

    def _evict(self, to: QuietHandler, pod: Object, body: Object) -> None:
        uid, name = pod["metadata"]["uid"], pod["metadata"]["name"]
        meant = body["deleteOptions"]["preconditions"]["uid"]
        if meant != uid:
            self._status(to, 409, f"Precondition failed: UID in precondition: {meant}, UID in object meta: {uid}")
        elif self.budgets.get(name):
            self.budgets[name] -= 1
            self._status(to, 429, "Cannot evict pod as it would violate the pod's disruption budget.")
        else:
            self.delete("pods", uid)
            self._status(to, 201, "")

    def _answer(self, to: QuietHandler, path: str, query: dict[str, str]) -> None:
        words = path.strip("/").split("/")
        plural, name = self._named(words)
        if self.token and to.headers.get("Authorization") != f"Bearer {self.token}":
            self._status(to, 401, "Unauthorized")
        elif plural in self.refused:
            self._status(to, *self.refused[plural])
        elif plural == "version":
            self._send(to, 200, {"gitVersion": "v1.99.0"})
        elif name:
            self._one(to, plural, name)
        elif query.get("watch"):
            self._watch(to, plural, int(query["resourceVersion"]))
        else:
            self._list(to, plural, query)

    @staticmethod
    def _named(words: list[str]) -> tuple[str, str]:
        """Plural and name of a path, with or without namespace."""
        if words == ["version"]:
            return "version", ""
        rest = words[2:] if words[0] == "api" else words[3:]
        if rest[0] == "namespaces" and len(rest) > 2:
            rest = rest[2:]
        return rest[0], rest[1] if len(rest) > 1 else ""

    def _one(self, to: QuietHandler, plural: str, name: str) -> None:
        found = [thing for thing in self.objects[plural].values() if thing["metadata"]["name"] == name]
        self._send(to, 200, found[0]) if found else self._status(to, 404, f'{plural} "{name}" not found')

    def _list(self, to: QuietHandler, plural: str, query: dict[str, str]) -> None:
        label, _, value = query.get("labelSelector", "").partition("=")
        things = [thing for thing in self.objects[plural].values()
                  if not label or thing["metadata"].get("labels", {}).get(label) == value]  # fmt: skip
        begin, page = int(query.get("continue") or 0), min(self.page, int(query.get("limit") or 10**9))
        more = str(begin + page) if begin + page < len(things) else ""
        meta = {"resourceVersion": str(self.version), "continue": more}
        self._send(to, 200, {"kind": "List", "metadata": meta, "items": things[begin : begin + page]})

    def _watch(self, to: QuietHandler, plural: str, version: int) -> None:
        self._head(to, 200, {"Transfer-Encoding": "chunked"})
        if version <= self.forgotten:
            gone = {
                "kind": "Status",
                "code": 410,
                "reason": "Expired",
                "message": f"too old resource version: {version}",
            }
            return self._chunk(to, {"type": "ERROR", "object": gone}, end=True)
        epoch = self._epoch
        while True:
            with self.changed:
                while epoch == self._epoch and self.version <= version:
                    self.changed.wait()
                news = [event for at, which, event in self.history if at > version and which == plural]
                version = self.version
            if epoch != self._epoch:
                to.close_connection = True  # the chunked answer has no end
                return None
            for event in news:
                self._chunk(to, event)

    def _status(self, to: QuietHandler, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        self._send(to, code, {"kind": "Status", "code": code, "message": message}, headers)

    def _send(self, to: QuietHandler, code: int, body: Object, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(body).encode()
        self._head(to, code, {"Content-Length": str(len(text)), **(headers or {})})
        to.wfile.write(text)

    @staticmethod
    def _head(to: QuietHandler, code: int, headers: dict[str, str]) -> None:
        to.send_response(code)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            to.send_header(name, value)
        to.end_headers()

    @staticmethod
    def _chunk(to: QuietHandler, event: Object, end: bool = False) -> None:
        line = json.dumps(event).encode() + b"\n"
        to.wfile.write(b"%x\r\n%s\r\n" % (len(line), line) + (b"0\r\n\r\n" if end else b""))
        to.wfile.flush()


def _merged(thing: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict) or not isinstance(thing, dict):
        return patch
    kept = {name: value for name, value in thing.items() if name not in patch}
    changed = {name: _merged(thing.get(name, {}), value) for name, value in patch.items() if value is not None}
    return {**kept, **changed}
