"""Lines of NVIDIA's fabric manager -> events, as in watchfloor/report.py. Pure.

"[Feb 27 2025 15:10:02] [ERROR] [tid 12727] detected NVSwitch non-fatal error 12028 on fid 0 on NVSwitch pci bus id
00000000:86:00.0 physical id 3 port 61"
"""

import re

from .kernel_lines import MOST_TEXT
from .kernel_prefix import parse as parse_prefix
from .kernel_rules import CRITICAL, INFO, WARNING
from .pcie import normal

_SEVERITIES = {"ERROR": WARNING, "CRITICAL": CRITICAL, "WARNING": WARNING, "NOTICE": INFO}
_MARKS = re.compile(r"\[(\w+)\] (?:\[tid \d+\] )?")
_SWITCH_ERROR = re.compile(
    r"detected NVSwitch (?P<level>fatal|non-fatal) error (?P<code>\d+) on fid (?P<fid>\d+) on NVSwitch pci bus id "
    r"(?P<device>[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]) physical id "
    r"(?P<physical>\d+)(?: port (?P<link>\d+))?"
)
_VERSION = re.compile(r"[Ff]abric [Mm]anager [Vv]ersion is ?: ?(?P<version>\d[\d.]+)")


def parse(line: str, now: float) -> "dict | None":
    """An event without `id`, of a line that tells of trouble."""
    stamp, _, rest = parse_prefix(line, now)
    marks = _MARKS.match(rest)
    if marks is None or marks.group(1) not in _SEVERITIES or not stamp.since:
        return None
    text = rest[marks.end() :].strip()
    event = {
        "at": stamp.seconds,
        "source": "fabricmanager",
        "kind": "fabric",
        "severity": _SEVERITIES[marks.group(1)],
        "text": text[:MOST_TEXT],
        "device": "",
        "facts": {},
    }
    found = _SWITCH_ERROR.search(text)
    if found:
        facts = {name: value for name, value in found.groupdict().items() if value is not None}
        event["severity"] = CRITICAL if facts.pop("level") == "fatal" else WARNING
        event["device"] = normal(facts.pop("device"))
        event.update(kind="sxid", code=min(int(facts.pop("code")), 1 << 31), facts=facts)
    return event


def version(line: str) -> str:
    """What it says of itself when it starts; "" in all other lines."""
    found = _VERSION.search(line)
    return found.group("version") if found else ""
