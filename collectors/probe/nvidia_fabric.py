"""The NVLink domain that a GPU has joined, and how well: nvmlDeviceGetGpuFabricInfoV in the newest form there is."""

import ctypes

from .cells import UNSUPPORTED
from .nvml import plain


def fabric(nvml, handle) -> tuple:
    info = _fabric_info(nvml, handle)
    state = plain(info, "state")
    if state == 0:  # not supported: a board without a fabric
        return UNSUPPORTED, UNSUPPORTED
    words = [_progress(nvml, state, plain(info, "status")), *ills_of(getattr(info, "healthMask", 0))]
    return name_of(bytes(plain(info, "clusterUuid")), plain(info, "cliqueId")), ", ".join(words)


def _fabric_info(nvml, handle):
    """In the newest form that the driver knows. Raises NVMLError."""
    for kind in (nvml.c_nvmlGpuFabricInfo_v3_t, nvml.c_nvmlGpuFabricInfo_v2_t):
        info = kind()
        try:
            nvml.nvmlDeviceGetGpuFabricInfoV(handle, ctypes.byref(info))
            return info
        except nvml.NVMLError as error:
            if error.value not in (nvml.NVML_ERROR_FUNCTION_NOT_FOUND, nvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH):
                raise
    info = nvml.c_nvmlGpuFabricInfo_t()
    nvml.nvmlDeviceGetGpuFabricInfo(handle, ctypes.byref(info))
    return info


def _progress(nvml, state: int, status: int) -> str:
    """Completed is no success: the status, which counts from then on, tells how it ended (nvml.h)."""
    if state == _COMPLETED and status:
        return "failed: %s" % nvml.NVMLError(status)
    return _FABRIC_STATES.get(state, "state %d" % state)


def name_of(cluster: bytes, clique: int) -> str:
    """The NVLink domain as cluster/clique. Boards that belong to none, as those of a single node, tell zeros."""
    if not any(cluster):
        return ""
    text = cluster.hex()
    return "%s-%s-%s-%s-%s/%d" % (text[:8], text[8:12], text[12:16], text[16:20], text[20:], clique)


def ills_of(mask: int) -> "list[str]":
    """What is not well, by a health mask: fields of two bits, 0 not supported, 1 yes, 2 no (nvml.h)."""
    ills = [words for shift, bad, words in _ILLS if mask >> shift & 0x3 == bad]
    wrong = mask >> 8 & 0xF
    if wrong > 1:
        ills.append(_MISCONFIGURED.get(wrong, "incorrect configuration %d" % wrong))
    return ills


_COMPLETED = 3
_FABRIC_STATES = {1: "not started", 2: "in progress", _COMPLETED: "completed"}
_ILLS = (
    (0, 1, "degraded bandwidth"),
    (2, 1, "route recovery"),
    (4, 1, "route unhealthy"),
    (6, 1, "access timeout recovery"),
    (12, 2, "no partition assigned"),
    (14, 2, "fabric manager disconnected"),
)
_MISCONFIGURED = {
    2: "incorrect sysguid", 3: "incorrect chassis serial number", 4: "no partition", 5: "insufficient nvlinks",
    6: "incompatible gpu firmware", 7: "invalid location", 8: "invalid gpu state",
}  # fmt: skip
