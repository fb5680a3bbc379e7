"""XID events of NVIDIA GPUs: a thread of its own waits for them in the driver.

Events from before the probe started are not told by the driver.
"""

from .cells import Missing, Reading
from .nvml import ask, closed, gpus, opened, reason

_WAIT_MILLISECONDS = 10000


class Sampler:
    period, deadline = 1.0, 30.0
    metrics = {"accelerator": ("xid",)}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._nvml = None
        self._events = None
        self._keys = {}  # identity of a handle -> device key
        self._last = {}  # device key -> last XID, or why none can be known

    def sample(self) -> Reading:
        try:
            if self._nvml is None:
                self._register()  # and answer at once: there has been none so far
            else:
                self._wait(self._nvml)
        except Exception:
            self._close()
            raise
        return Reading({"accelerator": {key: {"xid": xid} for key, xid in self._last.items()}})

    def _register(self) -> None:
        nvml = self._nvml = opened(self._world)
        self._events = nvml.nvmlEventSetCreate()
        last = {}
        for gpu in gpus(nvml):
            if not isinstance(gpu.handle, Missing):
                self._keys[_identity(gpu.handle)] = gpu.key
            last[gpu.key] = _registered(nvml, gpu, self._events)
        self._last = {key: self._seen(key) or xid for key, xid in last.items()}

    def _wait(self, nvml) -> None:
        try:
            event = nvml.nvmlEventSetWait_v2(self._events, _WAIT_MILLISECONDS)
        except nvml.NVMLError as error:
            if error.value != nvml.NVML_ERROR_TIMEOUT:
                self._begin_anew(reason(nvml, error.value))
            return
        if event.eventType & nvml.nvmlEventTypeXidCriticalError:
            key = self._keys.get(_identity(event.device))
            if key is not None:
                self._last[key] = int(event.eventData)

    def _begin_anew(self, why: Missing) -> None:
        """The driver no longer lets us wait: a device was lost or reset. What is known of each device stays."""
        self._last = {key: self._seen(key) or why for key in self._last}
        self._close()

    def _seen(self, key: str) -> int:
        """The last XID of a device, 0 where there was none: whatever comes after it, it was seen."""
        xid = self._last.get(key, 0)
        return 0 if isinstance(xid, Missing) else xid

    def _close(self) -> None:
        if self._nvml is not None:
            closed(self._nvml)
        self._nvml = self._events = None
        self._keys = {}


def _registered(nvml, gpu, events) -> "int | Missing":
    """0, no event so far; or why none can come."""
    if isinstance(gpu.handle, Missing):
        return gpu.handle
    refusal = ask(nvml, "nvmlDeviceRegisterEvents", gpu.handle, nvml.nvmlEventTypeXidCriticalError, events)
    return refusal if isinstance(refusal, Missing) else 0


def _identity(handle):
    """A handle as something that compares: it is a C pointer, of which each call makes a new Python object."""
    try:
        return memoryview(handle).tobytes()
    except TypeError:
        return handle
