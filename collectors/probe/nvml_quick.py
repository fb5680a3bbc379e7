"""What every GPU is asked at every tick, all answers in one piece of memory that is made once.

pynvml makes a structure for each call and raises an exception for each refusal; at eight GPUs a second that is most of
what the probe costs. Here its functions write to fixed offsets of one block, which is then unpacked in one go, and a
GPU of which nothing has changed hands out the very same cells. The layouts are pynvml's own, and a test holds both to
the same answers. What a driver or device refuses is asked in the ordinary way (nvidia_live.QUICK), which knows older
calls and tells the reason; so is everything where the module isn't the real pynvml (the simulator's).
"""

import ctypes
import struct

from .cells import told_power
from .nvidia_live import CORE, QUICK
from .nvml import answers

# nvml.h: the versions of nvmlMemory_v2_t and nvmlMarginTemperature_v1_t (size, and number << 24); NVML_CLOCK_SM
_MEMORY_V2, _MARGIN_V1, _CLOCK_SM = 0x02000028, 0x01000008, 1
# first metric of the question in nvidia_live.QUICK that it stands for, its call, what comes before the pointer, what
# is found behind the pointer (padded to 8 bytes), and the version of the structure to be written there first
_CALLS = (
    ("util", "nvmlDeviceGetUtilizationRates", (), "II", 0),
    ("mem_used", "nvmlDeviceGetMemoryInfo_v2", (), "4x4xQQ8xQ", _MEMORY_V2),
    ("power", "nvmlDeviceGetPowerUsage", (), "I4x", 0),
    ("temp", "nvmlDeviceGetTemperature", (CORE,), "I4x", 0),
    ("temp_margin", "nvmlDeviceGetMarginTemperature", (), "4xi", _MARGIN_V1),
    ("clock_sm", "nvmlDeviceGetClockInfo", (_CLOCK_SM,), "I4x", 0),
    ("throttle", "nvmlDeviceGetCurrentClocksEventReasons", (), "Q", 0),
)
_ALL = struct.Struct("=" + "".join(layout for _, _, _, layout, _ in _CALLS))


class Quick:
    """The quick questions to one GPU."""

    def __init__(self, nvml, device) -> None:
        self._nvml = nvml
        self._device = device
        self._memory = ctypes.create_string_buffer(_ALL.size)
        self._calls = []  # (function, its arguments)
        self._metrics = set()  # that they answer
        self._seen = b""
        self._cells = {}
        self._others = ()  # questions that are asked in the ordinary way
        self.bind()

    def bind(self) -> None:
        """Find out again which questions can be asked the quick way, where it isn't all of them."""
        if len(self._calls) == len(_CALLS):
            return
        offset, bound, self._calls, self._seen = 0, set(), [], b""
        for name, call, arguments, layout, version in _CALLS:
            if self._try(call, arguments, offset, version):
                bound.add(name)
            offset += struct.calcsize("=" + layout)
        self._others = tuple(question for question in QUICK if question[0][0] not in bound)
        self._metrics = {name for names, _ in QUICK for name in names if names[0] in bound}

    def _try(self, name: str, arguments: tuple, offset: int, version: int) -> bool:
        """Bind a call where the driver has it, and the device answers it."""
        try:
            function = self._nvml._nvmlGetFunctionPointer(name)
        except (AttributeError, self._nvml.NVMLError):
            return False
        if version:
            struct.pack_into("=I", self._memory, offset, version)
        arguments = (self._device.handle, *arguments, ctypes.byref(self._memory, offset))
        if function(*arguments):
            return False
        self._calls.append((function, arguments))
        return True

    def ask(self) -> "tuple | None":
        """The cells, in parts; None where the device is lost."""
        for function, arguments in self._calls:
            if function(*arguments):  # it was answered before: the ordinary way tells what is wrong now
                self._calls, self._others = [], QUICK
                break
        others = answers(self._nvml, self._device, self._others) if self._others else {}
        if others is None:
            return None
        if not self._calls:
            return (others,)
        memory = self._memory.raw
        if memory != self._seen:
            self._seen, self._cells = memory, self._read(memory)
        return (self._cells, others) if others else (self._cells,)

    def _read(self, memory: bytes) -> dict:
        cells = _cells(_ALL.unpack(memory))
        return {name: cells[name] for name in self._metrics} if self._others else cells


def _cells(values: tuple) -> dict:
    """In the catalogue's units, as nvidia_live gives them."""
    util, mem_util, total, reserved, used, milliwatts, temp, margin, clock, throttle = values
    return {
        "util": util,
        "mem_util": mem_util,
        "mem_used": used,
        "mem_total": total,
        "mem_reserved": reserved,
        "power": told_power(milliwatts / 1000.0),
        "temp": temp,
        "temp_margin": margin,
        "clock_sm": clock,
        "throttle": throttle,
    }
