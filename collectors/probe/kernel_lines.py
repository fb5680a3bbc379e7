"""Messages of a kernel log -> events, as in watchfloor/report.py. Pure.

Must not do: read, or know how a log marks its lines; see kernel_prefix.py.
"""

import re

from .kernel_rules import CRITICAL, INFO, LEVELS, LOST_XIDS, RULES, WARNING, XID_FACTS
from .pcie import normal
from .redact import redact

MOST_TEXT = 500  # characters
_MOST_LINE = 2000  # characters: no fact of it is longer than the console takes
_MOST_DEVICE = 100
_LARGEST_CODE = 1 << 31
_PCI_ADDRESS = re.compile(r"\b[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]\b")
# "mlx5_core 0000:5d:00.0: temp_warn:172:(pid 0): ", "amdgpu 0000:c1:00.0: amdgpu: ": the event has the device
_DRIVER = re.compile(r"^[\w-]+ [0-9a-fA-F]{4,8}:[0-9a-fA-F:]+\.[0-7]: (?:\w+:\d+:\(pid \d+\): |amdgpu: |\[drm\] )?")
_UNKNOWN = ("", "<unknown>", "'<unknown>'")
# A GPU that is lost before its driver came up is told in three lines, the address in the first
_LOST_BEGINS, _LOST_ENDS = "NVRM: The NVIDIA GPU ", "fallen off the bus and is not responding"
_SXID_GOES_ON = ("Data {", "Severity ")  # further lines of an SXid, with the same code
_FIELDS = ("device", "code", "text", "pid", "name", "level", "neuron")


def _by_needle() -> "list[tuple[str, list]]":
    found = {}
    for needle, *rule in RULES:
        found.setdefault(needle, []).append(rule)
    return list(found.items())


_RULES = _by_needle()


class Parser:
    """Line by line, in order: some things are told in several."""

    def __init__(self) -> None:
        self._lost = ""  # address of the three-line form, once its first line was seen
        self._sxid = None  # the last SXid, to which further lines belong

    def parse(self, message: str, device: str = "") -> "dict | None":
        """An event without `at` and `id`, or None. `device`: a PCI address that the log itself gives the line."""
        if message.startswith(_LOST_BEGINS):
            self._lost = message[len(_LOST_BEGINS) :].strip()
            return None
        if self._lost and _LOST_ENDS in message:
            lost, self._lost = self._lost, ""
            return _event("lost", CRITICAL, "GPU has " + message[message.index("fallen") :], {"device": lost})
        event = match(message, device)
        if event is not None and event["kind"] == "sxid":
            return self._sxid_or_more(event)
        return event

    def forget(self) -> None:
        """What was told so far has been handed out: nothing is added to it any more."""
        self._sxid = None

    def _sxid_or_more(self, event: dict) -> "dict | None":
        if not event["text"].startswith(_SXID_GOES_ON):
            self._sxid = event
            return event
        told = self._sxid
        if told is None or (told["device"], told["code"]) != (event["device"], event["code"]):
            event["severity"] = INFO  # what it belongs to was told before, or before the log begins
            return event
        name = "data" if event["text"].startswith("Data") else "detail"
        told["facts"][name] = event["text"]
        return None


def match(message: str, device: str = "") -> "dict | None":
    """The event of one line by itself."""
    message = message[:_MOST_LINE]
    for needle, rules in _RULES:
        if needle not in message:
            continue
        for kind, severity, pattern in rules:
            found = re.search(pattern, message) if pattern else True
            if found:
                groups = {} if found is True else {k: v for k, v in found.groupdict().items() if v is not None}
                groups.setdefault("device", device)
                return _event(kind, severity, message, groups)
    return None


def _event(kind: str, severity: str, message: str, groups: dict) -> dict:
    facts = {name: value for name, value in groups.items() if name not in _FIELDS}
    text = redact((groups.get("text") or _DRIVER.sub("", message)).strip())
    level = groups.get("level", "")
    event: dict = {
        "source": "kernel",
        "kind": kind,
        "severity": LEVELS.get(level.lower(), severity),
        "text": text[:MOST_TEXT],
        "device": _device(groups, message),
    }
    if "code" in groups:
        event["code"] = min(int(groups["code"]), _LARGEST_CODE)
    if kind == "xid":
        _add_xid_facts(event, facts, text)
    if kind == "lost" and "fallen off the bus" in text:
        event["code"] = LOST_XIDS[0]
    process = _process(groups)
    if process:
        event["process"] = process
    event["facts"] = facts
    return event


def _add_xid_facts(event: dict, facts: dict, text: str) -> None:
    for pattern in XID_FACTS:
        found = re.search(pattern, text)
        if found:
            facts.update((name, value) for name, value in found.groupdict().items() if value is not None)
            break
    event["severity"] = LEVELS.get(facts.pop("level", "").lower(), WARNING)
    if event["code"] in LOST_XIDS:
        event["severity"] = CRITICAL


def _device(groups: dict, message: str) -> str:
    """As the contract has it: a PCI address with domain and function, or the name that the line gives."""
    if "neuron" in groups:
        return "neuron" + groups["neuron"][:_MOST_DEVICE]
    told = groups["device"][:_MOST_DEVICE]
    if not told:
        found = _PCI_ADDRESS.search(message)
        return normal(found.group()) if found else ""
    if ":" not in told:
        return told
    try:
        return normal(told)
    except ValueError:
        return told.rstrip(":")


def _process(groups: dict) -> str:
    words = [groups.get(name, "").strip() for name in ("pid", "name")]
    return " ".join(word for word in words if word not in _UNKNOWN)[:100]


class Repeats:
    """Lets a few of a kind through and counts the others, so that a flood is a number and not a thousand events."""

    SECONDS = 60.0
    MOST = 3  # of the same in that time, told one by one
    KEYS = 500

    def __init__(self) -> None:
        self._windows = {}  # what makes them the same -> [began, told, the last one held back, how many]

    def take(self, event: dict) -> "list[dict]":
        """What is to be told now that `event` has come. Its time is the log's: the same log tells the same again."""
        link, text = event["facts"].get("link"), _DIGITS.sub("", event["text"])
        key = (event["kind"], event["device"], event.get("code"), link, text)
        window = self._windows.get(key)
        out = []
        if window is None or not 0 <= event["at"] - window[0] < self.SECONDS:
            out += self._close(key)
            window = self._windows[key] = [event["at"], 0, None, 0]
        if window[1] < self.MOST:
            window[1] += 1
            return [*out, event]
        window[2], window[3] = event, window[3] + 1
        return out

    def overdue(self, at: float) -> "list[dict]":
        """What was counted in times that have ended by `at`, in the log's clock; bounds what is kept."""
        ended = [key for key, window in self._windows.items() if at - window[0] >= self.SECONDS]
        if len(self._windows) - len(ended) > self.KEYS:
            ended = list(self._windows)
        return [event for key in ended for event in self._close(key)]

    def _close(self, key: tuple) -> "list[dict]":
        window = self._windows.pop(key, None)
        if window is None or window[2] is None:
            return []
        return [dict(window[2], facts=dict(window[2]["facts"], repeats=str(window[3])))]


_DIGITS = re.compile(r"0x[0-9a-fA-F]+|\d+")
