"""The software of the node itself: kernel, drivers, firmware, and what is installed for all users.

Rows are watchfloor.report.Software.
"""

import json
import re

from .sysfs import attribute

# kernel module -> layer
_MODULES = {
    "amdgpu": "driver", "habanalabs": "driver", "neuron": "driver", "i915": "driver", "xe": "driver",
    "nvidia_peermem": "driver", "gdrdrv": "driver", "gasket": "driver", "apex": "driver",
    "mlx5_core": "network", "mlx4_core": "network", "efa": "network", "gve": "network", "ena": "network",
    "irdma": "network", "bnxt_en": "network", "bnxt_re": "network", "lustre": "network",
}  # fmt: skip
_NVIDIA = re.compile(r"Kernel Module(?: for \S+)?\s+(\d+\.\d+(?:\.\d+)*)")
_PORTS = "/sys/class/infiniband/"
_INSTALLED = (
    ("runtime", "cuda-toolkit", "/usr/local/cuda/version.json"),
    ("runtime", "rocm", "/opt/rocm/.info/version"),
)


def row(layer: str, name: str, version: str, where: str, user: str = "", missing: int = 0) -> dict:
    """One row; what is empty is left out, which keeps reports short."""
    found = {"layer": layer, "name": name, "version": version, "where": where}  # type: dict
    if user:
        found["user"] = user
    if missing:
        found["missing"] = missing
    return found


def rows(world) -> "list[dict]":
    return _system(world) + _drivers(world) + _firmware(world) + _adapters(world) + _installed(world)


def _text(world, path: str) -> str:
    """The text of a small file, "" where there is none for us."""
    found = attribute(world, path, keep=False)
    return found if isinstance(found, str) else ""


def _system(world) -> "list[dict]":
    found = [row("os", "kernel", world.uname().release, "uname")]
    facts = dict(line.split("=", 1) for line in _text(world, "/etc/os-release").splitlines() if "=" in line)
    name = facts.get("PRETTY_NAME", "").strip("'\"")
    return [*found, row("os", "distribution", name, "/etc/os-release")] if name else found


def _drivers(world) -> "list[dict]":
    found = [one for one in (_module(world, name, layer) for name, layer in _MODULES.items()) if one]
    told = _text(world, "/proc/driver/nvidia/version")
    nvidia = _NVIDIA.search(told)
    if nvidia:
        kind = "open kernel module" if "Open Kernel Module" in told else "proprietary kernel module"
        found.append(row("driver", "nvidia", nvidia.group(1), "/proc/driver/nvidia/version: " + kind))
    return found


def _module(world, name: str, layer: str) -> "dict | None":
    """A loaded module. One of the kernel's own tree has no version: it goes with the kernel, which is worth knowing."""
    folder = "/sys/module/" + name
    version = _text(world, folder + "/version")
    if version:
        return row(layer, name, version, folder + "/version")
    return row(layer, name, "in-tree", folder) if world.exists(folder) else None


def _firmware(world) -> "list[dict]":
    found = []
    bios, product = _text(world, "/sys/class/dmi/id/bios_version"), _text(world, "/sys/class/dmi/id/product_name")
    if bios:
        found.append(row("firmware", ("bios " + product).strip(), bios, "/sys/class/dmi/id/bios_version"))
    try:
        microcode = re.search(r"(?m)^microcode\s*:\s*(\S+)", world.first_page("/proc/cpuinfo"))
    except OSError:
        microcode = None
    if microcode:
        found.append(row("firmware", "microcode", microcode.group(1), "/proc/cpuinfo"))
    return found


def _adapters(world) -> "list[dict]":
    """Firmware of the RDMA adapters, by board: equal boards are one row, and each of their versions is one more."""
    try:
        devices = sorted(world.listdir(_PORTS))
    except OSError:
        return []
    seen = set()
    for device in devices:
        board, version = (_text(world, _PORTS + device + "/" + name) for name in ("board_id", "fw_ver"))
        if version:
            seen.add((("nic " + board).strip(), version))
    return [row("firmware", name, version, _PORTS + "*/fw_ver") for name, version in sorted(seen)]


def _installed(world) -> "list[dict]":
    found = []
    for layer, name, path in _INSTALLED:
        version = parse_installed(_text(world, path))
        if version:
            found.append(row(layer, name, version, path))
    return found


def parse_installed(text: str) -> str:
    """Of CUDA's version.json ({"cuda": {"version": "12.4.1"}}) or ROCm's .info/version (6.2.0-66)."""
    if not text.startswith("{"):
        return text.partition("-")[0]
    try:
        return str(json.loads(text)["cuda"]["version"])
    except (ValueError, KeyError, TypeError):
        return ""
