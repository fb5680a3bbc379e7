"""What the doctor makes of what a node said: one check a function, pure.

Must not do: connect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from collectors.conversation import Ending
from watchfloor.frame import Frame
from watchfloor.metrics import CATALOGUE
from watchfloor.model import NODE_SCOPES, Missing, Scope
from watchfloor.report import Hello, SamplerStatus
from watchfloor.vendors import vendors

WAY = ("name", "ssh", "host key", "authentication")
NODE = ("python3", "probe", "driver", "permission", "clock")
ANSWER_SECONDS = 12.0  # how long a slow driver is waited for; one that hangs the probe itself calls so after eight
SKEW_SECONDS = 1.0  # beyond this, times of different nodes can't be compared by eye
_BAD = ("failed", "hung")
_SHOWN = 6  # names in one sentence


def is_driver(sampler: str) -> bool:
    """Whether this sampler reads accelerators: `nvidia`, `nvidia-smi`."""
    return sampler.partition("-")[0] in {vendor.sampler for vendor in vendors().values()}


class CheckState(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One step: what was seen, and what to do next ("" where there is nothing to do)."""

    name: str
    state: CheckState
    text: str
    advice: str = ""


def skipped(names: Sequence[str], why: str) -> list[Check]:
    return [Check(name, CheckState.SKIPPED, why) for name in names]


def answered(sampler: SamplerStatus) -> bool:
    """Whether it has said how it does; one that was never heard hasn't."""
    return sampler.at > 0 or sampler.state != "ok"


def _broken(samplers: Mapping[str, SamplerStatus]) -> list[str]:
    """Each that doesn't do what it is there for, and why."""
    silent = {
        name: f"{name}: no answer for {ANSWER_SECONDS:g} s" for name, said in samplers.items() if not answered(said)
    }
    told = {name: f"{name} {said.state}: {said.text}" for name, said in samplers.items() if said.state in _BAD}
    return [(silent | told)[name] for name in samplers if name in silent or name in told]


def of_python(hello: Hello | None, no_python: Ending | None, ending: Ending | None) -> Check:
    """`no_python` is how the first program failed, `ending` how the last one did."""
    if no_python is not None:
        instead = "nvidia-smi is read instead" if ending is None else f"nor does nvidia-smi run: {ending.text}"
        return Check(
            "python3",
            CheckState.WARNING if ending is None else CheckState.FAILED,
            f"{no_python.text}: {instead}",
            "install python3 (3.6 or newer), or put it on the PATH that `ssh HOST command` has",
        )
    if hello is None:
        return Check("python3", CheckState.SKIPPED, "the probe ended before it told the version")
    return Check("python3", CheckState.OK, f"version {hello.python} on {hello.node}")


def of_probe(samplers: Mapping[str, SamplerStatus], no_python: Ending | None) -> Check:
    """Whether all that isn't a driver is read as well."""
    if no_python is not None:
        return Check("probe", CheckState.SKIPPED, "the nvidia-smi loop runs in its place: accelerators only")
    bad = _broken({name: status for name, status in samplers.items() if not is_driver(name)})
    if bad:
        return Check(
            "probe", CheckState.WARNING, "; ".join(bad), "what these samplers read is missing, the rest is not"
        )
    working = [name for name, status in samplers.items() if status.state == "ok" and answered(status)]
    return Check("probe", CheckState.OK, f"reads {', '.join(sorted(working))}")


def of_driver(frame: Frame, samplers: Mapping[str, SamplerStatus]) -> Check:
    """Whether a vendor's driver answers, and for which devices."""
    vendors = {name: status for name, status in samplers.items() if is_driver(name)}
    broken = _broken(vendors)
    if broken:
        return Check(
            "driver", CheckState.FAILED, "; ".join(broken), "see `dmesg` and the vendor's own tool on the node"
        )
    rows = frame.rows_of(Scope.ACCELERATOR, 0)
    if rows.size:
        return Check("driver", CheckState.OK, _devices(frame, rows))
    said = "; ".join(status.text for status in vendors.values() if status.text) or "no sampler looks for one"
    return Check(
        "driver",
        CheckState.WARNING,
        f"no accelerator driver found: {said}",
        "on a node with accelerators, see whether the driver is loaded (`lsmod`) and its library installed",
    )


def _devices(frame: Frame, rows: np.ndarray) -> str:
    view = frame.accelerators
    models = [view.text(int(row), "model") or view.text(int(row), "vendor") or "accelerator" for row in rows]
    counted = ", ".join(f"{models.count(model)} × {model}" for model in dict.fromkeys(models))
    versions = dict.fromkeys(view.text(int(row), "driver") for row in rows)
    driver = ", ".join(version for version in versions if version)
    return f"{counted}, driver {driver}" if driver else counted


def of_permission(frame: Frame) -> Check:
    """Whether the user of the probe may read all that there is."""
    refused = [
        f"{scope.value}.{name}"
        for scope in NODE_SCOPES
        for name in CATALOGUE[scope]
        if (frame.view(scope).reasons(name) == Missing.NOT_PERMITTED).any()
    ]
    shut_out = [status.text for status in frame.detail[0].samplers.values() if _is_shut_out(status)]
    if not refused and not shut_out:
        return _unrefused(frame)
    told = [_unread(frame, refused), *shut_out] if refused else shut_out
    advice = "let this user read them on the node, or live without them: they are shown as not permitted"
    return Check("permission", CheckState.WARNING, "; ".join(told), advice)


def _unrefused(frame: Frame) -> Check:
    """Nothing was refused; of what didn't answer nobody knows whether it would be."""
    samplers = frame.detail[0].samplers
    read = any(status.state == "ok" and status.at for status in samplers.values())
    mute = [name for name, status in samplers.items() if status.state in _BAD or not answered(status)]
    if not read and (mute or not frame.accelerators.count):
        return Check("permission", CheckState.SKIPPED, "nothing was read")
    if mute:
        more = f" and {len(mute) - _SHOWN} more" if len(mute) > _SHOWN else ""
        text = f"what answers may be read; nobody knows of {', '.join(mute[:_SHOWN])}{more}"
        return Check("permission", CheckState.OK, text)
    return Check("permission", CheckState.OK, "everything that is there may be read")


def _unread(frame: Frame, metrics: Sequence[str]) -> str:
    more = f" and {len(metrics) - _SHOWN} more" if len(metrics) > _SHOWN else ""
    notes = (frame.detail[0].note(name, Missing.NOT_PERMITTED) for name in metrics)
    why = next(filter(None, notes), "")
    return f"may not be read by this user: {', '.join(metrics[:_SHOWN])}{more}" + (f" ({why})" if why else "")


def _is_shut_out(status: SamplerStatus) -> bool:
    """Whether a sampler found what it looks for, and may not read it."""
    return status.state == "absent" and "not permitted" in status.text


def of_clock(frame: Frame) -> Check:
    skew, trip = frame.nodes.cell(0, "skew").value, frame.nodes.cell(0, "round_trip").value
    if not isinstance(skew, float) or not isinstance(trip, float):
        return Check("clock", CheckState.SKIPPED, "not measured")
    text = f"{skew:+.3f} s against this machine (round trip {trip * 1000:.0f} ms)"
    if abs(skew) > SKEW_SECONDS + trip:
        return Check("clock", CheckState.WARNING, text, "see `chronyc tracking` or `timedatectl` on both machines")
    return Check("clock", CheckState.OK, text)
