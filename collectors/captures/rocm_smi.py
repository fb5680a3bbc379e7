"""`rocm-smi` with --json or --csv, ROCm 4.3 to 6.x."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping

from collectors.captures import Capture, Refused, _amd
from collectors.probe import rocm_smi
from watchfloor.report import Software

MATCHES = "rocm-smi with --json or --csv"

_CARD = re.compile(r'"card\d+"\s*:\s*\{')
_CSV_HEAD = re.compile(r"^device,.*\(", re.M)
_DRIVER = re.compile(r'"Driver version"\s*:\s*"([^"]+)"', re.I)


def matches(name: str, head: str) -> bool:
    return _CARD.search(head) is not None or _CSV_HEAD.search(head) is not None


def read(name: str, text: str) -> Capture:
    if _CSV_HEAD.search(text):
        return _capture("rocm-smi --csv", _csv_cards(text), ())
    try:
        cards = rocm_smi.cards(text)
    except ValueError as error:
        raise Refused(f"rocm-smi --json: not whole: {error}") from error
    driver = _DRIVER.search(text)
    stack = (Software("driver", "amdgpu", driver.group(1), where="rocm-smi"),) if driver else ()
    return _capture("rocm-smi --json", cards, stack)


def _csv_cards(text: str) -> dict[str, dict[str, str]]:
    """Warnings may stand before the line of columns."""
    start = next(match.start() for match in [_CSV_HEAD.search(text)] if match)
    rows = csv.DictReader(io.StringIO(text[start:]))
    return {row["device"]: {key.lower(): value or "" for key, value in row.items() if key} for row in rows}


def _capture(tool: str, cards: Mapping[str, dict[str, str]], stack: tuple[Software, ...]) -> Capture:
    rows: _amd.Rows = {}
    doubled = set()
    for name, card in cards.items():
        cells = rocm_smi.cells(card)
        key = _amd.key_of(cells, name)
        if key in rows:  # the partitions of one board
            doubled.add(key)
            key = f"{key}/{name}"
        rows[key] = {**cells, "name": name, "vendor": "AMD"}
    if not rows:
        raise Refused(f"{tool}: no card is in it")
    notes = tuple(f"{key} is listed once for each of its partitions" for key in sorted(doubled))
    return Capture(tool, {"accelerator": rows}, (), stack, notes)
