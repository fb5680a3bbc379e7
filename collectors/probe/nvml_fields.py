"""Numbers that are asked for again and again: pynvml's calls, without its structures made anew each time.

The layout is pynvml's own (nvmlFieldValue_t), and a test holds both to the same answers. A module that isn't the real
pynvml (the simulator's) has no function pointer to bind: it is asked in the ordinary way.
"""

import ctypes
import struct

from .nvml import ask, ask_fields, reason

_FIELD = struct.Struct("=IIqqIi8s")  # id, scope, timestamp, latency, type, return code, value
_VALUES = [
    struct.Struct("=%s%dx" % layout).unpack
    for layout in (("d", 0), ("I", 4), ("Q", 0), ("Q", 0), ("q", 0), ("i", 4), ("H", 6))
]  # by type, nvmlValueType_t


class FieldBatch:
    """`fields` are (id, scope) of one device. `values` asks for all of them in one call."""

    def __init__(self, nvml, handle, fields: list) -> None:
        self._nvml = nvml
        self._handle = handle
        self._fields = fields
        self._call = _bound(nvml, "nvmlDeviceGetFieldValues")
        self._array = ctypes.create_string_buffer(_FIELD.size * len(self._fields))
        for index, (field, scope) in enumerate(self._fields):
            struct.pack_into("=II", self._array, _FIELD.size * index, field, scope)

    def values(self) -> list:
        """Each a number, or why there is none."""
        if not self._fields:
            return []
        if self._call is None:
            return ask_fields(self._nvml, self._handle, self._fields)
        code = self._call(self._handle, len(self._fields), self._array)
        if code:
            return [reason(self._nvml, code)] * len(self._fields)
        return [
            reason(self._nvml, answer[5]) if answer[5] else _VALUES[answer[4]](answer[6])[0]
            for answer in _FIELD.iter_unpack(self._array)
        ]


class NumberCall:
    """A call whose last argument is where it puts a number, of a ctypes type."""

    def __init__(self, nvml, name: str, kind: type = ctypes.c_uint) -> None:
        self._nvml = nvml
        self._name = name
        self._call = _bound(nvml, name)
        self._number = kind()
        self._where = ctypes.byref(self._number)

    def ask(self, handle, *arguments):
        """The number, or why there is none."""
        if self._call is None:
            return ask(self._nvml, self._name, handle, *arguments)
        code = self._call(handle, *arguments, self._where)
        return reason(self._nvml, code) if code else self._number.value


class ListSize:
    """A call that lists things in two goes, of which the first one asks how many there are."""

    def __init__(self, nvml, name: str) -> None:
        self._call = _bound(nvml, name)
        self._size = ctypes.c_uint()
        self._where = ctypes.byref(self._size)

    def is_empty(self, handle) -> bool:
        """Whether there is surely nothing to list; if not, the ordinary way tells what, or why not."""
        self._size.value = 0
        return self._call is not None and self._call(handle, self._where, None) == 0


def _bound(nvml, name: str):
    """The library's function; None where the driver doesn't have it, or the module isn't the real pynvml."""
    try:
        return nvml._nvmlGetFunctionPointer(name)
    except (AttributeError, nvml.NVMLError):
        return None
