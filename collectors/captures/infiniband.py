"""Single files of /sys/class/infiniband, told by their path, and whole trees of /sys saved as one JSON object."""

from __future__ import annotations

import json
import re

from collectors.captures import Capture, Refused
from collectors.captures._tree import Tree, known
from collectors.probe import infiniband
from collectors.probe.cells import Absent, Board
from watchfloor.report import Software

MATCHES = "files of /sys/class/infiniband, one by one or as a JSON object of paths and texts"

_PORT = re.compile(r"(?:^|/)(?P<device>\w+)/ports/(?P<port>\d+)/(?P<file>(?:(?:hw_)?counters/)?\w+)$")
_DEVICE = re.compile(r"infiniband[\w-]*/(?:.*/)?(?P<device>\w+)/(?P<file>fw_ver|hca_type|board_id)$")
_WITHOUT_LAYER = ("name", "kind", "carrier_changes")
_BYTES = ("port_rcv_data", "port_xmit_data")


def matches(name: str, head: str) -> bool:
    return bool(_PORT.search(name) or _DEVICE.search(name)) or _is_tree(head)


def read(name: str, text: str) -> Capture:
    if _is_tree(text):
        return _tree(text)
    found = _PORT.search(name)
    if found:
        return _port_file(found["device"], found["port"], found["file"], text)
    found = _DEVICE.search(name)
    if found and found["file"] == "fw_ver":
        row = Software("firmware", "hca", text.strip(), subject=found["device"], where=name)
        return Capture("an adapter's firmware", stack=(row,))
    raise Refused("what an adapter is: the product has no column in the vocabulary")


def _port_file(device: str, port: str, file: str, text: str) -> Capture:
    if file.endswith(_BYTES):
        raise Refused("a counter of bytes at one moment: a rate takes two")
    tree = Tree({f"/sys/class/infiniband/{device}/ports/{port}/{file}": text})
    without = () if file == "link_layer" else _WITHOUT_LAYER
    rows = known(infiniband.Sampler(tree, Board()).sample().cells["link"], without)
    if not rows:
        raise Refused("an attribute of an InfiniBand port that has no column in the vocabulary")
    return Capture("/sys/class/infiniband", {"link": rows})


def _is_tree(head: str) -> bool:
    return bool(re.match(r'\{\s*"/sys/', head))


def _tree(text: str) -> Capture:
    try:
        files = json.loads(text)
    except ValueError as error:
        raise Refused(f"files of /sys as JSON, torn: {error}") from error
    tree = Tree({path: content for path, content in files.items() if isinstance(content, str)})
    try:
        rows = known(infiniband.Sampler(tree, Board()).sample().cells["link"])
    except Absent as absent:
        raise Refused(f"files of /sys: {absent}") from absent
    firmware = tuple(
        Software("firmware", "hca", tree.read(f"/sys/class/infiniband/{device}/fw_ver").strip(), subject=device)
        for device in tree.listdir("/sys/class/infiniband")
        if tree.exists(f"/sys/class/infiniband/{device}/fw_ver")
    )
    return Capture("files of /sys", {"link": rows}, stack=firmware)
