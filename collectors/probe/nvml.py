"""The common ground of the NVIDIA samplers: opening the library, naming devices, asking and why there is no answer."""

from . import letting_go
from .cells import (
    FAILED_CODE,
    LOST_CODE,
    NOT_PERMITTED_CODE,
    NOT_YET_CODE,
    TIMED_OUT_CODE,
    UNSUPPORTED,
    UNSUPPORTED_CODE,
    Absent,
    Missing,
)

# nvml.h, nvmlReturn_t
_LIBRARY_NOT_FOUND, _DRIVER_NOT_LOADED = 12, 9
_NOT_SUPPORTED, _GPU_IS_LOST = 3, 15
_REASONS = {
    2: UNSUPPORTED_CODE,  # invalid argument: this device has no such thing
    _NOT_SUPPORTED: UNSUPPORTED_CODE,
    4: NOT_PERMITTED_CODE,
    6: UNSUPPORTED_CODE,  # not found
    10: TIMED_OUT_CODE,
    13: UNSUPPORTED_CODE,  # function not found: the driver is older than the call
    _GPU_IS_LOST: LOST_CODE,
    21: UNSUPPORTED_CODE,  # no data
    25: UNSUPPORTED_CODE,  # argument version mismatch: the driver is older than the structure
    26: UNSUPPORTED_CODE,  # deprecated
    27: NOT_YET_CODE,  # not ready
    28: LOST_CODE,  # GPU not found
}


def held(world, nvml):
    """The initialised pynvml module: `nvml` where it is, else it is opened. To be asked for at every sample.

    Raises Paused while it is to be let go of, upon which `closed` is due, and as `_opened` does.
    """
    letting_go.check(world)
    return _opened(world) if nvml is None else nvml


def _opened(world):
    """Raises Absent where there is no driver, NVMLError where it refuses."""
    try:
        nvml = world.nvml()
    except ImportError as error:
        raise Absent("pynvml can't be imported: %s" % error) from error
    except OSError as error:
        words = str(error)
        raise Absent("libnvidia-ml.so.1 not found" if "No such file" in words else words) from error
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        if error.value == _LIBRARY_NOT_FOUND:
            raise Absent("libnvidia-ml.so.1 not found") from error
        if error.value == _DRIVER_NOT_LOADED:
            raise Absent("the NVIDIA driver is not loaded") from error
        raise
    return nvml


def closed(nvml) -> None:
    """Let go of the driver, so that `held` finds it anew; it may be gone already."""
    try:
        nvml.nvmlShutdown()
    except nvml.NVMLError:
        pass


def reason(nvml, code: int) -> Missing:
    """Why there is no value, from an NVML return code; plain "not supported" needs no words of the driver's."""
    if code == _NOT_SUPPORTED:
        return UNSUPPORTED
    return Missing(_REASONS.get(code, FAILED_CODE), str(nvml.NVMLError(code)))


def ask(nvml, function: str, *arguments):
    """One call by name: its value, or why there is none."""
    try:
        return getattr(nvml, function)(*arguments)
    except nvml.NVMLError as error:
        return reason(nvml, error.value)


class Device:
    """A GPU or a MIG instance. `key` is its uuid; `known` are the cells that don't change."""

    def __init__(self, handle, key: str, name: str, index: int, parent: "Device | None" = None) -> None:
        self.handle = handle
        self.key = key
        self.name = name
        self.index = index
        self.parent = parent
        self.partitions = []
        self.known = {}
        self.unsupported = {}  # first metric of a question -> its cells: need not be asked again


def gpus(nvml) -> "list[Device]":
    """The GPUs in the order of their index. One that has fallen off the bus has a key made of its index."""
    found = []
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = ask(nvml, "nvmlDeviceGetHandleByIndex", index)
        key = handle if isinstance(handle, Missing) else ask(nvml, "nvmlDeviceGetUUID", handle)
        name = "gpu%d" % index
        found.append(Device(handle, "nvidia:%d" % index if isinstance(key, Missing) else key, name, index))
    return found


def partitions(nvml, gpu: Device) -> "list[Device]":
    """The MIG instances of a GPU; the driver leaves gaps between their indices."""
    mode = ask(nvml, "nvmlDeviceGetMigMode", gpu.handle)
    if isinstance(mode, Missing) or not mode[0]:
        return []
    count = ask(nvml, "nvmlDeviceGetMaxMigDeviceCount", gpu.handle)
    found = []
    for index in range(0 if isinstance(count, Missing) else count):
        handle = ask(nvml, "nvmlDeviceGetMigDeviceHandleByIndex", gpu.handle, index)
        key = handle if isinstance(handle, Missing) else ask(nvml, "nvmlDeviceGetUUID", handle)
        if not isinstance(key, Missing):
            found.append(Device(handle, key, "%s/mig%d" % (gpu.name, index), index, gpu))
    return found


def answers(nvml, device: Device, questions) -> "dict | None":
    """The cells of a list of questions (metric names, function of module and handle); None where the device is lost.

    What a device doesn't support is asked once and then left alone: an exception costs more than an answer.
    """
    cells = {}
    for names, call in questions:
        if names[0] in device.unsupported:
            cells.update(device.unsupported[names[0]])
            continue
        try:
            cells.update(zip(names, call(nvml, device.handle)))
        except nvml.NVMLError as error:
            missing = reason(nvml, error.value)
            if missing.code == LOST_CODE:
                return None
            none = dict.fromkeys(names, missing)
            cells.update(none)
            if missing.code == UNSUPPORTED_CODE:
                device.unsupported[names[0]] = none
    return cells


def lost(names) -> dict:
    return dict.fromkeys(names, Missing(LOST_CODE, "GPU is lost"))


def field_values(nvml, handle, fields: list) -> list:
    """Values of a batch of fields (id, or (id, scope)): each a number, or why there is none."""
    values = []
    for answer in nvml.nvmlDeviceGetFieldValues(handle, fields):
        code = plain(answer, "nvmlReturn")
        values.append(reason(nvml, code) if code else _number(answer))
    return values


def ask_fields(nvml, handle, fields: list) -> list:
    """As `field_values`; where the whole batch is refused, every value is the reason."""
    try:
        return field_values(nvml, handle, fields)
    except nvml.NVMLError as error:
        return [reason(nvml, error.value)] * len(fields)


# pynvml's structures look for bytes to decode at each access of an attribute; numbers need no such care
plain = object.__getattribute__

_UNION = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")


def _number(answer):
    """The member of the union that `valueType` names (nvml.h, nvmlValueType_t)."""
    return plain(plain(answer, "value"), _UNION[plain(answer, "valueType")])
