"""XIDs, memory errors and calls for recovery of NVIDIA GPUs: a thread of its own waits for them in the driver.

Events from before the probe started are not told by the driver. Single corrected errors are left to their counter.
"""

from .cells import Missing, Reading
from .nvidia_health import RECOVERY_ACTION
from .nvml import ask, ask_fields, closed, gpus, held, reason

_WAIT_MILLISECONDS = 10000
_MOST_AT_ONCE = 64  # events of one answer
_ANY_INSTANCE = 0xFFFFFFFF
# nvml.h, nvmlEventType*
_XID, _RECOVERY = 0x8, 0x8000
_FALLEN_OFF_THE_BUS = 79
_KINDS = {  # bit -> kind, severity, text
    0x2: ("ecc", "critical", "uncorrected memory error"),
    _XID: ("xid", "warning", "XID %d"),
    0x200: ("ecc", "warning", "a storm of corrected memory errors"),
    0x400: ("ecc", "warning", "memory was taken out of use: a row or page is to be replaced"),
    0x800: ("ecc", "critical", "memory could not be taken out of use: no spare is left"),
    0x1000: ("ecc", "warning", "poisoned data was contained"),
    0x2000: ("ecc", "critical", "poisoned data could not be contained"),
    0x4000: ("lost", "critical", "the GPU is not available"),
    _RECOVERY: ("recovery", "critical", "the driver asks for: %s"),
}
_ALL = sum(_KINDS)
ACTIONS = (
    "none", "reset the GPU", "reboot the node", "drain peer-to-peer", "drain and reset", "recover IMEX",
    "reset the bus", "reboot the system",
)  # fmt: skip


class Sampler:
    period, deadline = 1.0, 30.0
    metrics = {"accelerator": ("xid",)}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._nvml = None
        self._set = None
        self._keys = {}  # identity of a handle -> device key
        self._last = {}  # device key -> last XID, or why none can be known

    def sample(self) -> Reading:
        events = []
        try:
            nvml = held(self._world, self._nvml)
            if self._nvml is None:
                self._register(nvml)  # and answer at once: there has been none so far
            else:
                events = self._wait(nvml)
        except Exception:
            self._close()
            raise
        cells = {key: {"xid": xid} for key, xid in self._last.items()}
        return Reading({"accelerator": cells}, events=events)

    def _register(self, nvml) -> None:
        self._nvml = nvml
        self._set = nvml.nvmlEventSetCreate()
        last = {}
        for gpu in gpus(nvml):
            if not isinstance(gpu.handle, Missing):
                self._keys[_identity(gpu.handle)] = gpu.key
            last[gpu.key] = _registered(nvml, gpu, self._set)
        self._last = {key: self._seen(key) or xid for key, xid in last.items()}

    def _wait(self, nvml) -> "list[dict]":
        """What has happened: the first event that comes, and those that are there by then."""
        found, patience = [], _WAIT_MILLISECONDS
        while len(found) < _MOST_AT_ONCE:
            try:
                event = nvml.nvmlEventSetWait_v2(self._set, patience)
            except nvml.NVMLError as error:
                if error.value != nvml.NVML_ERROR_TIMEOUT:
                    self._begin_anew(reason(nvml, error.value))
                break
            key = self._keys.get(_identity(event.device))
            if key is not None:
                found += self._told(nvml, key, event)
            patience = 0
        return found

    def _told(self, nvml, key: str, event) -> "list[dict]":
        if event.eventType not in _KINDS:
            return []
        kind, severity, text = _KINDS[event.eventType]
        code, data = -1, int(event.eventData)
        if event.eventType == _XID:
            code = self._last[key] = data
            text = text % data
            severity = "critical" if data == _FALLEN_OFF_THE_BUS else severity  # as the kernel's line of it
        elif event.eventType == _RECOVERY:
            code, what = _action(nvml, event.device)
            text = text % what
        told = {"at": self._world.now(), "source": "nvml", "kind": kind, "text": text, "device": key, "code": code}
        told["severity"] = severity
        if event.gpuInstanceId != _ANY_INSTANCE:
            told["facts"] = {"gpu_instance": str(event.gpuInstanceId), "compute_instance": str(event.computeInstanceId)}
        return [told]

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
            if self._set is not None:
                ask(self._nvml, "nvmlEventSetFree", self._set)
            closed(self._nvml)
        self._nvml = self._set = None
        self._keys = {}


def _registered(nvml, gpu, events) -> "int | Missing":
    """0, no event so far; or why none can come. A driver refuses kinds that it doesn't know."""
    if isinstance(gpu.handle, Missing):
        return gpu.handle
    known = ask(nvml, "nvmlDeviceGetSupportedEventTypes", gpu.handle)
    kinds = _XID if isinstance(known, Missing) else known & _ALL
    refusal = ask(nvml, "nvmlDeviceRegisterEvents", gpu.handle, kinds, events)
    return refusal if isinstance(refusal, Missing) else 0


def _action(nvml, handle) -> "tuple[int, str]":
    """What the driver asks for now, as number and words: the event itself doesn't say."""
    action = ask_fields(nvml, handle, [RECOVERY_ACTION])[0]
    if isinstance(action, Missing):
        return -1, "a recovery action"
    return action, ACTIONS[action] if action < len(ACTIONS) else "recovery action %d" % action


def _identity(handle):
    """A handle as something that compares: it is a C pointer, of which each call makes a new Python object."""
    try:
        return memoryview(handle).tobytes()
    except TypeError:
        return handle
