"""Why a node that names no accelerator can't be said to have none. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from watchfloor.model import Missing
from watchfloor.report import PAUSED, SamplerStatus
from watchfloor.vendors import vendors

_BY_STATE = {"hung": Missing.TIMED_OUT, "failed": Missing.FAILED, PAUSED: Missing.NOT_YET}


@cache
def _owners() -> frozenset[str]:
    """The samplers that name accelerators."""
    return frozenset(vendor.sampler for vendor in vendors().values())


def no_accelerators(samplers: Mapping[str, SamplerStatus]) -> Missing:
    """Missing.NO where every sampler that could name an accelerator has looked and found none."""
    if not samplers:
        return Missing.NOT_YET
    told = [status for name, status in samplers.items() if name in _owners()]
    if any(status.state == "ok" and not status.at for status in told):
        return Missing.NOT_YET
    return next((_BY_STATE[status.state] for status in told if status.state in _BY_STATE), Missing.NO)
