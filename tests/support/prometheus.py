"""A real Prometheus on loopback, in a folder of its own, scraping what a test names; and a console that reads it."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

from tests.support.parts import program
from tests.support.patience import PATIENCE_SECONDS
from tests.support.sshd import free_port
from watchfloor.frame import Frame
from watchfloor.model import NodeSpec, Phase
from watchfloor.wiring import Collection


class Prometheus:
    """One running server."""

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, **asked: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", f"{path}?{urlencode(asked)}")
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def count(self, promql: str) -> int:
        """How many series a query gives."""
        status, body = self.get("/api/v1/query", query=promql)
        assert status == 200, body
        return len(json.loads(body)["data"]["result"])

    def wait_for(self, promql: str, series: int) -> None:
        """Until a query gives that many series."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.count(promql) < series:
            assert time.monotonic() < deadline, f"{promql} gives {self.count(promql)} series, not {series}"
            time.sleep(0.05)  # between two questions, up to a deadline: the server tells nobody when it is ready


@contextmanager
def running_prometheus(folder: Path, targets: Mapping[str, int], more: str = "") -> Iterator[Prometheus]:
    """A server that scrapes each job's port on loopback every second; `more` is further YAML of a scrape config."""
    jobs = "".join(
        f"  - job_name: {job}\n    static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n{more}"
        for job, port in targets.items()
    )
    config = folder / "prometheus.yml"
    config.write_text(f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs or '  []'}\n")
    port = free_port()
    command = [program("prometheus", "prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
               f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(command, stderr=log, cwd=folder) as process:
        server = Prometheus(port, process)
        try:
            _wait_until_ready(server, folder)
            yield server
        finally:
            process.kill()
            process.wait()


def _wait_until_ready(server: Prometheus, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert server.process.poll() is None, (folder / "prometheus.log").read_text()
        try:
            if server.get("/-/ready")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)  # between two questions, up to a deadline: the server tells nobody when it is ready
    raise AssertionError((folder / "prometheus.log").read_text())


async def read_back(specs: Sequence[NodeSpec], enough: Callable[[Frame], bool]) -> Frame:
    """The first frame of a console that is enough."""
    found: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

    def on_frame(frame: Frame) -> None:
        if enough(frame) and not found.done():
            found.set_result(frame)

    running = asyncio.create_task(Collection(specs).run(on_frame, frames_a_second=10))
    try:
        return await asyncio.wait_for(found, PATIENCE_SECONDS)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def all_heard(frame: Frame) -> bool:
    return all(status.phase in (Phase.LIVE, Phase.STALE, Phase.BACKOFF) for status in frame.statuses)
