"""A server process of the simulator, seen from its owner: started, asked for its first answer, ended.

The server lives in a process of its own so that it never burdens the loop of the console under test. It holds the
reading end of a pipe and ends when the pipe does, so that it can't outlive its owner, however that one ends.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import watchfloor
from watchfloor.errors import WatchfloorError

START_SECONDS = 30.0
END_SECONDS = 5.0
LOG = "server.log"


class Service:
    """One running server. `answer` is what it said once it was ready; `folder` is private and ends with it."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, owned: bool) -> None:
        self.answer: dict[str, Any] = {}
        self.folder = folder
        self._process = process
        self._owned = owned

    @property
    def pid(self) -> int:
        return self._process.pid

    @classmethod
    async def start(cls, module: str, settings: dict[str, Any], folder: Path | None = None) -> Service:
        """Run `python -m module`, give it `settings` and `folder`, wait until it listens.

        Raises WatchfloorError, with the last words of the server, where it doesn't start within half a minute.
        """
        service = cls(*_spawn(module, settings, folder))
        try:
            async with asyncio.timeout(START_SECONDS):
                service.answer = await asyncio.to_thread(service._first_line)
        except (TimeoutError, ValueError) as error:
            words = service._last_words()
            await service.close()
            raise WatchfloorError(f"the simulator did not start: {words or 'no answer'}", _ADVICE) from error
        except BaseException:
            await service.close()
            raise
        return service

    def _first_line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def _last_words(self) -> str:
        lines = (self.folder / LOG).read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")

    async def close(self) -> None:
        """End the server and everything that it started, and remove the folder. Twice does no harm."""
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._owned:
            shutil.rmtree(self.folder, ignore_errors=True)


_ADVICE = "the simulator needs to listen on 127.0.0.1 and a folder that it can write to: see TMPDIR"


def _spawn(module: str, settings: dict[str, Any], folder: Path | None) -> tuple[subprocess.Popen[bytes], Path, bool]:
    owned = folder is None
    place = Path(tempfile.mkdtemp(prefix="watchfloor-")) if folder is None else folder
    place.mkdir(parents=True, exist_ok=True)
    with (place / LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the console: it ends its server itself
        )
    assert process.stdin is not None
    told = {**settings, "folder": str(place), "remove": owned}
    process.stdin.write(json.dumps(told).encode() + b"\n")
    process.stdin.flush()
    return process, place, owned


def _environment() -> dict[str, str]:
    """This process's, with the folders of this package and of `watchfloor` first on the path (wheel or checkout)."""
    folders = [Path(__file__).parents[2], Path(watchfloor.__file__).parents[1]]
    path = [str(folder) for folder in folders] + [os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in path if part)}
