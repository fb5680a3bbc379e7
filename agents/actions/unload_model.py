"""Have a Triton server serve a model no longer. R2: requests for it fail from then on."""

from __future__ import annotations

from agents.actions import _triton
from agents.actions._base import took, unknown, without_effect
from watchfloor.change import Risk, Seen


class Action(_triton.Repository):
    summary = "have a Triton server serve a model no longer"
    risk = Risk.SLOWS
    word, opposite, wanted = "unload", "load", _triton.UNAVAILABLE
    runs = "on the node: POST /v2/repository/models/MODEL/unload"
    undone_by = "load_model"

    def needless(self, model: str, state: str) -> str:
        return "" if state == _triton.READY else f"{model} is {state or 'unknown'}, and not served"

    def judged(self, model: str, state: str) -> Seen:
        if state == _triton.READY:
            return without_effect(f"{model} is still served")
        if state == "UNLOADING":
            return unknown(f"{model} is being unloaded")
        return took(f"{model} is no longer served")
