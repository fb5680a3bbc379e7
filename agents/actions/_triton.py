"""The model repository of a Triton server on a node (its extension "model repository"): asked on the node itself."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from typing import ClassVar
from urllib.parse import urlsplit

from agents.action import CannotPrepare, Kind, Parameter, Scene
from agents.actions import _programs
from agents.actions._base import Base, filled, looked, node_row, silent_node, unknown
from agents.parameters import whole
from watchfloor.change import Command, Risk, Seen, Step
from watchfloor.model import Scope
from watchfloor.ports import Floor, Hands

_MODEL = re.compile(r"[A-Za-z0-9][\w.-]{0,127}")
READY, UNAVAILABLE = "READY", "UNAVAILABLE"


class Repository(Base, ABC):
    """Loads or unloads a model: each is undone by the other, and says itself what the model's state means."""

    scope = Scope.SERVICE
    risk: ClassVar[Risk]
    word: ClassVar[str]  # load, unload
    opposite: ClassVar[str]
    wanted: ClassVar[str]  # the model's state
    parameters: ClassVar = {
        "model": Parameter("its name in the repository"),
        "port": Parameter("of the server's HTTP API", Kind.NUMBER, 8000, least=1, most=65535),
    }
    seen_by = "the model's state in the index of the repository"

    def prepare(self, scene: Scene, step: Step) -> Step:
        values = self.values(step)
        model, port = str(values["model"]), whole(values["port"], "port")
        if not _MODEL.fullmatch(model):
            raise CannotPrepare(f"{model!r} is no name of a model", "letters, digits, dots, dashes and underscores")
        address = f"{_server(scene, step)}:{port}/v2/repository"

        def deed(word: str) -> Command:
            target = f"{address}/models/{model}/{word}"
            return _programs.program(
                step.target.node, _programs.CALL, "POST", target, "{}", "300", timeout_seconds=310.0
            )

        return filled(
            step,
            risk=self.risk,
            summary=f"{self.word} {model} at {step.target}",
            deeds=(deed(self.word),),
            before={"model": model, "index": f"{address}/index"},
            after={"state": self.wanted},
            undo=(deed(self.opposite),),
            timeout_seconds=330.0,
        )

    def precheck(self, scene: Scene, step: Step) -> str:
        return silent_node(scene, step)

    async def guard(self, step: Step, hands: Hands) -> str:
        now = await self._state(step, hands)
        return now.text if isinstance(now, Seen) else self.needless(str(step.before["model"]), now)

    async def observe(self, step: Step, hands: Hands, floor: Floor) -> Seen:
        now = await self._state(step, hands)
        return now if isinstance(now, Seen) else self.judged(str(step.before["model"]), now)

    @abstractmethod
    def needless(self, model: str, state: str) -> str:
        """Why there is nothing to do in this state, "" where there is."""

    @abstractmethod
    def judged(self, model: str, state: str) -> Seen:
        """What this state says of the effect."""

    async def _state(self, step: Step, hands: Hands) -> str | Seen:
        """Of the model: "" where the repository doesn't have it; Seen where nobody answers."""
        index = str(step.before["index"])
        answer = await looked(hands, _programs.program(step.target.node, _programs.CALL, "POST", index, "{}", "10"))
        return answer if isinstance(answer, Seen) else state_of(answer.stdout, str(step.before["model"]))


def _server(scene: Scene, step: Step) -> str:
    """Raises CannotPrepare where the target is no Triton."""
    view, target = scene.frame.services, step.target
    row = view.roster.row(node_row(scene, step), target.key)
    if row is None or view.text(row, "kind") != "triton":
        raise CannotPrepare(f"{target} is no Triton server", "only Triton's repository of models is known here")
    host = urlsplit(view.text(row, "endpoint")).hostname
    if not host:
        raise CannotPrepare(f"it isn't told where {target} listens")
    return f"http://[{host}]" if ":" in host else f"http://{host}"


def state_of(text: str, model: str) -> str | Seen:
    """Of a model in the index; of several versions, ready where one is."""
    try:
        listed = [one for one in json.loads(text) if one["name"] == model]
        states = [str(one.get("state") or UNAVAILABLE) for one in listed]
    except (ValueError, TypeError, KeyError):
        return unknown(f"that is no index of models: {text.strip()[:80]!r}")
    return READY if READY in states else next(iter(states), "")
