"""What the readers of nvidia-smi's outputs have in common: rows of the vocabulary from what `collectors` parsed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors import smi_log
from collectors.probe import pcie
from collectors.probe.cells import Missing
from collectors.smi_log import Fields
from collectors.smi_values import Absence, Value, absence
from watchfloor.report import Software

Rows = dict[str, dict[str, Any]]
UNLISTED = "nvidia:{}"  # key of a GPU whose output tells its index only, as the probe names one


@dataclass
class Gpu:
    """One GPU of a log, and its MIG instances."""

    fields: Fields
    partitions: Sequence[Fields] = ()


@dataclass
class Log:
    """`nvidia-smi -q` in either form: `head` holds what stands before the first GPU."""

    head: Fields
    gpus: list[Gpu]
    notes: list[str] = field(default_factory=list)

    def version(self, *names: str) -> str:
        """A version of the head, "" where it isn't told."""
        text = next((self.head[name] for name in names if name in self.head), "")
        return "" if absence(text) else text


def plain(cells: Mapping[str, Value]) -> dict[str, Any]:
    """Cells as samplers give them."""
    return {
        name: Missing(int(value.reason), value.words) if isinstance(value, Absence) else _whole(value)
        for name, value in cells.items()
    }


def _whole(value: float | str) -> float | str:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def rows(log: Log) -> dict[str, Rows]:
    """The accelerators of a log, their MIG instances and their PCIe links."""
    accelerators: Rows = {}
    links: Rows = {}
    shared = {"vendor": "NVIDIA", **_versions(log)}
    for index, gpu in enumerate(log.gpus):
        cells = plain(smi_log.cells_of(gpu.fields))
        uuid = cells.get("uuid")
        key = uuid if isinstance(uuid, str) else UNLISTED.format(index)
        accelerators[key] = {"name": f"gpu{index}", "partition_of": "", **shared, **cells}
        links.update(pcie_link(key, accelerators[key]))
        for partition in gpu.partitions:
            number = partition.get("index", "0")
            accelerators[f"{key}/mig{number}"] = {
                **shared,
                **plain(smi_log.partition_cells(partition)),
                "name": f"gpu{index}/mig{number}",
                "partition_of": key,
                "model": cells.get("model", ""),
            }
    return {"accelerator": accelerators, "link": links}


def _versions(log: Log) -> dict[str, str]:
    driver, cuda = log.version("driver_version"), log.version("cuda_version")
    return {name: text for name, text in (("driver", driver), ("runtime", f"CUDA {cuda}" if cuda else "")) if text}


def pcie_link(key: str, cells: Mapping[str, Any]) -> Rows:
    """The PCIe link of a GPU, from its own cells; none where they say nothing of it."""
    told = {name: cells[of] for name, of in _OF_PCIE if of in cells}
    if not told:
        return {}
    row = {"name": f"{cells['name']}/pcie", "kind": "pcie", "accelerator": key, **told}
    for name, generation, width in (("speed", "gen", "width"), ("speed_max", "gen_max", "width_max")):
        if generation in told and width in told:
            row[name] = pcie.speed_of(told[generation], told[width])
    return {f"pcie:{key}": row}


_OF_PCIE = (
    ("gen", "pcie_gen"),
    ("gen_max", "pcie_gen_max"),
    ("width", "pcie_width"),
    ("width_max", "pcie_width_max"),
    ("rx", "pcie_rx"),
    ("tx", "pcie_tx"),
    ("replay_errors", "pcie_replays"),
)


def stack(log: Log, accelerators: Iterable[str]) -> tuple[Software, ...]:
    """Versions that a log tells, of the node and of each GPU."""
    found = [
        Software("driver", "nvidia", log.version("driver_version"), "", "nvidia-smi -q"),
        Software("runtime", "cuda", log.version("cuda_version"), "", "nvidia-smi -q"),
    ]
    for key, gpu in zip(accelerators, log.gpus, strict=True):
        for name, paths in _FIRMWARE:
            text = next((gpu.fields[path] for path in paths if path in gpu.fields), "N/A")
            found.append(Software("firmware", name, "" if absence(text) else text, key, "nvidia-smi -q"))
    return tuple(one for one in found if one.version)


_FIRMWARE = (
    ("vbios", ("vbios_version",)),
    ("gsp", ("gsp_firmware_version",)),
    ("inforom", ("inforom_version/img_version", "inforom_version/image_version")),
)
