"""The demo's ticket desk: an HTTP server on loopback that takes whatever is posted to it, and keeps it in a file.

So that playbooks which tell somebody, or open a ticket, have somewhere to go. Nothing leaves this machine.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path

from collectors.simulator.ssh_files import ADDRESS

FILE = "posted.jsonl"
_MOST_BYTES = 1 << 20


async def open_desk(folder: Path) -> int:
    """Its port."""
    server = await asyncio.start_server(partial(_heard, folder / FILE), ADDRESS, 0, limit=_MOST_BYTES)
    return server.sockets[0].getsockname()[1]


async def _heard(file: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request a connection."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, _, rest = head.partition("\r\n")
        lengths = [line.partition(":")[2] for line in rest.splitlines() if line.lower().startswith("content-length:")]
        body = await reader.readexactly(min(_MOST_BYTES, int(lengths[0]) if lengths else 0))
        _keep(file, {"path": first.split(" ")[1], "body": json.loads(body or b"null")})
        told = b'{"ok": true}'
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(told), told))
        await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, IndexError, ConnectionError):
        pass  # whoever speaks something else, or goes away, gets no answer
    finally:
        writer.close()


def _keep(file: Path, posted: dict[str, object]) -> None:
    with file.open("a", encoding="utf-8") as kept:
        kept.write(json.dumps(posted) + "\n")
