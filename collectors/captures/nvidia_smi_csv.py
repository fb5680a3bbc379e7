"""`nvidia-smi --query-gpu=… --format=csv`: one row a GPU, in any choice of columns; of several rounds the last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from collectors import smi_csv
from collectors.captures import Capture, Refused
from collectors.captures._nvidia_smi import UNLISTED, Rows, pcie_link, plain

MATCHES = (
    "nvidia-smi --query-gpu --format=csv with its header: at least two columns that are known, one of them who it is"
)

_WHO = {"uuid", "index", "bus_id", "model"}


def matches(name: str, head: str) -> bool:
    lines = head.lstrip().splitlines()
    return bool(lines) and _is_header(smi_csv.split(lines[0]))


def read(name: str, text: str) -> Capture:
    cells = parse(text)
    if not cells["accelerator"]:
        raise Refused("a header of nvidia-smi --query-gpu, and no row")
    return Capture("nvidia-smi --query-gpu", cells)


def parse(text: str) -> dict[str, Rows]:
    """The newest row of each GPU, and its PCIe link."""
    header, *lines = [smi_csv.split(line) for line in text.strip().splitlines()]
    accelerators: Rows = {}
    for cells in (plain(smi_csv.cells_of(header, line)) for line in lines if len(line) == len(header)):
        key, name = _identity(cells, len(accelerators))
        accelerators[key] = {"name": name, "vendor": "NVIDIA", **cells}
    links: Rows = {}
    for key, row in accelerators.items():
        links.update(pcie_link(key, row))
    return {"accelerator": accelerators, "link": links}


def _identity(cells: dict[str, Any], row: int) -> tuple[str, str]:
    """Key and name, from what the row tells of who it is; else from its place."""
    index = cells.get("index")
    known = index if isinstance(index, int) else row
    told = [cells[name] for name in ("uuid", "bus_id") if isinstance(cells.get(name), str)]
    return (told[0] if told else UNLISTED.format(known)), f"gpu{known}"


def _is_header(columns: Sequence[str]) -> bool:
    known = smi_csv.known_columns(columns)
    return len(known) >= 2 and bool(_WHO & known)
