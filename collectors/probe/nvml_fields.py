"""Field values that are asked for again and again: pynvml's call, without its structures made anew each time.

The layout is pynvml's own (nvmlFieldValue_t), and a test holds both to the same answers. A module that isn't the real
pynvml (the simulator's) has no function pointer to bind: it is asked in the ordinary way.
"""

import ctypes
import struct

from .nvml import ask_fields, reason

_FIELD = struct.Struct("=IIqqIi8s")  # id, scope, timestamp, latency, type, return code, value
_VALUES = ("=d", "=I", "=Q", "=Q", "=q", "=i", "=H")  # by type, nvmlValueType_t


class FieldBatch:
    """`fields` are (id, scope) of one device. `values` asks for all of them in one call."""

    def __init__(self, nvml, handle, fields: list) -> None:
        self._nvml = nvml
        self._handle = handle
        self._fields = fields
        self._call = None
        if fields and hasattr(nvml, "_nvmlGetFunctionPointer"):
            self._bind()

    def _bind(self) -> None:
        try:
            self._call = self._nvml._nvmlGetFunctionPointer("nvmlDeviceGetFieldValues")
        except self._nvml.NVMLError:  # a driver without the call: `ask_fields` says so
            return
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
            reason(self._nvml, answer[5]) if answer[5] else struct.unpack_from(_VALUES[answer[4]], answer[6])[0]
            for answer in _FIELD.iter_unpack(self._array)
        ]
