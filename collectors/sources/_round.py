"""One round of questions to a metrics server: which series it has, the values of those we know, and how old they are.

Blocking, on threads that never hold up the end of the program. One query a series name, few at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field

from collectors.sources import _dcgm, _exported
from collectors.sources._server import QueryFailed, Series, Server
from collectors.sources._told import NodeTold, Told
from watchfloor.errors import ConnectError
from watchfloor.model import MetricsSource, Problem

AT_ONCE = 4  # queries
NO_NUMBER = "a value that is no number"


@dataclass
class Round:
    """What a round told. `failed`: series name -> the server's word for why it was not told."""

    told: Told = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    names: int = 0  # series names that were asked for


def ask(source: MetricsSource) -> Round:
    """Raises ConnectError where the server can't be asked at all."""
    server = Server(source)
    try:
        present = server.names()
        wanted = [name for name in present if name in _exported.readers() or name in _dcgm.fields()]
        asking = _Asking(source, wanted)
        asking.run()
        _ages(server, source, wanted, asking.round)
    except QueryFailed as error:  # of the names: the selector is wrong
        raise _of_selector(source, str(error)) from error
    finally:
        server.close()
    return asking.round


def _of_selector(source: MetricsSource, words: str) -> ConnectError:
    return ConnectError(Problem.GARBAGE, f"{source.url}: {words}", "see the selector of its source")


class _Asking:
    """The queries of a round, taken by several threads."""

    def __init__(self, source: MetricsSource, names: list[str]) -> None:
        self.round = Round(names=len(names))
        self._source = source
        self._left = names[::-1]
        self._devices = _dcgm.Devices(source.label)
        self._lock = threading.Lock()
        self._trouble: ConnectError | None = None

    def run(self) -> None:
        """Raises ConnectError where every thread met one."""
        count = min(AT_ONCE, len(self._left))
        threads = [threading.Thread(target=self._work, name="prometheus", daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._trouble is not None:
            raise self._trouble
        self._devices.finish(self.round.told)

    def _work(self) -> None:
        server = Server(self._source)
        try:
            while self._trouble is None and self._left:
                name = self._left.pop()  # of a list: one thread gets it
                try:
                    series = server.query(server.select(name))
                except QueryFailed as error:
                    self.round.failed[name] = str(error)
                else:
                    self._put(name, series)
        except IndexError:  # another thread took the last one
            pass
        except ConnectError as error:
            self._trouble = error
        finally:
            server.close()

    def _put(self, name: str, series: Iterable[Series]) -> None:
        try:
            with self._lock:
                self._take(name, series)
        except ValueError:
            self.round.failed[name] = NO_NUMBER

    def _take(self, name: str, series: Iterable[Series]) -> None:
        if name in _dcgm.fields():
            self._devices.take(name, series)
        else:
            _exported.take(self.round.told, name, series, self._source.label)


def _ages(server: Server, source: MetricsSource, names: list[str], into: Round) -> None:
    """How old the newest sample of each node is. An instant query tells the time of the question, so time is asked for.

    One series of each exporter stands for all that it exports. Raises ConnectError.
    """
    fields = [name for name in names if name in _dcgm.fields()]
    anchors = [name for name in (_exported.ANCHOR, *fields[:1]) if name in names]
    for anchor in anchors:
        try:
            series = server.query(f"timestamp({server.select(anchor)})")
        except QueryFailed as error:
            into.failed[anchor] = str(error)
            continue
        try:
            _note_ages(series, anchor, source.label, into)
        except ValueError:
            into.failed[anchor] = NO_NUMBER


def _note_ages(series: Iterable[Series], anchor: str, label: str, into: Round) -> None:
    """Raises ValueError where one is no number."""
    for one in series:
        node = _node_of(one, anchor, label)
        if node is not None and node in into.told:
            _younger(into.told[node], one.value[0] - float(one.value[1]))


def _node_of(series: Series, anchor: str, label: str) -> str | None:
    if anchor == _exported.ANCHOR:
        return _exported.node_of(series.metric, label)
    return _dcgm.node_of(series.metric, label)


def _younger(node: NodeTold, age: float) -> None:
    node.age = min(node.age, max(0.0, age))
