"""Numbers that are asked for again and again: pynvml's calls, without its structures made anew each time.

The layout is pynvml's own (nvmlFieldValue_t), and a test holds both to the same answers. A module that isn't the real
pynvml (the simulator's) has no function pointer to bind: it is asked in the ordinary way.
"""

import ctypes
import struct

from .cells import NOT_YET, Missing, told_rate
from .nvml import ask, ask_fields, reason

_FIELD = struct.Struct("=IIqqIi8s")  # id, scope, timestamp, latency, type, return code, value
_LAYOUTS = ("d", "I4x", "Q", "Q", "q", "i4x", "H6x")  # of the value, by type, nvmlValueType_t
_VALUES = [struct.Struct("=" + layout).unpack for layout in _LAYOUTS]


class FieldBatch:
    """`fields` are (id, scope) of one device. `values` asks for all of them in one call.

    A field has the same type each time: once every one has told its own, all are unpacked in one go.
    """

    def __init__(self, nvml, handle, fields: list) -> None:
        self._nvml = nvml
        self._handle = handle
        self._fields = fields
        self._call = _bound(nvml, "nvmlDeviceGetFieldValues")
        self._array = ctypes.create_string_buffer(_FIELD.size * len(self._fields))
        self._at_once = None  # (their struct's unpack, return codes and types as they are expected)
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
        if self._at_once is not None:
            unpack, types, codes = self._at_once
            told = unpack(self._array)
            if told[0::3] == types and told[1::3] == codes:
                return list(told[2::3])
        return self._one_by_one()

    def _one_by_one(self) -> list:
        answers = list(_FIELD.iter_unpack(self._array))
        if not any(answer[5] for answer in answers):
            types = tuple(answer[4] for answer in answers)
            layout = "=" + "".join("24xIi" + _LAYOUTS[kind] for kind in types)
            self._at_once = struct.Struct(layout).unpack, types, (0,) * len(types)
        return [reason(self._nvml, answer[5]) if answer[5] else _VALUES[answer[4]](answer[6])[0] for answer in answers]


class ByteRates:
    """Bytes a second of counters that are always read together: `cells.Rates` for many at once."""

    def __init__(self, unit: int) -> None:
        self._unit = unit  # bytes that they count in
        self._last = []
        self._at = 0.0

    def of(self, counters: list, at: float) -> list:
        """A rate for each, or why there is none; `at` is monotonic time in seconds."""
        last, seconds = self._last or [NOT_YET] * len(counters), at - self._at
        self._last, self._at = counters, at
        if seconds <= 0:
            return [_rate(NOT_YET, new, 0.0) for new in counters]
        scale = self._unit / seconds
        try:  # nearly always all of them are numbers that grow
            return [
                int(told_rate((new - old) * scale) + 0.5) if new >= old else NOT_YET for old, new in zip(last, counters)
            ]
        except TypeError:  # a reason doesn't compare
            return [_rate(old, new, scale) for old, new in zip(last, counters)]


def _rate(old, new, scale: float):
    if isinstance(new, Missing):
        return new
    if isinstance(old, Missing) or new < old:  # a counter that goes backwards was reset
        return NOT_YET
    return int(told_rate((new - old) * scale) + 0.5)


class Numbers:
    """One call for each of several things. `asked` are its arguments for each, but for the last one: where it puts a
    number, of a struct's kind."""

    def __init__(self, nvml, name: str, asked: "list[tuple]", kind: str = "I") -> None:
        self._nvml = nvml
        self._name = name
        self._asked = asked
        self._call = _bound(nvml, name)
        size = struct.calcsize("=" + kind)
        self._memory = ctypes.create_string_buffer(size * len(asked))
        self._unpack = struct.Struct("=%d%s" % (len(asked), kind)).unpack
        self._bound = [(*one, ctypes.byref(self._memory, size * place)) for place, one in enumerate(asked)]

    def values(self) -> list:
        """For each the number, or why there is none."""
        call = self._call
        if call is None:
            return [ask(self._nvml, self._name, *one) for one in self._asked]
        codes, numbers = [call(*one) for one in self._bound], self._unpack(self._memory)
        if not any(codes):
            return list(numbers)
        return [reason(self._nvml, code) if code else number for code, number in zip(codes, numbers)]


class Call:
    """A call whose arguments are the same each time. `structure`, if any, is its last one, which pynvml takes as it
    is, and the library by its place; what the call has to say is found in it."""

    def __init__(self, nvml, name: str, arguments: tuple, structure=None) -> None:
        self._nvml = nvml
        self._name = name
        self._arguments = arguments if structure is None else (*arguments, structure)
        self._call = _bound(nvml, name)
        self._bound = arguments if structure is None else (*arguments, ctypes.byref(structure))

    def refusal(self) -> "Missing | None":
        """Make the call: why it was not answered, if it was not."""
        if self._call is None:
            answer = ask(self._nvml, self._name, *self._arguments)
            return answer if isinstance(answer, Missing) else None
        code = self._call(*self._bound)
        return reason(self._nvml, code) if code else None


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
