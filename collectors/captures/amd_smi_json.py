"""`amd-smi … --json`: metric, static, list, process, firmware, xgmi, topology, bad-pages, version."""

from __future__ import annotations

import re
from typing import Any

from collectors.captures import Capture, Refused, _amd
from collectors.probe import amd_smi
from watchfloor.report import Software

MATCHES = "amd-smi with --json, of ROCm 6 and 7"

_INDEX = re.compile(r'"gpu(_id)?"\s*:\s*\d')
_SECTIONS = re.compile(
    r'"(usage|power|clock|temperature|mem_usage|asic|bus|vbios|ifwi|bdf|process_list|process_info|fw_list'
    r'|link_metrics|links|retired|ecc|throttle|partition|memory_partition)"\s*:'
)
_VERSION = '"amdsmi_library_version"'
# the layers of what `amd-smi version` lists
_LAYERS = {"rocm_version": ("runtime", "rocm"), "amdgpu_version": ("driver", "amdgpu"),
           "amdsmi_library_version": ("library", "amdsmi")}  # fmt: skip


def matches(name: str, head: str) -> bool:
    return _VERSION in head or (_INDEX.search(head) is not None and _SECTIONS.search(head) is not None)


def read(name: str, text: str) -> Capture:
    try:
        document = amd_smi.decoded(text)
    except ValueError as error:
        raise Refused(f"amd-smi --json: not whole: {error}") from error
    if _VERSION in text:
        return Capture("amd-smi version --json", stack=tuple(_versions(document)))
    entries = amd_smi.entries(document)
    if not entries:
        raise Refused("amd-smi --json: no entry of a GPU")
    return _amd.capture("amd-smi --json", entries)


def _versions(document: Any) -> list[Software]:
    found = []
    for entry in document if isinstance(document, list) else [document]:
        for key, (layer, name) in _LAYERS.items():
            version = entry.get(key)
            if isinstance(version, dict):  # {"version": …} since 7.0
                version = version.get("version")
            if version not in (None, "N/A", ""):
                found.append(Software(layer, name, str(version), where="amd-smi version"))
    return found
