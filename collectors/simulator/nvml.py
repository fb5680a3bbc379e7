"""The simulated NVIDIA driver: a module that answers as pynvml does, from a machine of the simulation.

Constants, structures and errors are those of the real pynvml; a function that is not simulated answers "Function Not
Found", as an older driver does, and never reaches a real library. A hung driver blocks its caller; a board off the bus
raises GPU_IS_LOST for everything but its identity.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from ctypes import c_void_p, cast
from types import ModuleType
from typing import Any

import pynvml

from collectors.simulator import nvml_device
from collectors.simulator.machine import Machine
from collectors.simulator.nvml_gpm import Gpm

_POLL_SECONDS = 0.2


class Driver:
    """`machine_now()` gives the machine brought to the present; calls may come from any thread."""

    def __init__(self, machine_now: Callable[[], Machine], sleep: Callable[[float], None]) -> None:
        self._machine_now = machine_now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._raised: set[tuple[int, int]] = set()  # (board, XID) that an event told of
        self.blocked: set[int] = set()  # native ids of the threads that hang in a call

    def call(self, name: str, answer: Callable[..., Any], *arguments: Any) -> Any:
        """One call of the library, under its lock, once the driver isn't hung."""
        self._wait_while_hung()
        with self._lock:
            machine = self._machine_now()
            index = _index(arguments[0])
            if index in machine.faults.lost and name not in nvml_device.IDENTITY:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
            return answer(machine, index, *arguments[1:])

    def machine(self) -> Machine:
        self._wait_while_hung()
        with self._lock:
            return self._machine_now()

    def _wait_while_hung(self) -> None:
        thread = threading.get_native_id()
        try:
            while self._hung():
                self.blocked.add(thread)
                self._sleep(_POLL_SECONDS)
        finally:
            self.blocked.discard(thread)

    def _hung(self) -> bool:
        with self._lock:
            return self._machine_now().faults.driver_hung

    # -- the library itself

    def nvmlInit(self) -> None:
        if self.machine().plan.shape.vendor != "nvidia":
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    def nvmlInitWithFlags(self, flags: int) -> None:
        self.nvmlInit()

    def nvmlShutdown(self) -> None:
        return None

    def nvmlSystemGetDriverVersion(self) -> str:
        return self.machine().plan.shape.driver

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        return self.machine().plan.shape.cuda

    def nvmlSystemGetCudaDriverVersion(self) -> int:
        return self.nvmlSystemGetCudaDriverVersion_v2()

    def nvmlSystemGetNVMLVersion(self) -> str:
        return f"12.{self.machine().plan.shape.driver}"

    def nvmlDeviceGetCount(self) -> int:
        return self.machine().plan.shape.boards

    def nvmlDeviceGetCount_v2(self) -> int:
        return self.nvmlDeviceGetCount()

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        if index >= self.machine().plan.shape.boards:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        return _handle(index)

    def nvmlDeviceGetHandleByIndex_v2(self, index: int) -> Any:
        return self.nvmlDeviceGetHandleByIndex(index)

    def nvmlDeviceGetHandleByPciBusId(self, address: str) -> Any:
        machine = self.machine()
        for index in range(machine.plan.shape.boards):
            if nvml_device.nvmlDeviceGetPciInfo_v3(machine, index).busId == address:
                return _handle(index)
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    # -- events

    def nvmlEventSetCreate(self) -> Any:
        return cast(c_void_p(1), pynvml.c_nvmlEventSet_t)

    def nvmlEventSetFree(self, events: Any) -> None:
        return None

    def nvmlDeviceGetSupportedEventTypes(self, handle: Any) -> int:
        return pynvml.nvmlEventTypeXidCriticalError

    def nvmlDeviceRegisterEvents(self, handle: Any, kinds: int, events: Any) -> None:
        return None

    def nvmlEventSetWait_v2(self, events: Any, milliseconds: int) -> Any:
        """The next XID; raises Timeout where none comes in time."""
        left = milliseconds / 1000
        while True:
            found = self._new_xid()
            if found is not None:
                board, xid = found
                kind = pynvml.nvmlEventTypeXidCriticalError
                return pynvml.c_nvmlEventData_t(device=_handle(board), eventType=kind, eventData=xid)
            if left <= 0:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_TIMEOUT)
            self._sleep(min(_POLL_SECONDS, left))
            left -= _POLL_SECONDS

    def nvmlEventSetWait(self, events: Any, milliseconds: int) -> Any:
        return self.nvmlEventSetWait_v2(events, milliseconds)

    def _new_xid(self) -> tuple[int, int] | None:
        current = set(self.machine().faults.xid.items())
        fresh = current - self._raised
        self._raised &= current  # one that is over may come again
        if not fresh:
            return None
        found = min(fresh)
        self._raised.add(found)
        return found


def library(driver: Driver) -> ModuleType:
    """A module to use in place of pynvml."""
    module = ModuleType("pynvml")
    for name, value in vars(pynvml).items():
        if not name.startswith("__"):
            setattr(module, name, _absent if _is_call(name, value) else value)
    for name, answer in nvml_device.FUNCTIONS.items():
        setattr(module, name, _bound(driver, name, answer))
    for name, function in Gpm(driver).functions().items():
        setattr(module, name, function)
    for name in dir(Driver):
        if name.startswith("nvml"):
            setattr(module, name, getattr(driver, name))
    return module


_CALLS = (
    "nvmlDevice", "nvmlSystem", "nvmlInit", "nvmlShutdown", "nvmlEventSet", "nvmlUnit", "nvmlGpm", "nvmlVgpu",
    "nvmlGpuInstance", "_nvmlGetFunction",
)  # fmt: skip


def _is_call(name: str, value: object) -> bool:
    """Whether it would reach the library: NVML's functions, but not pynvml's own helpers."""
    return callable(value) and not isinstance(value, type) and name.startswith(_CALLS)


def _absent(*arguments: Any, **options: Any) -> Any:
    raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)


def _bound(driver: Driver, name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **options: Any) -> Any:
        return driver.call(name, answer, *arguments, *options.values())

    return call


def _handle(index: int) -> Any:
    """An opaque pointer, as the library gives them."""
    return cast(c_void_p(index + 1), pynvml.c_nvmlDevice_t)


def _index(handle: Any) -> int:
    return (cast(handle, c_void_p).value or 0) - 1
