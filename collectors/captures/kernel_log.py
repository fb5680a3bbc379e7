"""Kernel logs: records of /dev/kmsg, dmesg in every format, syslog files, plain lines."""

from __future__ import annotations

import re
import time
from pathlib import PurePath

import msgspec

from collectors.captures import Capture, Refused
from collectors.probe import kernel_prefix
from collectors.probe.kernel_lines import Parser, match
from watchfloor.report import Event

MATCHES = "kernel logs: dmesg in every format, records of /dev/kmsg, syslog files"

_NAMED = re.compile(r"dmesg|kmsg|kern(el)?[._-]|journal|syslog|messages")
_MARKED = re.compile(r"^(?:\d+,\d+,\d+,[^;]*;|<\d+>\[|\[ *\d+\.\d{6}\] |kern +:\w+ *: )", re.MULTILINE)


def matches(name: str, head: str) -> bool:
    named = _NAMED.search(PurePath(name).name) is not None or "kernel-log" in name
    return bool(_MARKED.search(head)) or (named and any(match(line) for line in head.splitlines()))


def read(name: str, text: str) -> Capture:
    parser, events, since_boot = Parser(), [], False
    now = time.time()
    lines = text.splitlines()
    for line in lines:
        at, program, message, device = _parts(line, now)
        event = parser.parse(message, device) if program in ("", "kernel") else None
        if event is not None:
            since_boot = since_boot or at.since != "epoch"
            events.append({"at": at.seconds, **event})
    if not events:
        raise Refused(f"a kernel log of {len(lines)} lines, none of which tells of a fault or a link")
    notes = ("its times are seconds since the start of the node, or unknown (0)",) if since_boot else ()
    return Capture("kernel log", events=tuple(msgspec.convert(event, Event) for event in events), notes=notes)


def _parts(line: str, now: float) -> tuple[kernel_prefix.Stamp, str, str, str]:
    try:
        _, since_boot, message, device = kernel_prefix.kmsg(line)
    except ValueError:
        return *kernel_prefix.parse(line, now), ""
    return kernel_prefix.Stamp(since_boot, "boot"), "", message, device
