"""A real PostgreSQL in a folder of its own, on a Unix socket alone, run by an unprivileged account."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.parts import missing

_PATIENCE_SECONDS = 30.0
_QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "shared_buffers=16MB", "max_connections=20")


class PostgresServer:
    """One server, which may be stopped and started again over the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"postgresql://{_account()}@/postgres?host={self.folder}"

    def start(self) -> None:
        settings = [word for setting in _QUICK for word in ("-c", setting)]
        command = [
            *_as_account(),
            _program("postgres"),
            "-D",
            str(self.folder / "data"),
            "-h",
            "",
            "-k",
            str(self.folder),
        ]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*command, *settings], stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        ready = [_program("pg_isready"), "-q", "-h", str(self.folder)]
        while subprocess.run(ready, check=False).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "log").read_text("utf-8", "replace"))
            time.sleep(0.05)  # between two questions, up to a deadline: the server tells nobody when it is ready

    def stop(self) -> None:
        """At once, as a crash would: what was committed is there after the next start."""
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT: its immediate shutdown, children included
            self._process.wait(_PATIENCE_SECONDS)
            self._process = None


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    # a socket's path is short, and the account must reach it: pytest's folders are neither
    folder = Path(tempfile.mkdtemp(prefix="watchfloor-pg-", dir="/tmp"))
    server = PostgresServer(folder)
    try:
        if os.getuid() == 0:
            shutil.chown(folder, _account())
        make = [
            *_as_account(),
            _program("initdb"),
            "-D",
            str(folder / "data"),
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
        ]
        subprocess.run([*make, "--locale=C.UTF-8"], check=True, stdout=subprocess.DEVNULL, cwd=folder, timeout=60)
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _account() -> str:
    """Who runs it: PostgreSQL refuses to be root."""
    return "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name


def _as_account() -> list[str]:
    if os.getuid() != 0:
        return []
    return ["setpriv", f"--reuid={_account()}", f"--regid={_account()}", "--init-groups"]


def _program(name: str) -> str:
    """Debian keeps the server's programs apart, by version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    there = str(found[-1]) if found else shutil.which(name)
    if there is None:
        missing(f"{name} (Debian: postgresql)")
    return str(there)
