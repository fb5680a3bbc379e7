"""Logs of NVIDIA's fabric manager."""

from __future__ import annotations

import re
import time

import msgspec

from collectors.captures import Capture, Refused
from collectors.probe import fabric_lines
from watchfloor.report import Event, Software

MATCHES = "logs of NVIDIA's fabric manager"

_MARKED = re.compile(r"^\[\w{3} +\d+ \d{4} \d\d:\d\d:\d\d\] \[[A-Z]+\] \[tid \d+\] ", re.MULTILINE)


def matches(name: str, head: str) -> bool:
    return bool(_MARKED.search(head))


def read(name: str, text: str) -> Capture:
    now, lines = time.time(), text.splitlines()
    events = [event for event in (fabric_lines.parse(line, now) for line in lines) if event is not None]
    versions = {fabric_lines.version(line) for line in lines} - {""}
    if not events and not versions:
        raise Refused(f"a log of the fabric manager of {len(lines)} lines, none of which tells of trouble")
    stack = tuple(Software("driver", "fabric manager", version, where=name) for version in sorted(versions))
    return Capture("fabric manager log", events=tuple(msgspec.convert(event, Event) for event in events), stack=stack)
