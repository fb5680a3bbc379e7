"""How busy an NVIDIA GPU really is (Hopper and newer): GPM, between this sample and the one before.

`util` says that some kernel ran; these say how much of the chip it used. A sampler of its own, since the driver takes
longer over it than over a plain question, and profilers may have taken the counters.
"""

import struct

from .cells import NOT_YET, UNSUPPORTED, Missing, Reading
from .nvml import ask, closed, gpus, held, partitions, plain, reason
from .nvml_fields import Call

_LIST_EVERY = 5  # samples
_LEAST_SECONDS = 0.1  # between two samples, by the driver's own word
# metric -> id of nvml.h, nvmlGpmMetricId_t; all of them in percent
_METRICS = {"sm_active": 2, "sm_occupancy": 3, "tensor_active": 5, "dram_active": 10}
_ANSWERS = struct.Struct("=" + len(_METRICS) * "4xId24x")  # each pynvml's nvmlGpmMetric_t: id, code, value, names


class Sampler:
    period, deadline = 2.0, 8.0
    metrics = {"accelerator": tuple(_METRICS)}
    owns = lasting = ()
    awaited, follows_holders = False, False

    def __init__(self, world, board) -> None:
        self._world = world
        self._nvml = None
        self._subjects = {}  # device key -> Subject, or why there is none
        self._samples = 0

    def sample(self) -> Reading:
        try:
            self._samples = 0 if self._nvml is None else self._samples
            self._nvml = held(self._world, self._nvml)
            if self._samples % _LIST_EVERY == 0:
                self._enumerate(self._nvml)
            self._samples += 1
            now = self._world.monotonic()
            return Reading({"accelerator": {key: _cells(found, now) for key, found in self._subjects.items()}})
        except Exception:
            self._close()
            raise

    def _enumerate(self, nvml) -> None:
        """Devices come and go, and boards change to and from MIG."""
        before, self._subjects = self._subjects, {}
        for gpu in gpus(nvml):
            supported = _supported(nvml, gpu)
            for device in [gpu, *([] if isinstance(gpu.handle, Missing) else partitions(nvml, gpu))]:
                known = before.get(device.key)
                if supported is not True:
                    self._subjects[device.key] = supported
                else:
                    self._subjects[device.key] = known if isinstance(known, Subject) else _subject(nvml, device)
        kept = {id(subject) for subject in self._subjects.values()}
        _free(subject for subject in before.values() if id(subject) not in kept)

    def _close(self) -> None:
        _free(self._subjects.values())
        if self._nvml is not None:
            closed(self._nvml)
        self._nvml, self._subjects = None, {}


class Subject:
    """One GPU or GPU instance, with two samples that take turns."""

    def __init__(self, nvml, device) -> None:
        self._nvml = nvml
        call, arguments = _sampling(nvml, device)
        first, second = self._samples = nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()
        self._taken_at = None  # when the older of the two was taken
        self._turn = Turn(nvml, Call(nvml, call, (*arguments, second)), first, second)
        self._next = Turn(nvml, Call(nvml, call, (*arguments, first)), second, first)

    def cells(self, now: float) -> dict:
        """What went on since the call before. `now` is monotonic time in seconds."""
        if self._taken_at is not None and now - self._taken_at < _LEAST_SECONDS:
            return dict.fromkeys(_METRICS, NOT_YET)
        turn = self._turn
        refusal = turn.sampling.refusal()
        if refusal is not None:
            self._taken_at = None
            return dict.fromkeys(_METRICS, refusal)
        is_first, self._taken_at = self._taken_at is None, now
        self._turn, self._next = self._next, turn
        return dict.fromkeys(_METRICS, NOT_YET) if is_first else turn.between()

    def free(self) -> None:
        for sample in self._samples:
            ask(self._nvml, "nvmlGpmSampleFree", sample)


class Turn:
    """What is asked while one of the two samples is the newer one: bound once, since it is asked again and again."""

    def __init__(self, nvml, sampling: Call, older, newer) -> None:
        self.sampling = sampling  # takes the newer one
        self._nvml = nvml
        self._asked = asked = nvml.c_nvmlGpmMetricsGet_t()
        asked.version, asked.numMetrics = nvml.NVML_GPM_METRICS_GET_VERSION, len(_METRICS)
        asked.sample1, asked.sample2 = older, newer
        for place, metric in enumerate(_METRICS.values()):
            asked.metrics[place].metricId = metric
        self._place = nvml.c_nvmlGpmMetricsGet_t.metrics.offset
        self._metrics = Call(nvml, "nvmlGpmMetricsGet", (), asked)

    def between(self) -> dict:
        """The cells of what went on between the two."""
        refusal = self._metrics.refusal()
        if refusal is not None:
            return dict.fromkeys(_METRICS, refusal)
        told = _ANSWERS.unpack_from(self._asked, self._place)
        return {name: self._value(code, value) for name, code, value in zip(_METRICS, told[0::2], told[1::2])}

    def _value(self, code: int, value: float) -> "float | Missing":
        """Each metric has a return code of its own; one that nothing was counted for is no number."""
        if code:
            return reason(self._nvml, code)
        return round(min(100.0, value), 1) if value >= 0 else NOT_YET


def _subject(nvml, device) -> "Subject | Missing":
    try:
        return Subject(nvml, device)
    except nvml.NVMLError as error:  # it has just gone, or has no GPU instance
        return reason(nvml, error.value)


def _free(subjects) -> None:
    for subject in subjects:
        if isinstance(subject, Subject):
            subject.free()


def _cells(found: "Subject | Missing", now: float) -> dict:
    return dict.fromkeys(_METRICS, found) if isinstance(found, Missing) else found.cells(now)


def _supported(nvml, gpu) -> "bool | Missing":
    """True, or why not. A driver older than the question supports nothing of it."""
    if isinstance(gpu.handle, Missing):
        return gpu.handle
    support = ask(nvml, "nvmlGpmQueryDeviceSupport", gpu.handle)
    if isinstance(support, Missing):
        return support
    return True if plain(support, "isSupportedDevice") else UNSUPPORTED


def _sampling(nvml, device) -> tuple:
    """The call that takes a sample, and what comes before the sample in it. Raises NVMLError."""
    if device.parent is None:
        return "nvmlGpmSampleGet", (device.handle,)
    return "nvmlGpmMigSampleGet", (device.parent.handle, nvml.nvmlDeviceGetGpuInstanceId(device.handle))
