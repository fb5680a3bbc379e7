"""The package manager of simulated nodes, and the versions that their kernel modules, adapters and computers tell."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatch

from collectors.simulator.hardware import Shape
from collectors.simulator.machine import Machine
from collectors.simulator.port_files import IB, ports
from collectors.simulator.software import ADAPTER, PRODUCTS, firmware, packages

PROGRAM = "dpkg-query"
_MLX5 = "24.10-2.1.8"


def on(shape: Shape) -> bool:
    return True


def answer(machine: Machine, argv: list[str]) -> str:
    """Of `dpkg-query -W -f FORMAT PATTERN …`, in the format that the probe asks for."""
    installed, patterns = packages(machine.plan.shape, machine.plan.name), argv[4:]
    return "".join(
        f"{name} {version} installed\n"
        for name, version in sorted(installed.items())
        if any(fnmatch(name, pattern) for pattern in patterns)
    )


def files(machine: Machine) -> dict[str, Callable[[], str]]:
    shape, name = machine.plan.shape, machine.plan.name
    product, bios = PRODUCTS[shape.name]
    texts = {"/sys/class/dmi/id/product_name": product, "/sys/class/dmi/id/bios_version": bios}
    if shape.vendor == "nvidia":
        texts["/proc/driver/nvidia/version"] = _nvidia(shape)
    if shape.vendor == "habana":
        texts["/sys/module/habanalabs/version"] = shape.driver
    if ports(machine):
        texts["/sys/module/mlx5_core/version"] = _MLX5
    for port in ports(machine):
        texts[f"{IB}/mlx5_{port}/fw_ver"] = firmware(name, port)
        texts[f"{IB}/mlx5_{port}/board_id"] = ADAPTER
    return {path: _constant(text) for path, text in texts.items()}


def _nvidia(shape: Shape) -> str:
    kind = "NVIDIA UNIX Open Kernel Module for " if shape.name != "rtx" else "NVIDIA UNIX "
    module = f"{kind}{shape.machine}" + ("" if shape.name != "rtx" else " Kernel Module")
    return f"NVRM version: {module}  {shape.driver}  Release Build  (dvs-builder@U22-I3-B17-02-5)"


def _constant(text: str) -> Callable[[], str]:
    return lambda: f"{text}\n"
