"""`watchfloor export`: our own metrics, served for as long as it runs."""

from __future__ import annotations

import threading
import time
from typing import Annotated

from cyclopts import Parameter

from watchfloor import wiring
from watchfloor.commands import output
from watchfloor.commands.arguments import Hosts, Source
from watchfloor.errors import ConfigError, WatchfloorError
from watchfloor.exits import Exit
from watchfloor.exporter import Newest, serve
from watchfloor.httpserver import address_of, shown_address

_LOOK_SECONDS = 1.0  # how often it is asked whether the collectors still live


def export(
    *hosts: Hosts,
    source: Source = Source(),
    prometheus: Annotated[bool, Parameter(help="In Prometheus' text exposition format, at /metrics.")] = False,
    listen: Annotated[str, Parameter(help="Address and port; port 0 takes a free one.")] = "127.0.0.1:9409",
) -> int:
    """Collect the fleet and serve it at http://ADDRESS:PORT/metrics until Ctrl-C. Read-only, without authentication."""
    if not prometheus:
        raise ConfigError("in which format?", "watchfloor export --prometheus", file="export")
    host, port = address_of(listen)
    specs = source.specs(hosts)
    newest = Newest(time.time)
    with serve(newest, host, port) as server:
        feed = wiring.LiveFeed(specs)
        feed.start(newest.take)
        threading.Thread(target=server.serve_forever, name="exporter", daemon=True).start()
        output.write(f"http://{shown_address(host, server)}/metrics")
        output.remark(f"{len(specs)} node{'s' if len(specs) != 1 else ''}; until Ctrl-C")
        try:
            _until_trouble(feed)
        finally:
            server.shutdown()
            feed.stop()
    return Exit.OK


def _until_trouble(feed: wiring.LiveFeed) -> None:
    """Wait for Ctrl-C. Raises WatchfloorError where the collectors have ended by themselves."""
    while not feed.trouble():
        time.sleep(_LOOK_SECONDS)
    raise WatchfloorError(f"the collectors ended by themselves: {feed.trouble()}", "start it again, and report this")
