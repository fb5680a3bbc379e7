"""What the actions at Kubernetes share: requests to its API, what its refusals mean, objects as it has them.

429 on an eviction is a disruption budget that says "not now", 409 an object that changed meanwhile: both are worth
another try. 403 is a right that is missing, which no try will bring.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from agents.action import CannotPrepare, Home, Scene
from agents.actions._base import Base, silent_source, unknown
from watchfloor.change import Deed, Done, On, Place, Request, Seen, Step
from watchfloor.errors import HandsError
from watchfloor.jobs.model import Job
from watchfloor.ports import Hands

KIND = "kubernetes"
MERGE = "application/merge-patch+json"
MARK, REASON = "watchfloor/mark", "watchfloor/reason"  # annotations
ABSENT, CONFLICT, TOO_MANY, FORBIDDEN = 404, 409, 429, 403
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_MINOR = re.compile(r"v?(\d+)\.(\d+)")
_EVICTION_V1 = (1, 22)

Object = dict[str, Any]


def get(place: Place, path: str) -> Request:
    return Request(place, "GET", path)


def patch(home: Home, path: str, body: Object) -> Request:
    return Request(place_of(home), "PATCH", path, body, MERGE)


def place_of(home: Home) -> Place:
    return Place(On.SCHEDULER, home.name)


def name(text: str, what: str) -> str:
    """A name that is one segment of a path. Raises CannotPrepare."""
    if not _NAME.fullmatch(text):
        raise CannotPrepare(f"{what} {text[:80]!r} is not a name of Kubernetes' objects", "see kubectl get")
    return text


def node_path(node: str) -> str:
    return f"/api/v1/nodes/{name(node, 'the node')}"


def of_node(scene: Scene, step: Step) -> Home:
    """The Kubernetes that has the step's node. Raises CannotPrepare."""
    home = scene.homes.of_node(scene.frame, step.target.node)
    if home is None or home.kind != KIND:
        text = f"{step.target.node} is no node of a Kubernetes that watchfloor reads"
        raise CannotPrepare(text, "at Slurm it is drain_node" if home else "a source of jobs in the fleet file")
    return home


def of_job(scene: Scene, step: Step) -> tuple[Home, Job]:
    """The job of a step and its Kubernetes. Raises CannotPrepare."""
    row = scene.frame.jobs.index.get(step.target.key)
    home = scene.homes.of_job(scene.frame, step.target.key)
    if row is None or home is None or home.kind != KIND:
        raise CannotPrepare(f"{step.target.key!r} is no job of a Kubernetes", "see the ids of the jobs page")
    return home, scene.frame.jobs.rows[row]


def eviction_version(scene: Scene, source: str) -> str:
    """Of its API: policy/v1 came with 1.22, and v1beta1 went later. Raises CannotPrepare where nobody knows."""
    told = next((one.version for one in scene.frame.jobs.sources if one.name == source), "")
    found = _MINOR.match(told)
    if found is None:
        raise CannotPrepare(f"the version of {source} isn't known yet", "try again when it has answered")
    return "policy/v1" if (int(found[1]), int(found[2])) >= _EVICTION_V1 else "policy/v1beta1"


# -- what is answered


def told(done: Done) -> Object:
    """The object of an answer, empty where it is none."""
    for text in (done.stdout, done.stderr):
        try:
            found = json.loads(text)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    return {}


def explained(done: Done) -> Done:
    """A refusal with what it means, and whether another try may help."""
    if done.ok or done.exit_code is None:
        return done
    said = str(told(done).get("message") or done.stderr or done.stdout).strip()[:300]
    match done.exit_code:
        case 403:
            text, again = f"not permitted: {said} (bind a role that allows it to the account of this source)", False
        case 409:
            text, again = f"it changed meanwhile: {said}", True
        case 429:
            text, again = f"not now: {said}", True
        case _:
            text, again = said or f"HTTP {done.exit_code}", done.transient
    return msgspec.structs.replace(done, stderr=text, transient=again)


async def looked_at(hands: Hands, place: Place, path: str) -> Object | Seen:
    """An object; {} where there is none of this name; Seen (unknown) where that isn't known."""
    try:
        done = await hands.look(get(place, path))
    except HandsError as error:
        return unknown(f"nobody could look: {error}")
    if done.ok:
        return told(done) or unknown(f"no object in the answer: {done.stdout[:80]!r}")
    return {} if done.exit_code == ABSENT else unknown(f"looking failed: {explained(done).stderr}")


def within(thing: Object, *names: str) -> Any:
    """What lies so deep in an object, None where nothing does."""
    for part in names:
        thing = thing.get(part) if isinstance(thing, dict) else None  # type: ignore[assignment]
    return thing


def annotation(thing: Object, key: str) -> str:
    return str(within(thing, "metadata", "annotations", key) or "")


def requests(step: Step) -> list[Request]:
    return [deed for deed in step.deeds if isinstance(deed, Request)]


class KubeAction(Base):
    """Whose deeds are requests to one cluster. What a cluster turns down for now was not done: it is asked again, under
    the same operation, `tries` times at most."""

    tries: ClassVar[int] = 3
    pause_seconds: ClassVar[float] = 1.0

    def precheck(self, scene: Scene, step: Step) -> str:
        return silent_source(scene, str(step.before["source"]))

    async def apply(self, step: Step, hands: Hands, operation: str) -> Sequence[Done]:
        if refusal := await self.refused(step, hands, operation):
            return refusal
        found: list[Done] = []
        for place, deed in enumerate(step.deeds):
            name = f"{operation}.{place}"
            try:
                found.append(await self._patiently(deed, hands, name))
            except HandsError as error:
                if not found:
                    raise
                found.append(Done(1, stderr=str(error), operation=name, transient=error.transient))
            if not found[-1].ok:
                break
        return found

    async def _patiently(self, deed: Deed, hands: Hands, operation: str) -> Done:
        for _ in range(self.tries - 1):
            done = self.meant(explained(await hands.do(deed, operation)))
            if done.ok or done.exit_code not in (CONFLICT, TOO_MANY):
                return msgspec.structs.replace(done, operation=operation)
            await hands.acknowledge(deed, operation)
            await asyncio.sleep(self.pause_seconds)
        done = self.meant(explained(await hands.do(deed, operation)))
        return msgspec.structs.replace(done, operation=operation)

    def meant(self, done: Done) -> Done:
        """An end in the light of what was wanted."""
        return done
