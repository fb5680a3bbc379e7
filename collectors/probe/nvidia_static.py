"""What a GPU is: asked once for each device, and again when devices come or go."""

from .cells import UNSUPPORTED, Missing
from .nvml import Device, ask

_TEXTS = (
    ("model", "nvmlDeviceGetName"),
    ("serial", "nvmlDeviceGetSerial"),
    ("board", "nvmlDeviceGetBoardPartNumber"),
    ("firmware", "nvmlDeviceGetVbiosVersion"),
)
_NUMBERS = (
    ("pcie_gen_max", "nvmlDeviceGetMaxPcieLinkGeneration"),
    ("pcie_width_max", "nvmlDeviceGetMaxPcieLinkWidth"),
)
METRICS = (
    "name vendor model uuid serial bus_id board driver runtime firmware partition_of profile index power_min power_max "
    "clock_sm_max clock_mem_max pcie_gen_max pcie_width_max"
).split()


def identity(nvml, device: Device, versions: dict) -> dict:
    """The lasting cells of a GPU or a MIG instance; of an instance the board's are those of its GPU."""
    cells = {"name": device.name, "vendor": "NVIDIA", "uuid": device.key, "index": device.index}
    cells.update(versions)
    if device.parent is not None:
        cells.update((name, device.parent.known[name]) for name in ("serial", "board", "firmware", "bus_id"))
        model = ask(nvml, "nvmlDeviceGetName", device.handle)
        cells.update(partition_of=device.parent.key, model=model, profile=_profile(nvml, device, model))
        return cells
    cells["partition_of"] = cells["profile"] = ""
    if isinstance(device.handle, Missing):  # lost before it could say who it is
        return dict(dict.fromkeys(METRICS, device.handle), **cells)
    cells.update((name, ask(nvml, call, device.handle)) for name, call in _TEXTS + _NUMBERS)
    cells["bus_id"] = _bus_id(nvml, device)
    cells["power_min"], cells["power_max"] = _limits(nvml, device)
    cells["clock_sm_max"] = ask(nvml, "nvmlDeviceGetMaxClockInfo", device.handle, nvml.NVML_CLOCK_SM)
    cells["clock_mem_max"] = ask(nvml, "nvmlDeviceGetMaxClockInfo", device.handle, nvml.NVML_CLOCK_MEM)
    return cells


def _profile(nvml, device: Device, model: "str | Missing") -> "str | Missing":
    """The shape of a MIG instance: newer drivers write it behind the product's name."""
    if isinstance(model, str) and " MIG " in model:
        return model.rpartition(" MIG ")[2]
    shape = ask(nvml, "nvmlDeviceGetAttributes_v2", device.handle)
    if isinstance(shape, Missing):
        return shape
    slices, part = shape.gpuInstanceSliceCount, shape.computeInstanceSliceCount
    gigabytes = round(shape.memorySizeMB / 1024.0)
    return ("" if part == slices else "%dc." % part) + "%dg.%dgb" % (slices, gigabytes)


def versions(nvml) -> dict:
    """Of the driver: the same for every device."""
    cuda = ask(nvml, "nvmlSystemGetCudaDriverVersion_v2")
    return {
        "driver": ask(nvml, "nvmlSystemGetDriverVersion"),
        "runtime": cuda if isinstance(cuda, Missing) else "CUDA %d.%d" % (cuda // 1000, cuda % 1000 // 10),
    }


def _bus_id(nvml, device: Device) -> "str | Missing":
    info = ask(nvml, "nvmlDeviceGetPciInfo_v3", device.handle)
    return info if isinstance(info, Missing) else info.busId or UNSUPPORTED


def _limits(nvml, device: Device) -> tuple:
    """Watts."""
    limits = ask(nvml, "nvmlDeviceGetPowerManagementLimitConstraints", device.handle)
    return (limits, limits) if isinstance(limits, Missing) else tuple(limit // 1000 for limit in limits)
