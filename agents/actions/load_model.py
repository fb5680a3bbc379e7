"""Have a Triton server serve a model of its repository. R1: it can be unloaded again, and no job is touched."""

from __future__ import annotations

from agents.actions import _triton
from agents.actions._base import took, unknown, without_effect
from watchfloor.change import Risk, Seen


class Action(_triton.Repository):
    summary = "have a Triton server serve a model"
    risk = Risk.REVERSIBLE
    word, opposite, wanted = "load", "unload", _triton.READY
    runs = "on the node: POST /v2/repository/models/MODEL/load"
    undone_by = "unload_model"

    def needless(self, model: str, state: str) -> str:
        return f"{model} is served already" if state == _triton.READY else ""

    def judged(self, model: str, state: str) -> Seen:
        if state == _triton.READY:
            return took(f"{model} is ready")
        if state == "LOADING":
            return unknown(f"{model} is being loaded")
        return without_effect(f"{model} is {state or 'unknown'}")
