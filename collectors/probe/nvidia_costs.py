"""What each question to the NVIDIA driver costs: the rows of the detail "costs", measured once on a running node.

One GPU is asked everything once more, on a tick of its own; a node's cost is that of one GPU times their number.
"""

from .cells import Missing
from .nvidia_live import QUICK, SETTINGS, SLOW, holders
from .nvml import ask

_WAITING_SECONDS, _TRIES = 0.001, 3


def rows(world, nvml, gpus: list, list_sizes: dict, periods: dict) -> "list[dict]":
    """Rows of watchfloor.report.Cost; `periods` in seconds of "quick", "slow", "settings" and "processes"."""
    gpu = next((gpu for gpu in gpus if not isinstance(gpu.handle, Missing)), None)
    if gpu is None:
        return []
    found = []
    for kind, questions in (("quick", QUICK), ("slow", SLOW), ("settings", SETTINGS)):
        for names, question in questions:
            spent = took(world, _asked(nvml, question, gpu.handle))
            found.append(_row(", ".join(names), spent, len(gpus), periods[kind]))
    spent = took(world, lambda: holders(nvml, gpu.handle, list_sizes))
    found.append(_row("processes", spent, len(gpus), periods["processes"]))
    spent = took(world, lambda: ask(nvml, "nvmlDeviceGetUUID", gpu.handle))
    found.append(_row("list of devices", spent, len(gpus), periods["slow"]))
    return found


def _asked(nvml, question, handle):
    """The question as a call that never fails: what is refused costs as well."""

    def ask_it() -> None:
        try:
            question(nvml, handle)
        except nvml.NVMLError:
            pass

    return ask_it


def took(world, call) -> "tuple[float, float]":
    """Seconds, and seconds of this thread's processor time.

    Where most of it was a wait, the shortest of some: a busy node lets a thread wait as well as a driver does, but
    seldom each time.
    """
    tries = [_once(world, call)]
    while _waited(tries[-1]) > _WAITING_SECONDS and len(tries) < _TRIES:
        tries.append(_once(world, call))
    return min(tries, key=_waited)


def _once(world, call) -> "tuple[float, float]":
    began, cpu = world.monotonic(), world.thread_cpu()
    call()
    return world.monotonic() - began, world.thread_cpu() - cpu


def _waited(seconds: "tuple[float, float]") -> float:
    return seconds[0] - seconds[1]


def _row(call: str, spent: "tuple[float, float]", devices: int, period: float) -> dict:
    seconds, cpu = (round(devices * part, 6) for part in spent)
    return {"sampler": "nvidia", "call": call, "seconds": seconds, "cpu": cpu, "period": period}
