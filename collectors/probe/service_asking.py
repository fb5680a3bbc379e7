"""Asking the inference servers that were found, and rows of what they answer. Part of services."""

from . import http, service_pages
from .cells import FAILED_CODE, LOST_CODE, TIMED_OUT, UNSUPPORTED, UNSUPPORTED_CODE, Missing
from .exposition import parse
from .listening import LOOPBACK

_ASKING_SECONDS = 3.0  # for one answer
_MOST_SAMPLES = 20_000  # of one page: a Triton of a thousand models tells fewer
_ALL_SECONDS = 15.0  # for those of all servers
_REMEMBERED_SECONDS = 600.0  # a server that is gone is told of for this long
_TELLING = service_pages.METRICS
_ENDED = Missing(LOST_CODE, "nothing listens there any more")
_SILENT = Missing(UNSUPPORTED_CODE, "it answers, and its /metrics tells nothing of requests: are its metrics on?")


class Servers:
    """Remembers what it saw of each server, and who is none."""

    def __init__(self, world) -> None:
        self._world = world
        self._servers = {}  # (host, port) -> _Server
        self._strangers = {}  # (host, port) -> inode of what listens there and is no inference server

    def rows(self, places: list) -> dict:
        """Service key -> row."""
        began = self._world.monotonic()
        present = {(place.host, place.port): place for place in places}
        for at, place in present.items():
            if self._strangers.get(at) != place.inode:
                self._ask(at, place, began)
        for at, server in list(self._servers.items()):
            if at not in present:
                server.has_ended()
                if began - server.seen > _REMEMBERED_SECONDS:
                    del self._servers[at]
        return {server.key: server.row for _, server in sorted(self._servers.items())}

    def _ask(self, at: "tuple[str, int]", place, began: float) -> None:
        server = self._servers.get(at)
        page, why = None, TIMED_OUT
        if self._world.monotonic() - began < _ALL_SECONDS:
            page, why = self._page(place)
        kind = service_pages.kind_of(page) if page is not None else ""
        if server is None:
            if not kind and not place.kind:
                if page is not None:  # what is merely slow to answer is asked again
                    self._strangers[at] = place.inode
                return
            server = self._servers[at] = _Server(place, kind or place.kind)
        if page is None:
            server.is_silent(why)
        else:
            server.told(page, kind, self._world.monotonic())

    def _page(self, place) -> "tuple":
        """The page, or None and why not."""
        try:
            status, body = self._get(place)
        except TimeoutError:
            return None, TIMED_OUT
        except OSError as error:
            return None, Missing(LOST_CODE if error.errno else FAILED_CODE, error.strerror or str(error))
        text = body.decode("utf-8", "replace") if status == 200 else ""
        return parse(text, service_pages.is_wanted, _MOST_SAMPLES), None

    def _get(self, place) -> "tuple[int, bytes]":
        where = () if place.host == LOOPBACK else (place.host,)
        connection = self._world.connect(place.port, _ASKING_SECONDS, *where)
        try:
            name = "%s:%d" % (place.host, place.port)
            return http.get(connection, "/metrics", name, _ASKING_SECONDS, self._world.monotonic)
        finally:
            connection.close()


class _Server:
    """One server: its row, and the counts of the last half minute."""

    def __init__(self, place, kind: str) -> None:
        where = "%d" % place.port if place.host == LOOPBACK else "%s:%d" % (place.host, place.port)
        self.key = "%s:%s" % (kind, where)
        self.seen = 0.0
        self._kind = kind
        self._identity = {
            "name": self.key,
            "kind": kind,
            "model": UNSUPPORTED,
            "version": UNSUPPORTED,
            "endpoint": "http://%s:%d/metrics" % (place.host, place.port),
        }
        self._window = service_pages.Window()
        self.row = dict(self._identity)

    def told(self, page, kind: str, at: float) -> None:
        self.seen = at
        if not kind:
            self.row = dict(self._identity, up=1, **dict.fromkeys(_TELLING, _SILENT))
            return
        models = service_pages.models(page, self._kind)
        if models:
            self._identity["model"] = models
        told = service_pages.row(page, self._kind, self._window, at)
        self.row = dict(self._identity, up=1, **told)

    def is_silent(self, why: Missing) -> None:
        """It is there, and gives no answer."""
        self._window.clear()
        self.row = dict(self._identity, up=0, **dict.fromkeys(_TELLING, why))

    def has_ended(self) -> None:
        """Whether it was ended or broke down, nobody can tell from here."""
        self._window.clear()
        self.row = dict(self._identity, **dict.fromkeys(("up", *_TELLING), _ENDED))
